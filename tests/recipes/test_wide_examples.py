"""What training examples are made of."""

from __future__ import annotations

import random
from pathlib import Path

import torch

from dynfocus_cli.synth.questions import QUESTION_TYPES
from dynfocus_cli.synth.unanswerable import CANNOT_TELL, NONSENSE, UNANSWERABLE
from dynfocus_cli.synth.world import write_script
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.examples import draw_examples, named_frames
from dynfocus_tiny.frames import draw_wide
from dynfocus_tiny.materials import Materials
from dynfocus_tiny.nonsense import TRAINING_NONSENSE


def test_a_moment_past_the_end_is_no_frame() -> None:
    times = torch.tensor([0.0, 2.0, 4.0])
    assert named_frames("What is shown at 00:03?", times).tolist() == [False, True, False]
    assert named_frames("What is shown at 00:04?", times).tolist() == [False, False, True]
    assert not named_frames("What is shown at 00:05?", times).any()
    assert not named_frames("What is shown?", times).any()


def test_examples_are_drawn_of_every_type_and_of_what_frames_do_not_answer(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, 20, 70)
    types = dict.fromkeys((*QUESTION_TYPES, UNANSWERABLE), 1.0)
    examples = draw_examples(store, random.Random(0), rows=400, frames=16, weights=types)
    assert len(examples) == 400
    assert {example.question.type for example in examples} == set(types)
    unanswerable = [example for example in examples if example.question.type == UNANSWERABLE]
    assert 10 < len(unanswerable) < 100
    assert {example.question.answer for example in unanswerable} == {CANNOT_TELL}
    assert all(example.question.answer != CANNOT_TELL for example in examples if example not in unanswerable)


def test_no_nonsense_of_the_exam_is_learned() -> None:
    assert not set(NONSENSE) & set(TRAINING_NONSENSE)


def test_clips_of_many_worlds_are_the_same_each_time(tmp_path: Path) -> None:
    stores = [ClipStore(tmp_path, 12, 70, draw=draw_wide(Materials())) for _ in range(2)]
    assert stores[0].scripts == stores[1].scripts
    assert stores[0].longest_s == max(script.duration_s for script in stores[0].scripts)
    old = [write_script(seed) for seed in range(70, 82)]
    assert 0 < sum(script == usual for script, usual in zip(stores[0].scripts, old, strict=True)) < 12
