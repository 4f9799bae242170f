"""Cut lists, read back by the rules of CMX3600."""

from __future__ import annotations

import re

import pytest

from dynfocus_cli.report.spans import event_spans
from dynfocus_cli.report.writers.edl import edl

CUT = re.compile(r"(\d{3})  AX       V     C        (\S+) (\S+) (\S+) (\S+)")


def frames_of(code: str, unit: int) -> int:
    hours, minutes, seconds, frames = map(int, code.split(":"))
    assert frames < unit
    return ((hours * 60 + minutes) * 60 + seconds) * unit + frames


@pytest.mark.parametrize(("fps", "unit"), [(25.0, 25), (30000 / 1001, 30), (24000 / 1001, 24), (59.94, 60)])
def test_edl_cuts_lie_end_to_end(make_inspection, with_events, fps, unit):
    made = with_events(make_inspection(600), [index // 50 % 3 for index in range(600)], fps=fps)
    lines = edl(made, event_spans(made)).splitlines()
    assert lines[:2] == ["TITLE: demo.mp4", "FCM: NON-DROP FRAME"]
    cuts = [match.groups() for line in lines if (match := CUT.fullmatch(line))]
    assert [int(cut[0]) for cut in cuts] == list(range(1, 13))
    end = 0
    for (_, *codes), span in zip(cuts, event_spans(made), strict=True):
        start, stop, laid, laid_end = (frames_of(code, unit) for code in codes)
        assert (start, laid) == (end, end)
        assert stop - start == laid_end - laid
        assert (start, stop) == (round(span.start_s * fps), round(span.end_s * fps))
        end = stop


@pytest.mark.parametrize(
    ("fps", "unit", "group"),
    [
        (120.0, 60, 2),
        (120000 / 1001, 60, 2),
        (240.0, 60, 4),
        (100.0, 50, 2),
        (144.0, 48, 3),
        (1000.0, 50, 20),
    ],
)
def test_edl_of_a_fast_video_counts_groups_of_frames(make_inspection, with_events, fps, unit, group):
    made = with_events(make_inspection(40), [index // 3 for index in range(40)], fps=fps)
    text = edl(made, event_spans(made))
    assert f"* TIME CODES COUNT {unit} A SECOND: {group} FRAMES OF THE VIDEO EACH" in text
    cuts = [match.groups() for line in text.splitlines() if (match := CUT.fullmatch(line))]
    assert len(cuts) == 14
    for (_, *codes), span in zip(cuts, event_spans(made), strict=True):
        start, stop, *_ = (frames_of(code, unit) for code in codes)
        assert (start, stop) == (round(span.start_s * fps / group), round(span.end_s * fps / group))


def test_edl_begins_at_the_files_time_code(make_inspection, with_events):
    made = with_events(make_inspection(4), [0, 0, 1, 1], fps=25.0, timecode="01:00:00:00")
    assert "01:00:00:00 01:00:01:00 00:00:00:00 00:00:01:00" in edl(made, event_spans(made))


def test_edl_drops_the_labels_that_the_file_drops(make_inspection, with_events):
    made = with_events(make_inspection(4), [0, 0, 1, 1], fps=30000 / 1001, timecode="01:00:59;00")
    text = edl(made, event_spans(made))
    assert "FCM: DROP FRAME" in text
    assert "01:00:59;00 01:01:00;02 00:00:00;00 00:00:01;00" in text


def test_a_stretch_shorter_than_a_time_code_is_still_a_cut(make_inspection, with_events):
    made = with_events(make_inspection(4), [0, 0, 1, 1], fps=1 / 3600)
    assert edl(made, event_spans(made)).count("  AX  ") == 2
    made = with_events(make_inspection(4), [0, 1, 2, 3], fps=1.0)
    assert edl(made, event_spans(made)).count("  AX  ") == 4
