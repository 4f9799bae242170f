"""Batches of the recipe: the network sees what it sees in inference, and the loss finds the score network."""

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
from dynfocus_tiny.answers import forward_batch
from dynfocus_tiny.examples import TrainingBatch, TrainingExample, collate

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
def examples() -> list[TrainingExample]:
    """Two clips of at least `FRAMES` seconds with three questions each, of unequal lengths."""
    drawn = []
    for clip, script in enumerate(map(write_script, (11, 12))):
        seconds = list(range(FRAMES))
        observed = observe(script, [float(second) for second in seconds])
        drawn += [
            TrainingExample(clip, seconds, question) for question in ask(observed, random.Random(clip), 3)
        ]
    assert len(drawn) == 6
    assert len({len(example.question.question.split()) for example in drawn}) > 1
    return drawn


def batch_of(model, prompt, examples: list[TrainingExample], pins: bool = True) -> TrainingBatch:
    store = Store(model, [write_script(seed) for seed in (11, 12)])
    return collate(store, examples, prompt, pins=pins, longest=96)


def run(model, prompt, batch: TrainingBatch, exploration: Exploration | None = None, aware: bool = True):
    """The output, and the logits of the answers' tokens, one after the other."""
    caught: list[torch.Tensor] = []
    hook = model.language_model.lm_head.register_forward_hook(lambda *parts: caught.append(parts[2]))
    output = forward_batch(
        model, batch, prompt.before_video,
        events=6, key_events=3, exploration=exploration, question_aware=aware,
    )  # fmt: skip
    hook.remove()
    return output, caught[0]


@torch.no_grad()
@pytest.mark.parametrize("aware", [False, True])
def test_a_batch_is_inference(model, prompt, examples, aware: bool) -> None:
    """The same logits as a plain causal pass over the prompt that `generate` would be given."""
    batch = batch_of(model, prompt, examples)
    output, logits = run(model, prompt, batch, aware=aware)
    embed = model.get_input_embeddings()
    tokens, _ = model.video_tokens(
        batch.features, output.selection, batch.question, batch.times_s, batch.pinned
    )
    expected = []
    for row, example in enumerate(examples):
        text = prompt.after_video(example.question.question)
        answer = prompt.answer(example.question.answer)
        words = embed(torch.tensor([*text, *answer[:-1]]))
        inputs = torch.cat((embed(torch.tensor(prompt.before_video)), tokens[row], words)).unsqueeze(0)
        expected.append(model.language_model(inputs_embeds=inputs).logits[0, -len(answer) :])
    assert_close(logits, torch.cat(expected), atol=1e-5, rtol=0)


@torch.no_grad()
def test_right_is_the_whole_answer(model, prompt, examples) -> None:
    batch = batch_of(model, prompt, examples)
    output, logits = run(model, prompt, batch)
    chosen = iter(logits.argmax(-1).tolist())
    for (kind, right), example in zip(output.right, examples, strict=True):
        answer = prompt.answer(example.question.answer)
        assert kind == example.question.type
        assert right == ([next(chosen) for _ in answer] == answer)


@pytest.mark.parametrize("aware", [False, True])
def test_the_answers_loss_reaches_the_score_network(prompt, examples, aware: bool) -> None:
    model = small_model()
    batch = batch_of(model, prompt, examples, pins=False)
    exploration = Exploration(0.3, 60, torch.Generator().manual_seed(0))
    output, _ = run(model, prompt, batch, exploration, aware)
    output.answer_loss.backward()
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
def test_exploration_changes_no_loss(model, prompt, examples) -> None:
    batch = batch_of(model, prompt, examples)
    plain, _ = run(model, prompt, batch)
    for sigma in (0.0, 0.3):
        explored, _ = run(model, prompt, batch, Exploration(sigma, 30, torch.Generator().manual_seed(1)))
        assert explored.answer_loss == plain.answer_loss
        assert explored.right == plain.right


def test_without_exploration_no_answer_teaches_the_score_network(prompt, examples) -> None:
    model = small_model()
    output, _ = run(model, prompt, batch_of(model, prompt, examples))
    output.answer_loss.backward()
    assert all(parameter.grad is None for parameter in model.connector.score_network.parameters())


def test_moments_that_questions_name_are_pinned_and_not_chosen(model, prompt) -> None:
    moment = Question("color", "What color is the star at 00:03?", "red", (3.0,))
    whole = Question("needle", "What flashes up briefly?", "a red star", (5.0,))
    batch = batch_of(
        model, prompt, [TrainingExample(0, list(range(FRAMES)), asked) for asked in (moment, whole)]
    )
    assert batch.pinned.nonzero().tolist() == [[0, 3]]
    assert batch.decisive.nonzero().tolist() == [[1, 5]]
