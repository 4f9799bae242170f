"""Lessons: what the trainer sees is what inference sees, and the answers' loss finds the score network."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
import torch
from torch.testing import assert_close

from builders import small_model, small_prompt, some_patches
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Exploration, VideoFeatures
from dynfocus_cli.synth.questions import Question, ask, observe
from dynfocus_cli.synth.world import Script, write_script
from dynfocus_tiny.answers import study
from dynfocus_tiny.lessons import Exercise, Lesson, compose

FRAMES = 10


@pytest.fixture(scope="module")
def model() -> DynFocusModel:
    """Shared: no test changes its weights or leaves gradients in it."""
    return small_model()


@pytest.fixture(scope="module")
def prompt(model: DynFocusModel) -> PromptWriter:
    return small_prompt(model.config)


@dataclass
class Store:
    """Random features in place of a training run's."""

    model: torch.nn.Module
    scripts: list[Script]

    def features(self, clips: list[int], seconds: list[list[int]]) -> VideoFeatures:
        patches = [some_patches(len(times), clip) for clip, times in zip(clips, seconds, strict=True)]
        return self.model.connector.prepare(torch.stack(patches))


@pytest.fixture(scope="module")
def exercises() -> list[Exercise]:
    """Two clips of at least `FRAMES` seconds with three questions each, of unequal lengths."""
    drawn = []
    for clip, script in enumerate(map(write_script, (11, 12))):
        seconds = list(range(FRAMES))
        observed = observe(script, [float(second) for second in seconds])
        drawn += [Exercise(clip, seconds, question) for question in ask(observed, random.Random(clip), 3)]
    assert len(drawn) == 6
    assert len({len(exercise.question.question.split()) for exercise in drawn}) > 1
    return drawn


def lesson_of(model, prompt, exercises: list[Exercise], pins: bool = True) -> Lesson:
    store = Store(model, [write_script(seed) for seed in (11, 12)])
    return compose(store, exercises, prompt, pins=pins, longest=96)


def run(model, prompt, lesson: Lesson, exploration: Exploration | None = None, aware: bool = True):
    """The outcome, and the logits of the answers' tokens, one after the other."""
    caught: list[torch.Tensor] = []
    hook = model.language_model.lm_head.register_forward_hook(lambda *parts: caught.append(parts[2]))
    outcome = study(
        model, lesson, prompt.before_video,
        events=6, key_events=3, exploration=exploration, question_aware=aware,
    )  # fmt: skip
    hook.remove()
    return outcome, caught[0]


@torch.no_grad()
@pytest.mark.parametrize("aware", [False, True])
def test_a_lesson_is_inference(model, prompt, exercises, aware: bool) -> None:
    """The same logits as a plain causal pass over the prompt that `generate` would be given."""
    lesson = lesson_of(model, prompt, exercises)
    outcome, logits = run(model, prompt, lesson, aware=aware)
    embed = model.get_input_embeddings()
    tokens, _ = model.video_tokens(
        lesson.features, outcome.selection, lesson.asked, lesson.times_s, lesson.pinned
    )
    expected = []
    for row, exercise in enumerate(exercises):
        text = prompt.after_video(exercise.question.question)
        answer = prompt.answer(exercise.question.answer)
        words = embed(torch.tensor([*text, *answer[:-1]]))
        inputs = torch.cat((embed(torch.tensor(prompt.before_video)), tokens[row], words)).unsqueeze(0)
        expected.append(model.language_model(inputs_embeds=inputs).logits[0, -len(answer) :])
    assert_close(logits, torch.cat(expected), atol=1e-5, rtol=0)


@torch.no_grad()
def test_right_is_the_whole_answer(model, prompt, exercises) -> None:
    lesson = lesson_of(model, prompt, exercises)
    outcome, logits = run(model, prompt, lesson)
    chosen = iter(logits.argmax(-1).tolist())
    for (kind, right), exercise in zip(outcome.right, exercises, strict=True):
        answer = prompt.answer(exercise.question.answer)
        assert kind == exercise.question.type
        assert right == ([next(chosen) for _ in answer] == answer)


@pytest.mark.parametrize("aware", [False, True])
def test_the_answers_loss_reaches_the_score_network(prompt, exercises, aware: bool) -> None:
    model = small_model()
    lesson = lesson_of(model, prompt, exercises, pins=False)
    exploration = Exploration(0.3, 60, torch.Generator().manual_seed(0))
    outcome, _ = run(model, prompt, lesson, exploration, aware)
    outcome.answer_loss.backward()
    asks = {"question_film.weight", "question_film.bias"}
    for name, parameter in model.connector.score_network.named_parameters():
        if name in asks and not aware:
            assert parameter.grad is None
        elif name == "head.4.bias":  # moves all scores alike, which min-max takes out
            assert parameter.grad is not None
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


@torch.no_grad()
def test_exploration_changes_no_loss(model, prompt, exercises) -> None:
    lesson = lesson_of(model, prompt, exercises)
    plain, _ = run(model, prompt, lesson)
    for sigma in (0.0, 0.3):
        explored, _ = run(model, prompt, lesson, Exploration(sigma, 30, torch.Generator().manual_seed(1)))
        assert explored.answer_loss == plain.answer_loss
        assert explored.right == plain.right


def test_without_exploration_no_answer_teaches_the_score_network(prompt, exercises) -> None:
    model = small_model()
    outcome, _ = run(model, prompt, lesson_of(model, prompt, exercises))
    outcome.answer_loss.backward()
    assert all(parameter.grad is None for parameter in model.connector.score_network.parameters())


def test_moments_that_questions_name_are_pinned_and_not_chosen(model, prompt) -> None:
    moment = Question("color", "What color is the star at 00:03?", "red", (3.0,))
    whole = Question("needle", "What flashes up briefly?", "a red star", (5.0,))
    lesson = lesson_of(model, prompt, [Exercise(0, list(range(FRAMES)), asked) for asked in (moment, whole)])
    assert lesson.pinned.nonzero().tolist() == [[0, 3]]
    assert lesson.decisive.nonzero().tolist() == [[1, 5]]
