"""A table of moments, for spreadsheets."""

from __future__ import annotations

import csv
import io

from dynfocus_cli.moments.moment import Moments
from dynfocus_cli.video.timecode import format_timecode

COLUMNS = (
    "rank", "video", "start_s", "end_s", "start", "end", "score", "best_s", "origins", "log_odds", "text"
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What begins so is run as a formula by spreadsheets."""


def moments_csv(moments: Moments) -> str:
    """A heading and a row for each of the ranked moments."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for rank, moment in enumerate(moments.ranked, start=1):
        rows.writerow(
            (
                rank,
                _harmless(moment.video),
                f"{moment.start_s:.3f}",
                f"{moment.end_s:.3f}",
                format_timecode(moment.start_s),
                format_timecode(moment.end_s),
                f"{moment.score:.4f}",
                f"{moment.best_s:.3f}",
                "+".join(moment.origins),
                "" if moment.log_odds is None else f"{moment.log_odds:.4f}",
                _harmless(moment.text),
            )
        )
    return text.getvalue()


def _harmless(text: str) -> str:
    """With an apostrophe before what a spreadsheet would run."""
    return f"'{text}" if text.startswith(FORMULA) else text
