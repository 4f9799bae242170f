"""The loop that walks the curriculum, and its validation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from dynfocus_cli.model.network import DynFocusModel
from dynfocus_cli.model.prompt import PromptWriter
from dynfocus_cli.model.stages import Exploration
from dynfocus_cli.synth.questions import QUESTION_TYPES
from dynfocus_cli.training.answers import Outcome, Phase, initialise, rows_for, sigma_at, study
from dynfocus_cli.training.clips import ClipStore
from dynfocus_cli.training.grounding import grounded
from dynfocus_cli.training.lessons import Lesson, compose, draw_exercises
from dynfocus_cli.training.run import Run
from dynfocus_cli.training.vision import DenseHeads

PERTURBED_SAMPLES = 100
SELECTION_WEIGHT = 0.1
UNPINNED = 0.1
"""Share of the steps that make no key frames of the moments that questions name."""
QUESTION_DROPOUT = 0.3
"""Share of the steps whose score network sees no question, so that both scorers stay trained."""

CURRICULUM = (
    Phase("few", 800, (4, 8, 16), 64, (1, 1, 2), 1e-3, 0.9),
    Phase("more", 3500, (8, 16, 32), 64, (1, 2), 1e-3, 0.6),
    Phase("long", 2000, (16, 32, 48, 64), 48, (1, 2, 4), 7e-4, 0.6, sigma=(0.3, 0.1)),
    Phase("whole", 2000, (16, 24, 32, 48, 64, 96, 120), 48, (2, 4, 4, 4), 5e-4, 0.02, sigma=(0.1, 0.05)),
)
EVEN_WEIGHTS = dict.fromkeys(QUESTION_TYPES, 1.0)


class Student:
    """A model on its way through the curriculum."""

    def __init__(
        self,
        folder: Path,
        model: DynFocusModel,
        prompt: PromptWriter,
        lessons: ClipStore,
        exam: ClipStore,
        heads: DenseHeads,
        seed: int,
    ) -> None:
        self.run = Run(folder, "answers")
        self.model, self.prompt, self.lessons, self.exam, self.seed = model, prompt, lessons, exam, seed
        torch.manual_seed(seed)
        initialise(model, heads)
        for part in (model.vision, grounded(model)):
            part.requires_grad_(False)
        assert model.connector.score_network is not None, "the miniature has a score network"
        self.score = [p for p in model.connector.score_network.parameters() if p.requires_grad]
        scored = {id(p) for p in self.score}
        self.rest = [p for p in model.parameters() if p.requires_grad and id(p) not in scored]
        self.optimizer = torch.optim.AdamW(
            [{"params": self.rest, "share": 1.0}, {"params": self.score, "share": 0.5}],
            betas=(0.9, 0.98),
            weight_decay=0.02,
        )
        self.mastery = dict.fromkeys(QUESTION_TYPES, 0.0)
        """Recent share of right answers a question type; the weaker ones are asked more."""
        self.workers = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    def learn(self, curriculum: Sequence[Phase] = CURRICULUM) -> None:
        """Walks the whole curriculum, resuming where an earlier call stopped."""
        state = self.run.resume(self.model, self.optimizer)
        self.mastery |= state.get("mastery", {})
        done = state["step"]
        first = 0
        for phase in curriculum:
            for step in range(max(0, done - first), phase.steps):
                self._step(phase, step, first + step)
                number = first + step + 1
                if self.rank == 0 and (number % 200 == 0 or step + 1 == phase.steps):
                    self.run.log(step=number, phase=phase.name, **self.examine(phase))
                    self.run.save(number, self.model, self.optimizer, mastery=self.mastery)
            first += phase.steps

    def _step(self, phase: Phase, step: int, number: int) -> None:
        # Drawn from the step alone, so that a resumed run sees what an unbroken one would.
        # What decides a step's size is drawn alike by all workers, its clips by each for itself.
        rng = random.Random(self.seed * 1_000_003 + number)
        own = random.Random((self.seed * 1_000_003 + number) * self.workers + self.rank)
        frames = rng.choice(phase.frames)
        key_events = min(rng.choice(phase.key_events), frames)
        lesson = self._lesson(phase, frames, own, self.lessons)
        rate = phase.rate * (1.0 + (phase.floor - 1.0) * step / phase.steps) * min(1.0, (number + 1) / 100)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        noise = torch.Generator().manual_seed(own.getrandbits(40))
        exploration = Exploration(sigma_at(phase, step), PERTURBED_SAMPLES, noise)
        aware = rng.random() >= QUESTION_DROPOUT
        outcome = self._study(lesson, key_events, exploration, aware)
        loss = outcome.answer_loss + SELECTION_WEIGHT * outcome.selection_loss
        self.optimizer.zero_grad()
        loss.backward()
        for kind, right in outcome.right:
            self.mastery[kind] += 0.02 * (right - self.mastery[kind])
        self._share_gradients()
        # Apart: where scores are nearly equal, min-max normalisation makes this gradient explode.
        nn.utils.clip_grad_norm_(self.score, 0.5)
        nn.utils.clip_grad_norm_(self.rest, 1.0)
        self.optimizer.step()
        if self.rank == 0 and (number + 1) % 50 == 0:
            self.run.log(
                step=number + 1,
                loss=round(outcome.answer_loss.item(), 4),
                selection=round(outcome.selection_loss.item(), 3),
                mean=round(sum(self.mastery.values()) / len(self.mastery), 3),
            )

    def _share_gradients(self) -> None:
        """Averages gradients, and what is known of the types, over the workers."""
        if self.workers == 1:
            return
        parameters = [*self.rest, *self.score]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(part.flatten() for part in parts), torch.tensor(list(self.mastery.values()))])
        dist.all_reduce(flat)
        flat /= self.workers
        self.mastery = dict(zip(self.mastery, flat[-len(self.mastery) :].tolist(), strict=True))
        offset = 0
        for parameter in parameters:
            shared = flat[offset : offset + parameter.numel()]
            parameter.grad = shared.view_as(parameter)
            offset += parameter.numel()

    def _lesson(self, phase: Phase, frames: int, rng: random.Random, store: ClipStore) -> Lesson:
        learning = store is self.lessons
        exercises = draw_exercises(
            store,
            rng,
            rows=rows_for(phase.rows, frames) // (self.workers if learning else 1),
            frames=frames,
            weights={kind: 0.25 + (1.0 - share) for kind, share in self.mastery.items()}
            if learning
            else EVEN_WEIGHTS,
        )
        return compose(
            store,
            exercises,
            self.prompt,
            pins=not learning or rng.random() >= UNPINNED,
            longest=self.model.connector.question_encoder.longest_question,
        )

    def _study(
        self, lesson: Lesson, key_events: int, exploration: Exploration | None, question_aware: bool
    ) -> Outcome:
        events = min(self.model.config.prototypes, lesson.features.frames)
        with torch.autocast("cpu", torch.bfloat16):
            return study(
                self.model,
                lesson,
                self.prompt.before_video,
                events=events,
                key_events=key_events,
                exploration=exploration,
                question_aware=question_aware,
            )

    @torch.no_grad()
    def examine(self, phase: Phase, batches: int = 12) -> dict[str, object]:
        """Accuracy on held-out clips in the phase's form, overall and a type, and needles covered."""
        asked: Counter[str] = Counter()
        right: Counter[str] = Counter()
        needles = covered = 0
        for batch in range(batches):
            rng = random.Random(batch)
            frames = rng.choice(phase.frames)
            events = min(self.model.config.prototypes, frames)
            key_events = max(1, round(self.model.config.key_ratio * events))
            lesson = self._lesson(phase, frames, rng, self.exam)
            outcome = self._study(lesson, key_events, None, True)
            for kind, hit in outcome.right:
                asked[kind] += 1
                right[kind] += hit
            shown = torch.zeros_like(lesson.brief).scatter(1, outcome.selection.key_frames, True)
            needles += int(lesson.brief.any(1).sum())
            covered += int((lesson.brief & shown).any(1).sum())
        return {
            "accuracy": round(sum(right.values()) / sum(asked.values()), 4),
            "selected": round(covered / max(1, needles), 3),
            "types": {kind: round(right[kind] / asked[kind], 2) for kind in sorted(asked)},
        }
