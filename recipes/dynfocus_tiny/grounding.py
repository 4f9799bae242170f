"""Stage 2 of the tiny recipe: the Q-Former and the rods learn to look at what a question asks about.

Single frames, each with a question. The text-attended rod of the frame must tell, through linear heads, the
shape, colour and place of the one thing that the question is about, or that the frame has none: then the rod
is left with background, and a language model that reads along sees from rod to rod where the thing is. What
comes before or after a thing may be any other, so there the rod must tell whatever the frame shows, and
whether it is the thing that the question names.
Answers alone teach this too, but slowly: the miniature's language model had seen a million and a half of them
without telling reliably whether a thing ever appears.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Question as QuestionTokens
from dynfocus_cli.synth.questions import QUESTION_TYPES, Question, ask, name, observe
from dynfocus_cli.training.parts import trainable
from dynfocus_cli.training.run_log import add_to_log
from dynfocus_cli.training.schedules import warm_cosine
from dynfocus_cli.training.trainer import ParameterGroup, Schedule, train_model
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.labels import NEIGHBOUR_TYPES, NOTHING, UNKNOWN, about, names_in, only_label
from dynfocus_tiny.precision import training_precision
from dynfocus_tiny.vision import WEIGHT_DECAY
from dynfocus_tiny.wordings import TRAINING
from dynfocus_tiny.workers import lesson_rng

CLIPS, QUESTIONS = 12, 10
"""Clips a batch, and questions a clip; each question looks at up to three frames."""
SAVE_EVERY = 250
"""Steps from one checkpoint to the next."""


@dataclass(frozen=True, slots=True)
class GroundingExample:
    """One frame, a question, and what the question is about in it."""

    clip: int
    second: int
    question: Question
    label: tuple[int, int, int]
    """Shape, colour and cell of the thing asked about, or `NOTHING`."""
    shows_named: int
    """Of what comes before or after a thing: 1 where the frame shows the thing that the question names, else
    0; `UNKNOWN` for other types."""


class GroundingHeads(nn.Module):
    """Linear heads on a rod for shape, colour and grid cell, whose last class is nothing, and for whether
    the thing is the one that the question names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kinds = nn.ModuleList(nn.Linear(width, classes + 1) for classes in (*NOTHING, 1))

    def forward(self, rods: Tensor) -> list[Tensor]:
        """`(B, D_v)` -> logits `(B, classes)` for shape, colour, cell and whether it is named."""
        return [kind(rods) for kind in self.kinds]


def draw_grounding_examples(
    store: ClipStore, rng: random.Random, clips: int = CLIPS
) -> list[GroundingExample]:
    """Frames with the thing that is asked about, preferably one that is named, and frames without, preferably
    with others.

    A frame with several things that the question might mean is left out: no one label is right for it.
    """
    examples: list[GroundingExample] = []
    for clip in rng.choices(range(len(store.scripts)), k=clips):
        observed = observe(store.scripts[clip], range(store.scripts[clip].duration_s))
        for question in ask(observed, rng, QUESTIONS, list(QUESTION_TYPES), wordings=TRAINING):
            is_meant, names = about(question), names_in(question)
            meant = [[seen for seen in frame.sightings if is_meant(seen.thing)] for frame in observed]
            with_it = [index for index, seen in enumerate(meant) if len(seen) == 1]
            without = [index for index, seen in enumerate(meant) if not seen]
            others = [index for index in without if observed[index].sightings]
            with_named = [index for index in with_it if name(meant[index][0].thing) in names]
            for pool in (with_named or with_it, with_it, others or without):
                if pool:
                    index = rng.choice(pool)
                    second, label = int(observed[index].time_s), only_label(meant[index])
                    shows_named = int(index in with_named) if question.type in NEIGHBOUR_TYPES else UNKNOWN
                    examples.append(GroundingExample(clip, second, question, label, shows_named))
    return examples


