"""The evidence as text: at every width, without colour, without Unicode."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from dynfocus_cli.report.terminal import (
    aligned_table,
    print_selection,
    print_timings,
    separated_table,
    stderr_console,
)
from dynfocus_cli.report.timeline import UNICODE, timeline


class Terminal(io.StringIO):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


def render(inspection, width, *, encoding="utf-8", table=True, colour=False):
    terminal = Terminal(encoding)
    system = "truecolor" if colour else None
    console = Console(
        file=terminal, width=width, force_terminal=colour, color_system=system, markup=False, highlight=False
    )
    print_selection(console, inspection, table=table)
    print_timings(console, inspection)
    return terminal.getvalue()


@pytest.mark.parametrize("width", [20, 60, 80, 200])
@pytest.mark.parametrize("frames", [1, 2, 12, 61, 200, 1000])
def test_no_line_is_wider_than_the_terminal(make_inspection, width, frames):
    lines = render(make_inspection(frames=frames), width).splitlines()
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_many_frames_fill_the_width_and_few_do_not(make_inspection, width):
    assert len(render(make_inspection(frames=1000), width).splitlines()[1]) == width
    assert len(render(make_inspection(frames=12), width).splitlines()[1]) == min(width, 12 * 8)


def test_strip_of_the_docstring(make_inspection):
    made = make_inspection(frames=8)
    frames = tuple(
        replace(frame, time_s=float(frame.index), event=event, meaningful=frame.index in (1, 4, 6))
        for frame, event in zip(made.frames, [0, 0, 0, 1, 1, 2, 2, 2], strict=True)
    )
    sampling = replace(made.sampling, end_s=8.0, focus=())
    lines = timeline(replace(made, frames=frames, sampling=sampling), 24, UNICODE)
    assert lines[0].plain == "░░░██▉░░░▒▒▒██▉░░░██▉░░░"
    assert lines[1].plain == "00:00:00.000"  # the end's label has no room beside it
    assert timeline(replace(made, frames=frames, sampling=sampling), 26, UNICODE)[1].plain == (
        "00:00:00.000  00:00:08.000"
    )


def at(inspection, times_s, end_s, **sampling):
    """The same frames at other times, the first of each event a key frame."""
    frames = tuple(
        replace(frame, time_s=time_s) for frame, time_s in zip(inspection.frames, times_s, strict=True)
    )
    plan = replace(inspection.sampling, end_s=end_s, focus=(), **sampling)
    return replace(inspection, frames=frames, sampling=plan)


def test_the_strip_is_to_scale_however_the_frames_lie(make_inspection):
    """Six frames within the second second of a minute take a sixtieth of it, and not half."""
    times_s = [0.0, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 30.0]
    made = at(make_inspection(frames=8, key_every=7), times_s, 60.0)
    strip = render(made, 60).splitlines()[1]
    assert strip == "█" + "▒" + "░" * 28 + "█" * 29 + "▉"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 133, 200])
@pytest.mark.parametrize("end_s", [0.4, 12.0, 59.0, 60.0, 3700.0, 100000.0])
def test_labels_stand_under_their_times_and_the_end_has_one(make_inspection, width, end_s):
    made = at(make_inspection(frames=20), [end_s * index / 20 for index in range(20)], end_s)
    strip, labels = render(made, width).splitlines()[1:3]
    labelled = list(re.finditer(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", labels))
    assert all(len(match[0]) >= 8 for match in labelled)
    times = [int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) for match in labelled]
    assert times[0] == 0
    assert len(labelled) > 1 or width < 25
    if len(labelled) > 1:
        assert times[-1] == pytest.approx(end_s, abs=0.001)
        assert labelled[-1].end() == len(strip)
        labelled, times = labelled[:-1], times[:-1]
    for match, time_s in zip(labelled, times, strict=True):
        assert match.start() == int(time_s / end_s * len(strip) + 1e-6)


def test_focus_is_marked_under_the_strip(make_inspection):
    made = at(make_inspection(frames=60), [float(second) for second in range(60)], 60.0)
    focused = replace(made, sampling=replace(made.sampling, focus=((10.0, 14.0), (50.0, 70.0))))
    lines = render(focused, 60).splitlines()
    assert lines[2] == " " * 10 + "▔" * 5 + " " * 35 + "▔" * 10
    assert lines[4].endswith("▔ focus")
    assert "focus" not in render(made, 60)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_ascii_where_the_encoding_asks_for_it(make_inspection, encoding):
    text = render(make_inspection(frames=6), 12, encoding=encoding)
    assert text.isascii()
    assert text.splitlines()[1:3] == ["#|....#|::::", "    ^^^^^"]


def test_shapes_carry_the_meaning_without_colour(make_inspection):
    inspection = make_inspection(frames=40)
    plain = render(inspection, 80)
    coloured = render(inspection, 80, colour=True)
    assert "\x1b[" in coloured
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_no_color_is_honoured(make_inspection, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    console = Console(file=terminal, width=80, force_terminal=True)
    print_selection(console, make_inspection(), table=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", terminal.getvalue())


def test_every_key_frame_is_seen_in_a_crowded_strip(make_inspection):
    strip = render(make_inspection(frames=1000, key_every=50), 60).splitlines()[1]
    assert strip.count("█") == 20


def test_budget_adds_up(make_inspection):
    text = render(make_inspection(frames=12, key_every=3), 200)
    assert "176 video tokens = 40 × 4 (key frames) + 2 × 8 (others)" in text
    assert "All patches would take 768, 4.4 times as many." in text
    assert "Context: 1841 of 2048 tokens left (31 prompt)." in text


def test_a_bill_without_video_tokens_is_no_division_by_zero(make_inspection):
    inspection = make_inspection(frames=1)
    nothing = replace(inspection, tokens=replace(inspection.tokens, video=0))
    assert "All patches would take 64." in render(nothing, 200)


def test_timings_leave_out_a_stage_that_did_not_run(make_inspection):
    inspection = make_inspection()
    assert render(inspection, 200).splitlines()[-2:] == [
        "decode 0.40 s, encode 0.60 s, select 0.02 s",
        "total 1.04 s",
    ]
    console = Console(file=(terminal := Terminal()), width=200)
    print_timings(console, inspection, 3.12)
    assert terminal.getvalue() == (
        "decode 0.40 s, encode 0.60 s, select 0.02 s\ntotal 1.04 s, with loading 4.16 s\n"
    )
    answered = replace(inspection, timings_s=replace(inspection.timings_s, generate=0.3))
    assert "generate 0.30 s" in render(answered, 200)


def test_aligned_table(make_inspection):
    heading, *rows = aligned_table(make_inspection(frames=12))
    assert heading.split() == ["frame", "time_s", "timecode", "event", "score", "tokens"]
    assert len(rows) == 4
    assert len({len(row) for row in (heading, *rows)}) == 1


def test_separated_table(make_inspection):
    inspection = make_inspection(frames=4, video="a\tb\n.mp4")
    assert separated_table(inspection, with_video=False, with_header=True) == [
        "frame\ttime_s\ttimecode\tevent\tscore\ttokens",
        "0\t0.000\t00:00:00.000\t0\t1.0000\t40",
        "3\t1.500\t00:00:01.500\t1\t0.7500\t40",
    ]
    rows = separated_table(inspection, with_video=True, with_header=True)
    assert {row.count("\t") for row in rows} == {6}
    assert len(separated_table(inspection, with_video=True, with_header=False)) == 2


def test_evidence_goes_to_stderr():
    assert stderr_console().stderr
