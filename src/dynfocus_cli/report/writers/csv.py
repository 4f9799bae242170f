"""`csv`: a table of the sampled frames, for spreadsheets."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from dynfocus_cli.report.moments_csv import moments_csv
from dynfocus_cli.report.writers import ExportFormat, ExportSource, MomentsFormat, MomentsSource

if TYPE_CHECKING:
    from dynfocus_cli.types import Inspection

COLUMNS = ("index", "time_s", "timecode", "event", "meaningful", "score", "tokens")
"""Named and rounded as in the JSON record's `frames`."""


def csv_table(inspection: Inspection) -> str:
    """A heading and a row for each sampled frame.

    The video's name is no part of it: a spreadsheet could take it for a formula.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for frame in inspection.frames:
        time, score = f"{frame.time_s:.3f}", f"{frame.score:.4f}"
        meaningful = "true" if frame.meaningful else "false"
        rows.writerow((frame.index, time, frame.timecode, frame.event, meaningful, score, frame.tokens))
    return text.getvalue()


def _content(source: ExportSource, file: Path) -> bytes:
    return csv_table(source.inspection).encode()


def _moments(source: MomentsSource, file: Path) -> bytes:
    return moments_csv(source.moments).encode("utf-8", "backslashreplace")


FORMAT = ExportFormat(
    flag="--csv",
    help="Write every sampled frame as a row.",
    suffixes=(".csv",),
    content=_content,
    place=0,
    to_stdout=True,
    moments=MomentsFormat(help="Write every moment as a row.", content=_moments, holds_several=True),
)
