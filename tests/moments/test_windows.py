"""A model that has no vectors is asked about a few seconds at a time, and says which options are ignored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dynfocus_cli.moments import windows
from dynfocus_cli.moments.moment import VideoMoments
from dynfocus_cli.moments.windows import find_by_windows
from dynfocus_cli.options import DecodingOptions, FindOptions, SamplingOptions
from dynfocus_cli.progress import Silent
from video.clips import write_clip

MODEL: Any = SimpleNamespace(spec=SimpleNamespace(name="qwen", defaults=SimpleNamespace(fps=1.0)))


@pytest.fixture
def clip(tmp_path: Path) -> str:
    return str(write_clip(tmp_path / "clip.mp4", range(0, 12_000, 200)))


def find_in(clip: str, monkeypatch: pytest.MonkeyPatch, sampling: SamplingOptions) -> VideoMoments:
    """What is found where the model says yes to all."""
    monkeypatch.setattr(windows, "log_odds_of", lambda *asked: 3.0)
    return find_by_windows(clip, "a dog", MODEL, FindOptions(), sampling, DecodingOptions(), Silent())


@pytest.mark.parametrize(
    ("sampling", "names"),
    [
        (SamplingOptions(fps=4), "`fps` is"),
        (SamplingOptions(frames=2), "`frames` is"),
        (SamplingOptions(fps=0.1, max_frames=1), "`fps` and `max_frames` are"),
    ],
)
def test_how_many_frames_to_look_at_is_ignored_with_a_word(
    clip: str, monkeypatch: pytest.MonkeyPatch, sampling: SamplingOptions, names: str
) -> None:
    plain, result = (find_in(clip, monkeypatch, each) for each in (SamplingOptions(), sampling))
    assert plain.warnings == ()
    (warning,) = result.warnings
    assert warning.startswith(f"{names} ignored: qwen alone is asked about a few seconds")
    assert result.curve == plain.curve


def test_the_part_of_the_video_is_followed(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = find_in(clip, monkeypatch, SamplingOptions(start_s=4.0, end_s=8.0))
    assert result.warnings == ()
    assert [(moment.start_s, moment.end_s) for moment in result.moments] == [(4.0, 8.0)]
