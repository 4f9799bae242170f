"""Stage 3's curriculum, the model that goes through it, and its validation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Exploration
from dynfocus_cli.synth.questions import QUESTION_TYPES
from dynfocus_cli.training.run_log import add_to_log
from dynfocus_cli.training.schedules import annealed
from dynfocus_cli.training.trainer import ParameterGroup, Schedule, parameter_groups, train_model
from dynfocus_tiny.answers import BatchOutput, TokenWriter, forward_batch
from dynfocus_tiny.auxiliary_change import CUT, ChangeHeads
from dynfocus_tiny.auxiliary_history import HistoryHeads
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.examples import TrainingBatch, collate, draw_examples
from dynfocus_tiny.grounding import grounded_parts
from dynfocus_tiny.labels import UNKNOWN
from dynfocus_tiny.precision import training_precision
from dynfocus_tiny.vision import WEIGHT_DECAY
from dynfocus_tiny.workers import lesson_rng

SAVE_EVERY = 200
"""Steps from one checkpoint, and one validation, to the next."""
WARMUP = 100
"""Steps; a tenth of a curriculum that is shorter than ten times as many."""
PERTURBED_SAMPLES = 100
SELECTION_WEIGHT = 0.1
UNPINNED = 0.1
"""Share of the steps that make no key frames of the moments that questions name."""
QUESTION_DROPOUT = 0.3
"""Share of the steps whose score network sees no question, so that both scorers stay trained."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the curriculum."""

    name: str
    steps: int
    frames: tuple[int, ...]
    """Numbers of frames, one drawn a step."""
    rows: int
    """Questions a step for videos of up to 32 frames; fewer for longer ones."""
    key_events: tuple[int, ...]
    """K, one drawn a step."""
    rate: float
    """Peak learning rate."""
    floor: float = 0.3
    """Share of the peak at the phase's end."""
    sigma: tuple[float, float] = (0.3, 0.3)
    """Perturbed top-k noise, from the phase's first step to its last."""


CURRICULUM = (
    Phase("few", 400, (4, 8, 16), 64, (1, 1, 2), 1e-3, 0.9),
    Phase("more", 1500, (8, 16, 32), 64, (1, 2), 1e-3, 0.6),
    Phase("long", 900, (16, 32, 48, 64), 48, (1, 2, 4), 7e-4, 0.7, sigma=(0.3, 0.1)),
    Phase("whole", 1200, (16, 24, 32, 48, 64, 96, 120), 48, (2, 4, 4, 4), 6e-4, 0.02, sigma=(0.1, 0.05)),
)
FURTHER = (
    Phase("again", 800, (16, 24, 32, 48), 48, (1, 2, 4), 7e-4, 0.7, sigma=(0.1, 0.1)),
    CURRICULUM[-1],
)
"""Of a network that went through `CURRICULUM` before: what is new comes in short videos first."""
FOCUS = 3.0
"""How many times as often a type of question is asked that training is to focus on."""
TYPES = tuple(QUESTION_TYPES)


