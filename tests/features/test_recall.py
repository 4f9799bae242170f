"""Frames of the last video, in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import dynfocus_cli
from dynfocus_cli import RunOptions, pipeline
from dynfocus_cli.features import encoding
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.recall import MOST_KEYS, Recall
from dynfocus_cli.progress import Silent
from dynfocus_cli.run_options import DecodingOptions

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")


def frames(*times_s: float) -> EncodedFrames:
    patches = torch.tensor(times_s).view(-1, 1, 1)
    return EncodedFrames(times_s, times_s, ("sound",) * len(times_s), patches)


def test_what_was_seen_is_known_until_another_video_comes(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"a")
    second.write_bytes(b"b")
    recall = Recall()
    recall.digest(first)
    assert recall.look_up("key", [1.0]) is None
    recall.store("key", frames(1.0, 3.0))
    recall.store("key", frames(2.0))
    found = recall.look_up("key", [3.0, 2.0, 9.0])
    assert found is not None
    assert found.times_s == (2.0, 3.0)
    recall.digest(first)
    assert recall.look_up("key", [1.0]) is not None
    recall.digest(second)
    assert recall.look_up("key", [1.0]) is None
    first.write_bytes(b"longer")
    for number in range(MOST_KEYS + 1):
        recall.store(str(number), frames(1.0))
    assert recall.look_up("0", [1.0]) is None
    assert recall.look_up("1", [1.0]) is not None


def test_a_second_question_decodes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dynfocus_cli.load(device="cpu").model
    options, recall = RunOptions(decoding=DecodingOptions(cache=False)), Recall()
    question = "What color is the heart at 00:12?"
    first = pipeline.ask(DEMO, question, model, options, Silent(), recall=recall)
    monkeypatch.setattr(encoding, "decode_for", lambda *_: pytest.fail("it was seen already"))
    second = pipeline.ask(DEMO, question, model, options, Silent(), recall=recall)
    assert (second.answer, second.evidence.frames) == (first.answer, first.evidence.frames)
    assert first.evidence.cache == second.evidence.cache == "off"
