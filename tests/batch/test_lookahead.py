"""The next video is begun while the current one is at work."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import dynfocus_cli
from dynfocus_cli import RunOptions, SamplingOptions, VideoUnreadable, pipeline
from dynfocus_cli.batch.lookahead import one_ahead
from dynfocus_cli.features import encoding
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.options import DecodingOptions
from dynfocus_cli.pipeline.prefetch import start_prefetch
from dynfocus_cli.progress import Silent
from dynfocus_cli.synth.write import Film, write_clips
from dynfocus_cli.types import FrameBatch, VideoSource

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")
OPTIONS = RunOptions(decoding=DecodingOptions(cache=False))


def test_one_ahead_and_no_more() -> None:
    fetched: list[int] = []
    waiting = threading.Event()

    def items() -> Iterator[int]:
        for item in range(4):
            fetched.append(item)
            yield item

    def prepare(item: int) -> int:
        if item == 1:
            waiting.set()
        return item * item

    found = []
    for item, ready in one_ahead(items(), prepare):
        if item == 0:
            assert waiting.wait(10), "the next is prepared before the first is done"
        # Fetched beyond the next it is never: that one waits for its turn to be prepared.
        assert len(fetched) <= item + 3
        found.append((item, ready))
    assert found == [(0, 0), (1, 1), (2, 4), (3, 9)]


def test_what_goes_wrong_is_told_in_its_turn() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    ahead = one_ahead(items(), str)
    assert next(ahead) == (1, "1")
    with pytest.raises(OSError, match="no more"):
        next(ahead)


def test_a_begun_video_gives_the_same_answer_without_decoding_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dynfocus_cli.load(device="cpu").model
    question = "What color is the heart at 00:12?"
    plain = pipeline.ask(DEMO, question, model, OPTIONS, Silent())
    prefetch = start_prefetch(DEMO, question, model, OPTIONS)
    monkeypatch.setattr(encoding, "decode_for", lambda *_: pytest.fail("it is decoded already"))
    ahead = pipeline.ask(DEMO, question, model, OPTIONS, Silent(), (), prefetch)
    assert (ahead.answer, ahead.evidence.frames) == (plain.answer, plain.evidence.frames)
    assert ahead.evidence.warnings == plain.evidence.warnings


def test_what_was_begun_for_other_moments_is_begun_anew() -> None:
    model = dynfocus_cli.load(device="cpu").model
    prefetch = start_prefetch(DEMO, None, model, OPTIONS)
    few = RunOptions(SamplingOptions(frames=5), decoding=DecodingOptions(cache=False))
    found = pipeline.inspect(DEMO, None, model, few, Silent(), prefetch)
    assert len(found.frames) == 5
    assert prefetch.batches is None


def test_a_video_that_is_replaced_meanwhile_is_begun_anew(tmp_path: Path) -> None:
    """And what was decoded of the old one is never taken for the new one's."""
    model, cached = dynfocus_cli.load(device="cpu").model, RunOptions(SamplingOptions(frames=4))
    one, other = write_clips(tmp_path / "clips", 2, 1, film=Film(size=64, fps=4))
    durations = [
        pipeline.inspect(str(path), None, model, cached, Silent()).source.duration_s for path in (one, other)
    ]
    assert durations[0] != durations[1]
    video = tmp_path / "video.mp4"
    shutil.copy(one, video)
    more = RunOptions(SamplingOptions(frames=5))
    prefetch = start_prefetch(str(video), None, model, more)
    os.replace(shutil.copy(other, tmp_path / "new.mp4"), video)
    found = pipeline.inspect(str(video), None, model, more, Silent(), prefetch)
    assert found.source.duration_s == durations[1]
    again = pipeline.inspect(str(video), None, model, more, Silent())
    assert again.frames == found.frames
    assert (found.cache, again.cache) == ("partial", "hit")


def test_a_video_that_is_replaced_while_it_is_decoded_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, options = dynfocus_cli.load(device="cpu").model, RunOptions(SamplingOptions(frames=6))
    one, other = write_clips(tmp_path / "clips", 2, 1, film=Film(size=64, fps=4))
    decode = encoding.decode_for

    def replaced_then_decoded(source: VideoSource, *more: object) -> Iterator[FrameBatch]:
        yield from decode(source, *more)
        os.replace(other, one)

    with monkeypatch.context() as patch:
        patch.setattr(encoding, "decode_for", replaced_then_decoded)
        pipeline.inspect(str(one), None, model, options, Silent())
    assert pipeline.inspect(str(one), None, model, options, Silent()).cache == "miss"


def test_a_file_that_cannot_be_read_whole_is_answered_without_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digest = FeatureCache.digest

    def damaged_sector(self: FeatureCache, path: str) -> str:
        if path == DEMO:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return digest(self, path)

    monkeypatch.setattr(FeatureCache, "digest", damaged_sector)
    found = pipeline.inspect(DEMO, None, dynfocus_cli.load(device="cpu").model, RunOptions(), Silent())
    assert found.cache == "off"
    assert "Features are not kept: not all of the file can be read (Input/output error)." in found.warnings


def test_what_is_begun_can_be_given_up() -> None:
    prefetch = start_prefetch(DEMO, None, dynfocus_cli.load(device="cpu").model, OPTIONS)
    prefetch.close()
    prefetch.close()
    assert prefetch.frames(prefetch.moments_s, prefetch.batch) is None


def test_a_damaged_video_cannot_be_begun(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(VideoUnreadable):
        start_prefetch(str(broken), None, dynfocus_cli.load(device="cpu").model, OPTIONS)