def grounding_loss(
    model: DynFocusModel,
    prompt: PromptWriter,
    heads: GroundingHeads,
    store: ClipStore,
    examples: Sequence[GroundingExample],
) -> tuple[Tensor, Tensor]:
    """The loss over the examples, and which of them are right in all that is labelled: `(B,)` bool."""
    connector = model.connector
    features = store.features([one.clip for one in examples], [[one.second] for one in examples])
    longest = model.config.longest_question
    tokens = QuestionTokens.padded([prompt.question(one.question.question, longest) for one in examples])
    queries = connector.read(features, tokens).flatten(0, 1)  # (B, Q, D_q)
    context, _ = connector.rods(queries, features.prototypes.flatten(0, 1))  # (B, 1, D_v)
    labels = torch.tensor([(*one.label, one.shows_named) for one in examples])
    loss, right = torch.zeros(()), torch.ones(len(examples), dtype=torch.bool)
    for kind, logits in enumerate(heads(context[:, 0].float())):
        label = labels[:, kind]
        if (label != UNKNOWN).any():
            loss = loss + F.cross_entropy(logits, label, ignore_index=UNKNOWN)
        right &= (logits.argmax(-1) == label) | (label == UNKNOWN)
    return loss, right


def initialise_question_encoder(model: DynFocusModel, seed: int) -> None:
    """Scales that the Q-Former of a miniature needs to begin with."""
    torch.manual_seed(seed)
    encoder = model.connector.question_encoder
    nn.init.normal_(encoder.queries, std=0.3)
    nn.init.normal_(encoder.qformer.embeddings.word_embeddings.weight, std=0.3)


def grounded_parts(model: DynFocusModel) -> nn.ModuleList:
    """The parts of `model` that this stage trains."""
    return nn.ModuleList((model.connector.question_encoder, model.connector.rods))


class GroundingModel(nn.Module):
    """The parts that this stage trains, with its heads: from a batch's number to its loss."""

    def __init__(self, model: DynFocusModel, prompt: PromptWriter, store: ClipStore, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        model.requires_grad_(False)
        grounded_parts(model).requires_grad_(True)
        self.model = model
        self.heads = GroundingHeads(model.config.vision_config.hidden_size)
        self._prompt, self._store, self._seed = prompt, store, seed

    def forward(self, number: int) -> Tensor:
        """The loss of examples that are drawn from the number, and from the worker's."""
        examples = draw_grounding_examples(self._store, lesson_rng(self._seed, number))
        with training_precision():
            return grounding_loss(self.model, self._prompt, self.heads, self._store, examples)[0]

    @torch.no_grad()
    def validate(self, store: ClipStore) -> dict[str, object]:
        """The share of examples on these clips that are right, overall, and a type for present and absent."""
        examples = draw_grounding_examples(store, random.Random(0), 4 * CLIPS)
        _, right = grounding_loss(self.model, self._prompt, self.heads, store, examples)
        by_type: dict[str, list[bool]] = defaultdict(list)
        for example, hit in zip(examples, right.tolist(), strict=True):
            by_type[example.question.type + (" absent" if example.label == NOTHING else "")].append(hit)
        return {
            "right": round(float(right.float().mean()), 4),
            "types": {kind: round(sum(hits) / len(hits), 2) for kind, hits in sorted(by_type.items())},
        }


def train_grounding(
    folder: Path, model: GroundingModel, validation: ClipStore | None, *, steps: int, seed: int
) -> None:
    """Trains in `folder` until `steps`, going on where an earlier call stopped; validates on these clips."""

    def on_step(step: int, loss: float) -> None:
        if validation is not None and (step % SAVE_EVERY == 0 or step == steps):
            add_to_log(folder, step=step, **model.validate(validation))

    rate_share = partial(warm_cosine, steps=steps, warmup=100)
    schedule = Schedule(steps, 1e-3, rate_share, SAVE_EVERY, seed, weight_decay=WEIGHT_DECAY)
    groups = [ParameterGroup([parameter for _, parameter in trainable(model)])]
    train_model(folder, model, range(steps), groups, schedule, on_step)
