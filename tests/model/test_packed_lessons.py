"""Lessons: several questions behind one video, and the way of the answers' loss to the score network."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
import torch
from builders import small_model, some_patches
from torch.testing import assert_close

from dynfocus_cli.model.stages import Exploration, VideoFeatures
from dynfocus_cli.synth.questions import Question, ask, observe
from dynfocus_cli.synth.world import Script, write_script
from dynfocus_cli.training.answers import study
from dynfocus_cli.training.lessons import IGNORED, Excerpt, Lesson, block_mask, compose

FRAMES = 10


@dataclass
class Store:
    """Random features in place of a training run's."""

    model: torch.nn.Module
    scripts: list[Script]

    def features(self, clips: list[int], seconds: list[list[int]]) -> VideoFeatures:
        patches = [some_patches(len(times), clip) for clip, times in zip(clips, seconds, strict=True)]
        return self.model.connector.prepare(torch.stack(patches))


@pytest.fixture(scope="module")
def excerpts() -> list[Excerpt]:
    """Two clips of at least `FRAMES` seconds with four questions each."""
    drawn = []
    for clip, script in enumerate(map(write_script, (11, 12))):
        seconds = list(range(FRAMES))
        observed = observe(script, [float(second) for second in seconds])
        drawn.append(Excerpt(clip, seconds, ask(observed, random.Random(clip), 4)))
        assert len(drawn[-1].questions) == 4
    return drawn


def lesson_of(model, prompt, excerpts: list[Excerpt], conditioned: bool = False) -> Lesson:
    store = Store(model, [write_script(seed) for seed in (11, 12)])
    return compose(store, excerpts, prompt, conditioned=conditioned, pins=conditioned, longest=96)


def run(model, prompt, lesson: Lesson, exploration: Exploration | None = None, aware: bool = False):
    """The outcome, and the logits of each (row, segment)'s answer."""
    caught: list[torch.Tensor] = []
    hook = model.language_model.lm_head.register_forward_hook(lambda *parts: caught.append(parts[2]))
    outcome = study(
        model, lesson, prompt.before_video,
        events=6, key_events=3, exploration=exploration, question_aware=aware,
    )  # fmt: skip
    hook.remove()
    answered = lesson.labels != IGNORED
    rows = torch.arange(len(answered)).unsqueeze(1).expand_as(answered)[answered].tolist()
    segments = lesson.segment[answered].tolist()
    logits: dict[tuple[int, int], list[torch.Tensor]] = {}
    for place, key in enumerate(zip(rows, segments, strict=True)):
        logits.setdefault(key, []).append(caught[0][place])
    return outcome, {key: torch.stack(parts) for key, parts in logits.items()}


def with_questions(excerpt: Excerpt, *questions: Question) -> Excerpt:
    return Excerpt(excerpt.clip, excerpt.seconds, list(questions))


@torch.no_grad()
def test_a_questions_logits_do_not_depend_on_the_others(model, prompt, excerpts) -> None:
    _, packed = run(model, prompt, lesson_of(model, prompt, excerpts))
    assert len(packed) == 8
    for row, excerpt in enumerate(excerpts):
        for place, question in enumerate(excerpt.questions):
            alone = with_questions(excerpt, question)
            _, logits = run(model, prompt, lesson_of(model, prompt, [alone]))
            assert_close(packed[row, place], logits[0, 0], atol=1e-5, rtol=0)
        turned = with_questions(excerpt, *reversed(excerpt.questions))
        _, logits = run(model, prompt, lesson_of(model, prompt, [turned]))
        for place in range(4):
            assert_close(packed[row, place], logits[0, 3 - place], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("conditioned", [False, True])
def test_a_lesson_is_inference(model, prompt, excerpts, conditioned: bool) -> None:
    """The same logits as a plain causal pass over the prompt that `generate` would be given."""
    lesson = lesson_of(model, prompt, excerpts[:1], conditioned)
    outcome, packed = run(model, prompt, lesson, aware=conditioned)
    embed = model.get_input_embeddings()
    tokens, _ = model.video_tokens(
        lesson.features, outcome.selection, lesson.asked, lesson.times_s, lesson.pinned
    )
    for place, question in enumerate(excerpts[0].questions):
        row, segment = (place, 0) if conditioned else (0, place)
        text = prompt.after_video(question.question)
        answer = prompt.answer(question.answer)
        words = embed(torch.tensor([*text, *answer[:-1]]))
        inputs = torch.cat((embed(torch.tensor(prompt.before_video)), tokens[row], words)).unsqueeze(0)
        expected = model.language_model(inputs_embeds=inputs).logits[0, -len(answer) :]
        assert_close(packed[row, segment], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("aware", [False, True])
def test_the_answers_loss_reaches_the_score_network(prompt, excerpts, aware: bool) -> None:
    model = small_model()
    lesson = lesson_of(model, prompt, excerpts, conditioned=aware)
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
def test_exploration_changes_no_loss(model, prompt, excerpts) -> None:
    lesson = lesson_of(model, prompt, excerpts)
    plain, _ = run(model, prompt, lesson)
    for sigma in (0.0, 0.3):
        explored, _ = run(model, prompt, lesson, Exploration(sigma, 30, torch.Generator().manual_seed(1)))
        assert explored.answer_loss == plain.answer_loss
        assert explored.right == plain.right


def test_without_exploration_no_answer_teaches_the_score_network(prompt, excerpts) -> None:
    model = small_model()
    outcome, _ = run(model, prompt, lesson_of(model, prompt, excerpts))
    outcome.answer_loss.backward()
    assert all(parameter.grad is None for parameter in model.connector.score_network.parameters())


def test_block_mask() -> None:
    segment = torch.tensor([[0, 0, 1, -1]])
    allowed = block_mask(2, segment)[0, 0].int().tolist()
    assert allowed == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]


def test_a_named_time_pins_its_frame(model, prompt, excerpts) -> None:
    question = Question("what", "What is shown at 00:07?", "a red star", (7.0,))
    lesson = lesson_of(model, prompt, [with_questions(excerpts[0], question)], conditioned=True)
    assert lesson.pinned.nonzero().tolist() == [[0, 7]]
    outcome, _ = run(model, prompt, lesson, aware=True)
    assert 7 in outcome.selection.key_frames[0].tolist()
