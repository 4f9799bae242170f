"""The table of sampled frames, read back by Python."""

from __future__ import annotations

import csv
import io

import pytest

from dynfocus_cli.report.writers.csv import csv_table


def test_csv_has_every_sampled_frame(make_inspection):
    made = make_inspection()
    rows = list(csv.DictReader(io.StringIO(csv_table(made))))
    assert len(rows) == len(made.frames)
    for row, frame in zip(rows, made.frames, strict=True):
        assert (int(row["index"]), float(row["time_s"]), row["timecode"]) == (
            frame.index,
            frame.time_s,
            frame.timecode,
        )
        assert (int(row["event"]), int(row["tokens"])) == (frame.event, frame.tokens)
        assert row["meaningful"] == ("true" if frame.meaningful else "false")
        assert float(row["score"]) == pytest.approx(frame.score, abs=5e-5)
