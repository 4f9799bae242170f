"""The order of lessons, a student that walks through them, and its validation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Exploration
from dynfocus_cli.synth.questions import QUESTION_TYPES
from dynfocus_cli.training.run_log import add_to_log
from dynfocus_cli.training.trainer import Course, LessonTrainer, Rates, rates
from dynfocus_tiny.answers import Outcome, Phase, Write, rows_for, sigma_at, study
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.grounding import grounded
from dynfocus_tiny.lessons import Lesson, compose, draw_exercises
from dynfocus_tiny.narrator import Narrator
from dynfocus_tiny.precision import lesson_precision
from dynfocus_tiny.vision import DECAY
from dynfocus_tiny.witness import CUT, UNKNOWN, Witness

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
"""By which a network that went through `CURRICULUM` learns on: what is new comes in short videos first."""
FOCUS = 3.0
"""How many times as often a type is asked that the lessons are to dwell on."""
TYPES = tuple(QUESTION_TYPES)
EVEN_WEIGHTS = dict.fromkeys(QUESTION_TYPES, 1.0)


class Student(nn.Module):
    """A model on its way through the curriculum: from a lesson's number to its loss."""

    mastery: Tensor
    """(types,): recent share of right answers; the weaker ones are asked more."""

    def __init__(
        self,
        model: DynFocusModel,
        prompt: PromptWriter,
        lessons: ClipStore,
        exam: ClipStore,
        seed: int,
        curriculum: Sequence[Phase] = CURRICULUM,
        write: Write = DynFocusModel.video_tokens,
        taught: bool = True,
        focus: Collection[str] = (),
    ) -> None:
        """Without `taught` there is nothing but the answers' loss and the decisive seconds to learn from.
        `focus` are types of question that are asked `FOCUS` times as often."""
        super().__init__()
        torch.manual_seed(seed)
        model.requires_grad_(True)
        for part in (model.vision, grounded(model)):
            part.requires_grad_(False)
        self.model, self.curriculum = model, curriculum
        self.prompt, self.lessons, self.exam = prompt, lessons, exam
        self.seed, self._write, self._taught, self._focus = seed, write, taught, focus
        self.witness = Witness(model.config.text_config.hidden_size)
        self.narrator = Narrator(model.config.text_config.hidden_size)
        self.register_buffer("mastery", torch.zeros(len(QUESTION_TYPES)))

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
        """The loss of a lesson that is drawn from its number, and from what was mastered before it."""
        phase, done = self.phase_at(number)
        rng = random.Random(self.seed * 1_000_003 + number)
        frames = rng.choice(phase.frames)
        key_events = min(rng.choice(phase.key_events), frames)
        weights = {
            kind: (1.1 - share) * (FOCUS if kind in self._focus else 1.0)
            for kind, share in self.mastered.items()
        }
        pins = rng.random() >= UNPINNED
        lesson = self._lesson(self.lessons, rng, phase.rows, frames, weights, pins)
        noise = torch.Generator().manual_seed(rng.getrandbits(40))
        exploration = Exploration(sigma_at(phase, done), PERTURBED_SAMPLES, noise)
        aware = rng.random() >= QUESTION_DROPOUT
        outcome = self._study(lesson, key_events, exploration, aware)
        for kind, right in outcome.right:
            place = TYPES.index(kind)
            self.mastery[place] += 0.02 * (float(right) - self.mastery[place])
        loss = outcome.answer_loss + SELECTION_WEIGHT * outcome.selection_loss
        return loss + self._lessons_of_teachers(outcome, lesson) if self._taught else loss

    def _lessons_of_teachers(self, outcome: Outcome, lesson: Lesson) -> Tensor:
        """The losses of what the generator knows of each frame."""
        told = lesson.story.masked_fill(~outcome.written.unsqueeze(-1), UNKNOWN)
        loss = self.narrator(outcome.states, told)
        if outcome.changes is not None:
            loss = loss + self.witness(outcome.changes, lesson.happenings)
        if outcome.cuts is not None:
            cut = lesson.happenings[..., CUT].float()
            loss = loss + F.binary_cross_entropy_with_logits(outcome.cuts.float(), cut)
        return loss

    @property
    def mastered(self) -> dict[str, float]:
        """Recent share of right answers, a question type."""
        return dict(zip(TYPES, self.mastery.tolist(), strict=True))

    @torch.no_grad()
    def examine(self, phase: Phase, batches: int = 12, question_aware: bool = True) -> dict[str, object]:
        """Accuracy on held-out clips in the phase's form, overall and a type; and the share of the brief
        events asked about that key frames show."""
        asked: Counter[str] = Counter()
        right: Counter[str] = Counter()
        needles = covered = 0
        for batch in range(batches):
            rng = random.Random(batch)
            frames = rng.choice(phase.frames)
            events = min(self.model.config.prototypes, frames)
            key_events = max(1, round(self.model.config.key_ratio * events))
            lesson = self._lesson(self.exam, rng, phase.rows, frames, EVEN_WEIGHTS, pins=True)
            outcome = self._study(lesson, key_events, None, question_aware)
            for kind, hit in outcome.right:
                asked[kind] += 1
                right[kind] += hit
            shown = torch.zeros_like(lesson.brief).scatter(1, outcome.selection.key_frames, True)
            wanted = torch.tensor([question.type == "needle" for question in lesson.questions])
            needles += int(wanted.sum())
            covered += int((lesson.brief & shown).any(1)[wanted].sum())
        return {
            "accuracy": round(sum(right.values()) / sum(asked.values()), 4),
            "needles_covered": round(covered / max(1, needles), 3),
            "types": {kind: round(right[kind] / asked[kind], 2) for kind in sorted(asked)},
        }

    def _lesson(
        self,
        store: ClipStore,
        rng: random.Random,
        rows: int,
        frames: int,
        weights: dict[str, float],
        pins: bool,
    ) -> Lesson:
        return compose(
            store,
            draw_exercises(store, rng, rows=rows_for(rows, frames), frames=frames, weights=weights),
            self.prompt,
            pins=pins,
            longest=self.model.config.longest_question,
        )

    def _study(
        self, lesson: Lesson, key_events: int, exploration: Exploration | None, question_aware: bool
    ) -> Outcome:
        events = min(self.model.config.prototypes, lesson.features.frames)
        with lesson_precision():
            return study(
                self.model,
                lesson,
                self.prompt.before_video,
                events=events,
                key_events=key_events,
                exploration=exploration,
                question_aware=question_aware,
                write=self._write,
            )


def learn_to_answer(folder: Path, student: Student) -> None:
    """Walks the whole curriculum in `folder`, going on where an earlier call stopped."""
    steps = student.steps

    def on_step(step: int, loss: float) -> None:
        phase, done = student.phase_at(step - 1)
        if step % SAVE_EVERY == 0 or done + 1 == phase.steps:
            add_to_log(folder, step=step, phase=phase.name, **student.examine(phase))

    # The curriculum gives the rates themselves, so the peak that they are shares of is 1.
    course = Course(steps, 1, 1.0, WARMUP, SAVE_EVERY, student.seed, decay=DECAY, schedule=student.rate_at)
    teachers = [*student.witness.parameters(), *student.narrator.parameters()]
    groups = [*rates(student.model), Rates("teachers", teachers, 1.0, 1.0)]
    LessonTrainer(folder, student, range(steps), groups, course, on_step, torch.device("cpu")).learn()