class CurriculumModel(nn.Module):
    """A network with its auxiliary heads on its way through a curriculum: from a batch's number to its loss.

    Args:
        training, validation: clips to draw examples from.
        auxiliary: train the auxiliary heads; else there is nothing but the answers' loss and the decisive
            seconds to learn from.
        focus: types of question that are asked `FOCUS` times as often.
        types: types of question that are asked.
        other_validation: further clips to validate on, by name.
    """

    recent_accuracy: Tensor
    """(types,): recent share of right answers; types with a smaller one are asked more."""

    def __init__(
        self,
        model: DynFocusModel,
        prompt: PromptWriter,
        training: ClipStore,
        validation: ClipStore,
        seed: int,
        curriculum: Sequence[Phase] = CURRICULUM,
        write: TokenWriter = DynFocusModel.video_tokens,
        auxiliary: bool = True,
        focus: Collection[str] = (),
        types: Sequence[str] = TYPES,
        other_validation: Mapping[str, ClipStore] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        torch.manual_seed(seed)
        model.requires_grad_(True)
        for part in (model.vision, grounded_parts(model)):
            part.requires_grad_(False)
        self.model, self.curriculum, self.prompt, self.seed = model, curriculum, prompt, seed
        self.training_clips, self.validation_clips = training, validation
        self._write, self._auxiliary, self._focus = write, auxiliary, focus
        self.change_heads = ChangeHeads(model.config.text_config.hidden_size)
        self.history_heads = HistoryHeads(model.config.text_config.hidden_size)
        self.types, self.other_validation = tuple(types), other_validation
        self.register_buffer("recent_accuracy", torch.zeros(len(self.types)))

    @property
    def steps(self) -> int:
        """Of the whole curriculum."""
        return sum(phase.steps for phase in self.curriculum)

    def phase_at(self, number: int) -> tuple[Phase, int]:
        """The phase of a step, and how many of its steps come before."""
        for phase in self.curriculum:
            if number < phase.steps:
                return phase, number
            number -= phase.steps
        return self.curriculum[-1], self.curriculum[-1].steps

    def rate_at(self, number: int) -> float:
        """The learning rate of a step."""
        phase, done = self.phase_at(number)
        falling = 1.0 + (phase.floor - 1.0) * done / phase.steps
        return phase.rate * falling * min(1.0, (number + 1) / min(WARMUP, max(1, self.steps // 10)))

    def forward(self, number: int) -> Tensor:
        """The loss of a batch that is drawn from its number, and from the accuracy of those before it."""
        phase, done = self.phase_at(number)
        rng = lesson_rng(self.seed, number)
        frames = rng.choice(phase.frames)
        key_events = min(rng.choice(phase.key_events), frames)
        weights = {
            kind: (1.1 - accuracy) * (FOCUS if kind in self._focus else 1.0)
            for kind, accuracy in zip(self.types, self.recent_accuracy.tolist(), strict=True)
        }
        pins = rng.random() >= UNPINNED
        batch = self._batch(self.training_clips, rng, phase.rows, frames, weights, pins)
        noise = torch.Generator().manual_seed(rng.getrandbits(40))
        exploration = Exploration(annealed(*phase.sigma, done, phase.steps), PERTURBED_SAMPLES, noise)
        question_aware = rng.random() >= QUESTION_DROPOUT
        output = self._forward_batch(batch, key_events, exploration, question_aware)
        for kind, right in output.right:
            place = self.types.index(kind)
            self.recent_accuracy[place] += 0.02 * (float(right) - self.recent_accuracy[place])
        loss = output.answer_loss + SELECTION_WEIGHT * output.selection_loss
        return loss + self._auxiliary_loss(output, batch) if self._auxiliary else loss

    def _auxiliary_loss(self, output: BatchOutput, batch: TrainingBatch) -> Tensor:
        labels = batch.history_labels.masked_fill(~output.written.unsqueeze(-1), UNKNOWN)
        loss = self.history_heads(output.states, labels)
        if output.changes is not None:
            loss = loss + self.change_heads(output.changes, batch.change_labels)
        if output.cuts is not None:
            cut = batch.change_labels[..., CUT].float()
            loss = loss + F.binary_cross_entropy_with_logits(output.cuts.float(), cut)
        return loss

    @torch.no_grad()
    def validate(
        self,
        phase: Phase,
        batches: int = 12,
        question_aware: bool = True,
        clips: ClipStore | None = None,
    ) -> dict[str, object]:
        """Accuracy on validation clips in the phase's form, overall and a type; and the share of the brief
        events asked about that key frames show."""
        asked: Counter[str] = Counter()
        right: Counter[str] = Counter()
        needles = covered = 0
        for number in range(batches):
            rng = random.Random(number)
            clips = clips or self.validation_clips
            frames = rng.choice([count for count in phase.frames if count <= clips.longest_s])
            events = min(self.model.config.prototypes, frames)
            key_events = max(1, round(self.model.config.key_ratio * events))
            weights = dict.fromkeys(self.types, 1.0)
            batch = self._batch(clips, rng, phase.rows, frames, weights, pins=True)
            output = self._forward_batch(batch, key_events, None, question_aware)
            for kind, hit in output.right:
                asked[kind] += 1
                right[kind] += hit
            shown = torch.zeros_like(batch.brief).scatter(1, output.selection.key_frames, True)
            about_needles = torch.tensor([question.type == "needle" for question in batch.questions])
            needles += int(about_needles.sum())
            covered += int((batch.brief & shown).any(1)[about_needles].sum())
        return {
            "accuracy": round(sum(right.values()) / sum(asked.values()), 4),
            "needles_covered": round(covered / max(1, needles), 3),
            "types": {kind: round(right[kind] / asked[kind], 2) for kind in sorted(asked)},
        }

    def _batch(
        self,
        clips: ClipStore,
        rng: random.Random,
        rows: int,
        frames: int,
        weights: dict[str, float],
        pins: bool,
    ) -> TrainingBatch:
        rows = max(2, rows * 32 // max(32, frames))  # about as many video tokens a step, however long
        examples = draw_examples(clips, rng, rows=rows, frames=frames, weights=weights)
        return collate(clips, examples, self.prompt, pins=pins, longest=self.model.config.longest_question)

    def _forward_batch(
        self, batch: TrainingBatch, key_events: int, exploration: Exploration | None, question_aware: bool
    ) -> BatchOutput:
        with training_precision():
            return forward_batch(
                self.model,
                batch,
                self.prompt.before_video,
                events=min(self.model.config.prototypes, batch.features.frames),
                key_events=key_events,
                exploration=exploration,
                question_aware=question_aware,
                write=self._write,
            )


def train_answers(folder: Path, model: CurriculumModel, *, validate: bool = True) -> None:
    """Goes through the whole curriculum in `folder`, going on where an earlier call stopped."""

    def on_step(step: int, loss: float) -> None:
        phase, done = model.phase_at(step - 1)
        if validate and (step % SAVE_EVERY == 0 or done + 1 == phase.steps):
            add_to_log(folder, step=step, phase=phase.name, **model.validate(phase))
            for name, clips in model.other_validation.items():
                add_to_log(folder, step=step, clips=name, **model.validate(phase, clips=clips))

    # The curriculum gives the rates themselves, so the peak that they are shares of is 1.
    schedule = Schedule(model.steps, 1.0, model.rate_at, SAVE_EVERY, model.seed, weight_decay=WEIGHT_DECAY)
    heads = ParameterGroup([*model.change_heads.parameters(), *model.history_heads.parameters()])
    groups = [*parameter_groups(model.model), heads]
    train_model(folder, model, range(model.steps), groups, schedule, on_step)
