"""Which options a finder follows, and what a search of many videos keeps of those that fail."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from dynfocus_cli.errors import UsageError, VideoUnreadable
from dynfocus_cli.moments.library import Finder, find_all
from dynfocus_cli.moments.moment import VideoMoments
from dynfocus_cli.options import FindOptions, RunOptions, SamplingOptions
from dynfocus_cli.types import ModelInfo
from video.clips import write_clip

INFO = ModelInfo("qwen", "transformers", "", "none", "cpu")


def load() -> Any:
    raise AssertionError("no weights are needed")


@pytest.fixture
def by_windows() -> Finder:
    """Of a public model alone."""
    return Finder("qwen", INFO, None, 1.0, load)


def test_a_model_alone_verifies_nothing(by_windows: Finder) -> None:
    with pytest.raises(UsageError, match=r"`verify` .*qwen alone is asked about every few seconds"):
        by_windows.check(FindOptions(verify=3))
    with pytest.raises(UsageError, match="`verify`"):
        find_all(["a.mp4", "b.mp4"], "a dog", by_windows, FindOptions(verify=3))


@pytest.mark.parametrize("refine", [None, False, True])
def test_a_model_alone_takes_what_the_caller_says_of_borders(by_windows: Finder, refine: bool | None) -> None:
    """True is also what a search of a single video says where nobody asked for it."""
    by_windows.check(FindOptions(refine=refine, top=9, threshold=0.1, min_length_s=2.0))


def test_a_plan_for_a_model_alone_says_what_it_ignores(by_windows: Finder, tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", range(0, 6000, 200)))
    _, plain = by_windows.plan(clip)
    _, plan = by_windows.plan(clip, RunOptions(SamplingOptions(frames=2)))
    assert plan.times_s == plain.times_s == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert plain.warnings == ()
    assert plan.warnings[0].startswith("`frames` is ignored: qwen alone")


def test_failures_keep_nothing_of_their_videos(by_windows: Finder, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pictures:
        """Stands for what a search holds when it fails."""

    held: list[weakref.ref[Pictures]] = []

    def find(self: Finder, video: str, *more: Any) -> VideoMoments:
        pictures = Pictures()
        held.append(weakref.ref(pictures))
        try:
            raise OSError("gone")
        except OSError as error:
            raise VideoUnreadable(f"{video} cannot be read.") from error

    monkeypatch.setattr(Finder, "find", find)
    moments = find_all(["a.mp4", "b.mp4"], "a dog", by_windows)
    gc.collect()
    assert [str(failure.error) for failure in moments.failures] == [
        "a.mp4 cannot be read.",
        "b.mp4 cannot be read.",
    ]
    assert [reference() for reference in held] == [None, None]
