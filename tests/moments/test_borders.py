"""Borders are found to the frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.moments.borders import refine
from dynfocus_cli.moments.moment import Curve
from dynfocus_cli.moments.spans import spans
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import probe
from video.clips import write_clip

SOURCE = VideoSource("a.mp4", 2.0, 96, 72, 25.0, "h264", 0, False, 0, 0.0)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> VideoSource:
    """Some video at 25 frames a second."""
    return probe(str(write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", range(0, 2000, 40))))


@given(st.lists(st.booleans(), min_size=4, max_size=80), st.sampled_from([0.2, 0.5, 1.0]), st.floats(0.3, 1))
def test_the_border_is_a_frame_at_which_the_score_changes(
    shown: list[bool], step_s: float, high: float
) -> None:
    """Against all frames of the video: where a score changes once between two samples, the border is there;
    else at one of the changes in that direction."""
    source = replace(SOURCE, fps=25.0, fastest_fps=25.0, duration_s=len(shown) / 25)
    times_s = tuple(index * step_s for index in range(int(source.duration_s / step_s) + 1))
    times_s = tuple(time_s for time_s in times_s if time_s < source.duration_s)

    def number(time_s: float) -> int:
        return min(len(shown) - 1, int(time_s * 25 + 1e-6))

    def score(time_s: float) -> float:
        return high if shown[number(time_s)] else 0.01

    def look(moments_s: Sequence[float]) -> tuple[list[float], list[float]]:
        assert list(moments_s) == sorted(moments_s)
        return [score(time_s) for time_s in moments_s], [number(time_s) / 25 for time_s in moments_s]

    curve = Curve(times_s, tuple(map(score, times_s)))
    found = spans(curve, (0, source.duration_s), 0.2)
    result = refine(source, found, look)
    rises = [n for n in range(1, len(shown)) if shown[n] and not shown[n - 1]]
    falls = [n for n in range(1, len(shown)) if not shown[n] and shown[n - 1]]
    for before, after in zip(found, result.spans, strict=True):
        for (low, up), at, changes in (
            (before.start_within, after.start_s, rises),
            (before.end_within, after.end_s, falls),
        ):
            if low < up:
                assert any(abs(at - n / 25) < 1e-6 for n in changes if low < n / 25 <= up + 1e-6)
            else:
                assert at == low


def test_all_borders_are_looked_at_together(source: VideoSource) -> None:
    calls = []

    def score(time_s: float) -> float:
        return float(0.52 <= time_s < 0.84 or 1.32 <= time_s < 1.6)

    def look(moments_s: Sequence[float]) -> tuple[list[float], list[float]]:
        calls.append(list(moments_s))
        return [score(time_s) for time_s in moments_s], [int(time_s * 25 + 1e-6) / 25 for time_s in moments_s]

    times_s = (0.0, 0.4, 0.8, 1.2, 1.5, 1.9)
    found = spans(Curve(times_s, tuple(map(score, times_s))), (0, 2), 0.5)
    result = refine(source, found, look)
    borders = [border for span in result.spans for border in (span.start_s, span.end_s)]
    assert borders == pytest.approx([0.52, 0.84, 1.32, 1.6])
    assert len(calls[0]) == 4
    assert len(calls) <= 6
    assert 4 < result.frames <= sum(map(len, calls))


def test_a_video_of_one_frame_has_nothing_to_refine(tmp_path: Path) -> None:
    source = probe(str(write_clip(tmp_path / "one.mp4", [0])))
    found = spans(Curve((0.0,), (0.9,)), (0.0, source.duration_s), 0.5)

    def look(moments_s: Sequence[float]) -> tuple[list[float], list[float]]:
        raise AssertionError("nothing is to be decoded")

    assert refine(source, found, look).frames == 0
