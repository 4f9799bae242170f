"""The ways to spend tokens, the examination that compares them, and its intervals."""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.stages import VideoFeatures
from dynfocus_cli.synth.questions import QUESTION_TYPES, ask, observe
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.curriculum import CurriculumModel, Phase
from dynfocus_tiny.examples import TrainingExample
from dynfocus_tiny.recipe import fresh_model

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import ablation
from ablation import NEEDS, PAPER, WAYS, Answered, difference, examination, summary

pytestmark = pytest.mark.slow

FRAMES, KEYS = 12, 2


@pytest.fixture(scope="module")
def seen():
    """An untrained miniature, the features of two videos, and which frames were chosen."""
    model, _ = fresh_model(3)
    visual = torch.randn(2, FRAMES, 64, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = model.connector.prepare(visual)
        selection = model.connector.select(features, events=6, key_events=KEYS, scorer="visual")
    return model, features, selection


def written(seen, arm: str):
    model, features, selection = seen
    times_s = torch.arange(FRAMES, dtype=torch.float32).expand(2, -1)
    pinned = torch.zeros(2, FRAMES, dtype=torch.bool)
    pinned[:, 3] = True
    with torch.no_grad():
        return WAYS[arm](model, features, selection, None, times_s, pinned)


@pytest.mark.parametrize(
    ("arm", "others", "keys"),
    [
        ("(0, 40)", 0, 40),
        ("(2, 40)", 2, 40),
        ("(0, all)", 0, 66),
        ("(2, all)", 2, 66),
        ("(2, 2)", 2, 2),
        ("(2, 0)", 2, 0),
    ],
)
def test_each_frame_costs_what_the_arm_says(seen, arm: str, others: int, keys: int) -> None:
    tokens, frame_of_token = written(seen, arm)
    assert tokens.shape[:2] == frame_of_token.shape
    for row, key_frames in zip(frame_of_token.tolist(), seen[2].key_frames.tolist(), strict=True):
        assert row == sorted(row)
        spent = Counter(row)
        assert [spent[frame] for frame in range(FRAMES)] == [
            keys if frame in key_frames else others for frame in range(FRAMES)
        ]


def test_what_is_left_is_what_the_paper_has(seen) -> None:
    whole, of_whole = written(seen, PAPER)
    shown = torch.zeros(2, FRAMES, dtype=torch.bool).scatter(1, seen[2].key_frames, True)
    keys, _ = written(seen, "(0, 40)")
    others, _ = written(seen, "(2, 0)")
    of_key = shown.gather(1, of_whole)
    assert torch.equal(keys.flatten(0, 1), whole[of_key])
    assert torch.equal(others.flatten(0, 1), whole[~of_key])


def test_even_frames_spend_what_the_paper_spends(seen) -> None:
    paper, _ = written(seen, PAPER)
    tokens, frame_of_token = written(seen, "even")
    count = tokens.shape[1] // 40
    assert paper.shape[1] - 40 < tokens.shape[1] <= paper.shape[1]
    assert sorted(set(frame_of_token[0].tolist())) == [
        int((place + 0.5) * FRAMES / count) for place in range(count)
    ]


def test_more_key_frames_spend_what_the_paper_spends(seen) -> None:
    paper, _ = written(seen, PAPER)
    tokens, frame_of_token = written(seen, "(0, 40) more")
    assert paper.shape[1] - 40 < tokens.shape[1] <= paper.shape[1]
    for row in frame_of_token.tolist():
        assert set(Counter(row).values()) == {40}


def test_plain_rods_know_their_own_frame_alone(seen) -> None:
    model, features, selection = seen
    change = model.connector.change
    assert change is not None
    mine = next(frame for frame in range(FRAMES) if frame not in selection.key_frames[0])
    elsewhere = VideoFeatures(features.patches.flip(1), features.prototypes.flip(1))
    elsewhere.patches[:, mine], elsewhere.prototypes[:, mine] = (
        features.patches[:, mine],
        features.prototypes[:, mine],
    )
    for arm, same in ((PAPER, False), ("(2, 40) plain", True)):
        tokens, frame_of_token = written(seen, arm)
        others, _ = written((model, elsewhere, selection), arm)
        rods = frame_of_token[0] == mine
        assert int(rods.sum()) == 2
        assert tokens[0][rods].allclose(others[0][rods]) == same
    assert model.connector.change is change


def test_the_examination_asks_as_many_of_each_type(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, 60, 40)
    exam = examination(store, 3)
    assert Counter(one.question.type for clip in exam for one in clip) == dict.fromkeys(QUESTION_TYPES, 3)
    for clip in exam:
        assert len({one.clip for one in clip}) == 1
        assert len({one.question.question for one in clip}) == len(clip)
        assert clip[0].seconds == list(range(store.scripts[clip[0].clip].duration_s))
    assert set(NEEDS) == set(QUESTION_TYPES)


def test_too_few_clips_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2 clips do not offer so many questions"):
        examination(ClipStore(tmp_path, 2, 40), 50)


def test_intervals_cover_seeds_and_clips() -> None:
    def answers(share: float) -> list[Answered]:
        return [Answered(n // 4, "when" if n % 2 else "count", n % 40 < 40 * share, 100) for n in range(400)]

    good, poor = [answers(0.9), answers(0.8), answers(0.85)], [answers(0.5), answers(0.55), answers(0.5)]
    told = summary(good)
    assert told["accuracy"] == pytest.approx(0.85, abs=1e-3)
    assert told["by_seed"] == [0.9, 0.8, 0.85]
    assert told["interval"][0] < 0.85 < told["interval"][1]
    gain = difference(good, poor)
    assert gain["gain"] == pytest.approx(0.85 - 1.55 / 3, abs=1e-3)
    assert 0 < gain["interval"][0] < gain["gain"] < gain["interval"][1]
    assert difference(good, good)["interval"][0] < 0.01


@pytest.fixture(scope="module")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> CurriculumModel:
    """A network that has learned nothing, and its clips."""
    model, prompt = fresh_model(3)
    store = ClipStore(tmp_path_factory.mktemp("clips"), 3, 40)
    store.build(model, Preprocessing(64, "squash"), 1)
    phase = Phase("adapt", 4, (16,), 4, (2,), 1e-3)
    return CurriculumModel(model, prompt, store, store, 1, (phase,))


@pytest.mark.parametrize("arm", WAYS)
def test_every_arm_learns(untaught: CurriculumModel, arm: str) -> None:
    trained = CurriculumModel(
        untaught.model,
        untaught.prompt,
        untaught.training_clips,
        untaught.validation_clips,
        1,
        untaught.curriculum,
        WAYS[arm],
    )
    loss = trained(0)
    loss.backward()
    assert float(loss.detach()) > 0
    learned = trained.model.get_input_embeddings().weight.grad
    assert learned is not None
    assert learned.abs().max() > 0
    trained.zero_grad()


def test_a_network_is_examined(untaught: CurriculumModel) -> None:
    exam = []
    for clip, script in enumerate(untaught.validation_clips.scripts):
        seconds = list(range(script.duration_s))
        (question,) = ask(observe(script, [float(second) for second in seconds]), random.Random(0), 1)
        exam.append([TrainingExample(clip, seconds, question)])
    for arm in (PAPER, "(2, 2)"):
        answered = ablation.examine(untaught, exam, WAYS[arm], events=8, ratio=0.25)
        frames = [len(clip[0].seconds) for clip in exam]
        expected = [2 * t + (38 * 2 if arm == PAPER else 0) for t in frames]
        assert [one.tokens for one in answered] == expected
