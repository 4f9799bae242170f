"""Stage 2 of the tiny recipe: the Q-Former and the rods learn to look at what a question asks about.

Single frames, each with a question. The text-attended rod of the frame must tell, through a linear read-out,
the shape, colour and place of the one thing that the question is about, or that the frame has none: then the
rod is left with background, and a language model that reads along sees from rod to rod where the thing is.
Answers alone teach this too, but slowly: the miniature's language model had seen a million and a half of them
without telling reliably whether a thing ever appears.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Question as AskedQuestion
from dynfocus_cli.synth.questions import QUESTION_TYPES, Question, about, ask, observe
from dynfocus_cli.synth.world import SHAPES, Sighting
from dynfocus_cli.training.parts import learning
from dynfocus_cli.training.run_log import add_to_log
from dynfocus_cli.training.trainer import Course, LessonTrainer, Rates
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.precision import lesson_precision
from dynfocus_tiny.vision import COLOR_NAMES, DECAY, NOTHING, cell_of
from dynfocus_tiny.wordings import TRAINING

CLIPS, QUESTIONS = 12, 10
"""Clips a batch, and questions a clip; each question looks at up to three frames."""
SAVE_EVERY = 250
"""Steps from one checkpoint to the next."""


@dataclass(frozen=True, slots=True)
class Glance:
    """One frame, a question, and what the question should find in it."""

    clip: int
    second: int
    question: Question
    label: tuple[int, int, int]
    """Shape, colour and cell of the thing asked about, or `NOTHING`."""


class Readouts(nn.Module):
    """Linear read-outs of a rod: shape, colour and grid cell; the last class of each is nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kinds = nn.ModuleList(nn.Linear(width, classes + 1) for classes in NOTHING)

    def forward(self, rods: Tensor) -> list[Tensor]:
        """`(B, D_v)` -> logits `(B, classes)` for shape, colour and cell."""
        return [kind(rods) for kind in self.kinds]


def draw_glances(store: ClipStore, rng: random.Random, clips: int = CLIPS) -> list[Glance]:
    """Frames with the thing that is asked about, and frames without, preferably with others.

    A frame with several things that the question might mean is left out: no one read-out is right for it.
    """
    found: list[Glance] = []
    for clip in rng.choices(range(len(store.scripts)), k=clips):
        observed = observe(store.scripts[clip], range(store.scripts[clip].duration_s))
        for question in ask(observed, rng, QUESTIONS, list(QUESTION_TYPES), wordings=TRAINING):
            meant = about(question)
            named = [[seen for seen in o.sightings if meant(seen.thing)] for o in observed]
            with_it = [place for place, seen in enumerate(named) if len(seen) == 1]
            without = [place for place, seen in enumerate(named) if not seen]
            others = [place for place in without if observed[place].sightings]
            for pool in (with_it, with_it, others or without):
                if pool:
                    place = rng.choice(pool)
                    label = _label(named[place][0]) if named[place] else NOTHING
                    found.append(Glance(clip, int(observed[place].time_s), question, label))
    return found


def _label(seen: Sighting) -> tuple[int, int, int]:
    return SHAPES.index(seen.thing.shape), COLOR_NAMES.index(seen.thing.color), cell_of(seen)


def look(
    model: DynFocusModel,
    prompt: PromptWriter,
    readouts: Readouts,
    store: ClipStore,
    glances: Sequence[Glance],
) -> tuple[Tensor, Tensor]:
    """The loss over the glances, and which of them are right in all three: `(B,)` bool."""
    connector = model.connector
    features = store.features([glance.clip for glance in glances], [[glance.second] for glance in glances])
    longest = model.config.longest_question
    asked = AskedQuestion.padded([prompt.question(glance.question.question, longest) for glance in glances])
    queries = connector.read(features, asked).flatten(0, 1)  # (B, Q, D_q)
    context, _ = connector.rods(queries, features.prototypes.flatten(0, 1))  # (B, 1, D_v)
    labels = torch.tensor([glance.label for glance in glances])
    loss, right = torch.zeros(()), torch.ones(len(glances), dtype=torch.bool)
    for kind, logits in enumerate(readouts(context[:, 0].float())):
        loss = loss + F.cross_entropy(logits, labels[:, kind])
        right &= logits.argmax(-1) == labels[:, kind]
    return loss, right


def wake(model: DynFocusModel, seed: int) -> None:
    """Scales that the Q-Former of a miniature needs to begin with."""
    torch.manual_seed(seed)
    asking = model.connector.question_encoder
    nn.init.normal_(asking.queries, std=0.3)
    nn.init.normal_(asking.qformer.embeddings.word_embeddings.weight, std=0.3)


class Looker(nn.Module):
    """The parts of a model that learn to look, and the way from a lesson's number to its loss."""

    def __init__(self, model: DynFocusModel, prompt: PromptWriter, store: ClipStore, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        model.requires_grad_(False)
        grounded(model).requires_grad_(True)
        self.model = model
        self.readouts = Readouts(model.config.vision_config.hidden_size)
        self._prompt, self._store, self._seed = prompt, store, seed

    def forward(self, number: int) -> Tensor:
        """The loss of glances that are drawn from their number alone."""
        glances = draw_glances(self._store, random.Random(self._seed * 1_000_003 + number))
        with lesson_precision():
            return look(self.model, self._prompt, self.readouts, self._store, glances)[0]

    @torch.no_grad()
    def examine(self, store: ClipStore) -> dict[str, object]:
        """The share of glances at these clips that are right, overall, and a type for present and absent."""
        glances = draw_glances(store, random.Random(0), 4 * CLIPS)
        _, right = look(self.model, self._prompt, self.readouts, store, glances)
        verdicts: dict[str, list[bool]] = defaultdict(list)
        for glance, hit in zip(glances, right.tolist(), strict=True):
            verdicts[glance.question.type + (" absent" if glance.label == NOTHING else "")].append(hit)
        return {
            "right": round(float(right.float().mean()), 4),
            "types": {kind: round(sum(hits) / len(hits), 2) for kind, hits in sorted(verdicts.items())},
        }


def learn_to_look(folder: Path, learner: Looker, exam: ClipStore, *, steps: int, seed: int) -> None:
    """Trains in `folder` until `steps`, going on where an earlier call stopped."""

    def on_step(step: int, loss: float) -> None:
        if step % SAVE_EVERY == 0 or step == steps:
            add_to_log(folder, step=step, **learner.examine(exam))

    course = Course(steps, 1, 1e-3, warmup=100, save_every=SAVE_EVERY, seed=seed, decay=DECAY)
    groups = [Rates("looking", [parameter for _, parameter in learning(learner)], 1.0, 1.0)]
    LessonTrainer(folder, learner, range(steps), groups, course, on_step, torch.device("cpu")).learn()


def grounded(model: DynFocusModel) -> nn.ModuleList:
    """The parts of `model` that this stage teaches."""
    return nn.ModuleList((model.connector.question_encoder, model.connector.rods))
