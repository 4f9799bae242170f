"""Frames of the last video, in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import dynfocus_cli
from dynfocus_cli import RunOptions, pipeline
from dynfocus_cli.features import encoding
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.memory_cache import MOST_KEYS, MemoryFeatureCache
from dynfocus_cli.options import DecodingOptions
from dynfocus_cli.progress import Silent

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")


def frames(*times_s: float) -> EncodedFrames:
    patches = torch.tensor(times_s).view(-1, 1, 1)
    return EncodedFrames(times_s, times_s, ("sound",) * len(times_s), patches)


def test_what_was_seen_is_known_until_another_video_comes(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"a")
    second.write_bytes(b"b")
    memory_cache = MemoryFeatureCache()
    memory_cache.digest(first)
    assert memory_cache.look_up("key", [1.0]) is None
    memory_cache.store("key", frames(1.0, 3.0))
    memory_cache.store("key", frames(2.0))
    found = memory_cache.look_up("key", [3.0, 2.0, 9.0])
    assert found is not None
    assert found.times_s == (2.0, 3.0)
    memory_cache.digest(first)
    assert memory_cache.look_up("key", [1.0]) is not None
    memory_cache.digest(second)
    assert memory_cache.look_up("key", [1.0]) is None
    first.write_bytes(b"longer")
    for number in range(MOST_KEYS + 1):
        memory_cache.store(str(number), frames(1.0))
    assert memory_cache.look_up("0", [1.0]) is None
    assert memory_cache.look_up("1", [1.0]) is not None


def test_a_second_question_decodes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dynfocus_cli.load(device="cpu").model
    options, memory_cache = RunOptions(decoding=DecodingOptions(cache=False)), MemoryFeatureCache()
    question = "What color is the heart at 00:12?"
    first = pipeline.ask(DEMO, question, model, options, Silent(), memory_cache=memory_cache)
    monkeypatch.setattr(encoding, "decode_for", lambda *_: pytest.fail("it was seen already"))
    second = pipeline.ask(DEMO, question, model, options, Silent(), memory_cache=memory_cache)
    assert (second.answer, second.evidence.frames) == (first.answer, first.evidence.frames)
    assert first.evidence.cache == second.evidence.cache == "off"
