"""Frames that are encoded as one stay together, however the work of decoding is shared out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dynfocus_cli.features.encoding import VisionTower, decode_for, encode_video
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.progress import Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import decode_workers, probe
from video.clips import write_clip

MOMENTS_S = [2.0 * place for place in range(10)]


class Recorder:
    """A tower whose features of a frame are the means of all frames that are encoded with it as one."""

    def __init__(self, together: int) -> None:
        self.calls: list[int] = []
        self._together = together

    @property
    def tower(self) -> VisionTower:
        scaling = Preprocessing(size=48, fit="squash")
        return VisionTower(self._encode, scaling, "", torch.device("cpu"), torch.float32, self._together)

    def _encode(self, pixels: Tensor) -> Tensor:
        self.calls.append(len(pixels))
        last = pixels[-1:].expand(-len(pixels) % self._together, -1, -1, -1)
        units = torch.cat((pixels, last)).unflatten(0, (-1, self._together))  # (U, t, 3, H, W)
        features = units.mean(dim=(2, 4))  # (U, t, H)
        return features.repeat_interleave(self._together, dim=0)[: len(pixels)]


@pytest.fixture
def source(tmp_path: Path) -> VideoSource:
    return probe(write_clip(tmp_path / "clip.mp4", [200 * number for number in range(100)]))


def share_out(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr(decode_workers, "MIN_SPAN_S", 1.0)
    monkeypatch.setattr(decode_workers, "usable_cores", lambda: cores)


def features(
    source: VideoSource, recorder: Recorder, moments_s: Sequence[float], batch_size: int = 32
) -> Tensor:
    encoding = encode_video(
        source, moments_s, recorder.tower, None, "none", Silent(), Stopwatch(), batch_size=batch_size
    )
    assert encoding.frames.times_s == tuple(moments_s)
    assert len(encoding.frames.pts_s) == len(encoding.frames.conditions) == len(moments_s)
    return encoding.frames.patches


@pytest.mark.parametrize("together", [2, 3])
@pytest.mark.parametrize("count", [1, 9, 10])
def test_the_number_of_cores_changes_no_group(
    source: VideoSource, monkeypatch: pytest.MonkeyPatch, together: int, count: int
) -> None:
    share_out(monkeypatch, 1)
    by_one = features(source, Recorder(together), MOMENTS_S[:count])
    for cores in (2, 3, 4):
        share_out(monkeypatch, cores)
        recorder = Recorder(together)
        assert torch.equal(features(source, recorder, MOMENTS_S[:count]), by_one)
        assert all(frames % together == 0 for frames in recorder.calls[:-1])


def test_batches_hold_whole_groups_and_no_more_frames_than_asked_for(source: VideoSource) -> None:
    for batch_size, calls in ((1, [2] * 5), (2, [2] * 5), (5, [4, 4, 2]), (32, [10])):
        recorder = Recorder(2)
        features(source, recorder, MOMENTS_S, batch_size)
        assert recorder.calls == calls


def test_groups_are_whole_of_what_was_decoded_ahead_too(source: VideoSource) -> None:
    recorder = Recorder(2)
    prefetched = decode_for(source, MOMENTS_S, recorder.tower, None, 3)
    ahead = encode_video(
        source,
        MOMENTS_S,
        recorder.tower,
        None,
        "none",
        Silent(),
        Stopwatch(),
        batch_size=3,
        prefetched=prefetched,
    )
    assert torch.equal(ahead.frames.patches, features(source, Recorder(2), MOMENTS_S, 10))


def test_frames_on_their_own_are_encoded_in_the_batches_they_come_in(
    source: VideoSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_out(monkeypatch, 2)
    recorder = Recorder(1)
    features(source, recorder, MOMENTS_S)
    assert recorder.calls == [5, 5]
