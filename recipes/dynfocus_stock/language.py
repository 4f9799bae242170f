"""Stage 2: connector and language model, from single frames to sixteen, always whole and evenly spaced."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.synth.questions import Question
from dynfocus_cli.synth.world import COLORS, SHAPES, Thing
from dynfocus_cli.training.answer_loss import IGNORED
from dynfocus_cli.training.run_log import add_to_log
from dynfocus_cli.training.trainer import ParameterGroup, Schedule, train_model
from dynfocus_stock.beginnings import LOOKING_HEADS, LOOKING_LAYER
from dynfocus_stock.config import FRAME_TOKENS, SCALE_FACTOR, TEXT_WIDTH
from dynfocus_stock.lessons import Lesson, LessonWriter
from dynfocus_tiny.labels import about
from dynfocus_tiny.precision import training_precision
from dynfocus_tiny.vision import DenseHeads

TYPES = (
    *("what", "color", "shape", "digit", "position", "count"),
    *("appear", "when", "first", "before", "after", "motion", "turn"),
)
SAVE_EVERY, WARMUP = 100, 50
WEIGHT_DECAY = 0.02
STAMP_WEIGHT, LOOK_WEIGHT = 0.1, 0.2
HIDDEN = -1e4
"""Added to the attention of what may not be seen."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the curriculum."""

    steps: int
    frames: tuple[int, ...]
    """Numbers of frames, one drawn a step."""
    tokens: int
    """Of a step, about."""
    rates: tuple[float, float]
    """Learning rate at its first and last step."""
    near: float = 0.0


CURRICULUM = (
    Phase(500, (1,), 1500, (2e-3, 2e-3)),
    Phase(1500, (2, 2, 4), 1500, (2e-3, 2e-3)),
    Phase(2000, (2, 4, 8), 1800, (2e-3, 1e-3)),
    Phase(2000, (4, 8, 8, 16), 2000, (1e-3, 2e-5), near=0.25),
)
QUESTIONS = {1: 6, 2: 8, 4: 10, 8: 12, 16: 16}
"""About the same frames, by their number."""
QUESTION_TOKENS = 21
"""And the answer's, on average."""


class StampHeads(nn.Module):
    """What a frame's last token tells of its time: minute and second of the stamp before it.

    Learned beside the answers from the first layer's states, and left out of the model folder.
    """

    def __init__(self) -> None:
        super().__init__()
        self.minute, self.second = nn.Linear(TEXT_WIDTH, 6), nn.Linear(TEXT_WIDTH, 60)

    def forward(self, states: Tensor, seconds: Tensor) -> Tensor:
        """The loss of states (B, T, n, D_l) with frames at these seconds (B, T)."""
        states = F.layer_norm(states.float(), states.shape[-1:])
        times = seconds.unsqueeze(-1).expand(states.shape[:-1]).flatten()
        states = states.flatten(0, -2)
        return F.cross_entropy(self.minute(states), times // 60) + F.cross_entropy(
            self.second(states), times % 60
        )


class LanguageModel(nn.Module):
    """A network on its way through the curriculum: from a batch's number to its loss."""

    recent_accuracy: Tensor
    """(types,): share of right answers lately; a type with a smaller one is asked more."""

    def __init__(
        self,
        network: Any,
        writer: LessonWriter,
        heads: DenseHeads,
        seed: int,
        curriculum: Sequence[Phase] = CURRICULUM,
    ) -> None:
        super().__init__()
        network.requires_grad_(True)
        network.model.vision_model.requires_grad_(False)
        self.network, self.curriculum, self._writer, self._seed = network, curriculum, writer, seed
        network.model.text_model.set_attn_implementation("eager")  # the other one tells no weights
        self._heads = heads.requires_grad_(False)
        torch.manual_seed(seed)
        self.stamps = StampHeads()
        self.register_buffer("recent_accuracy", torch.zeros(len(TYPES)))
        self.recent_loss = self.recent_look = 0.0

    @property
    def steps(self) -> int:
        """Of the whole curriculum."""
        return sum(phase.steps for phase in self.curriculum)

    def phase_at(self, number: int) -> tuple[Phase, float]:
        """The phase of a step, and the share of it that is done."""
        for phase in self.curriculum:
            if number < phase.steps:
                return phase, number / phase.steps
            number -= phase.steps
        return self.curriculum[-1], 1.0

    def rate_at(self, number: int) -> float:
        """The learning rate of a step."""
        phase, done = self.phase_at(number)
        first, last = phase.rates
        return (first + (last - first) * done) * min(1.0, (number + 1) / WARMUP)

    def forward(self, number: int) -> Tensor:
        """The loss of a batch that is drawn from its number, and from the accuracy of those before it."""
        phase, _ = self.phase_at(number)
        rng = random.Random(self._seed * 1_000_003 + number)
        frames = rng.choice(phase.frames)
        weights = {
            kind: 1.1 - accuracy for kind, accuracy in zip(TYPES, self.recent_accuracy.tolist(), strict=True)
        }
        questions = QUESTIONS[frames]
        rows = max(1, phase.tokens // (25 + frames * (FRAME_TOKENS + 8) + questions * QUESTION_TOKENS))
        lesson = self._writer.draw(rng, rows, frames, questions, weights, phase.near)
        answers, stamps, look, right = self.losses(lesson)
        for kind, hit in right:
            place = TYPES.index(kind)
            self.recent_accuracy[place] += 0.005 * (float(hit) - self.recent_accuracy[place])
        self.recent_loss, self.recent_look = float(answers.detach()), float(look.detach())
        return answers + STAMP_WEIGHT * stamps + LOOK_WEIGHT * look

    def losses(self, lesson: Lesson) -> tuple[Tensor, Tensor, Tensor, list[tuple[str, bool]]]:
        """Of the answers' tokens, of the stamps, of where the model looks, and which answers are right."""
        network = self.network
        with training_precision():
            tokens = network.model.connector(lesson.features).flatten(0, 1)  # (B * T * n, D_l)
            embeddings = network.get_input_embeddings()(lesson.ids)
            is_video = lesson.ids == network.config.image_token_id
            embeddings = embeddings.masked_scatter(is_video.unsqueeze(-1), tokens.to(embeddings.dtype))
            output = network.model.text_model(
                inputs_embeds=embeddings,
                attention_mask=torch.zeros(lesson.mask.shape).masked_fill(~lesson.mask, HIDDEN),
                position_ids=lesson.positions,
                output_hidden_states=True,
                output_attentions=True,
                use_cache=False,
            )
            answered = lesson.labels != IGNORED
            logits = network.lm_head(output.last_hidden_state[answered]).float()
        targets = lesson.labels[answered]
        loss = F.cross_entropy(logits, targets)
        rows, frames = lesson.seconds.shape
        first = output.hidden_states[1][is_video].view(rows, frames, FRAME_TOKENS, -1)
        stamps = self.stamps(first[:, :, :: FRAME_TOKENS // 4], lesson.seconds)
        hits = torch.ones_like(lesson.labels, dtype=torch.bool)
        hits[answered] = logits.argmax(-1) == targets
        right = [
            (asked.question.type, bool(hits[row, asked.begin : asked.end].all()))
            for row, questions in enumerate(lesson.asked)
            for asked in questions
        ]
        look = self._look(output.attentions[LOOKING_LAYER][:, :LOOKING_HEADS], lesson, is_video)
        return loss, stamps, look, right

    def _look(self, attention: Tensor, lesson: Lesson, is_video: Tensor) -> Tensor:
        """How little of the attention (B, heads, S, S) at an answer goes to what it is about."""
        rows, frames = lesson.seconds.shape
        things = self._things(lesson.features).view(rows, frames * FRAME_TOKENS)
        losses = []
        for row, questions in enumerate(lesson.asked):
            places = is_video[row].nonzero().squeeze(1)  # (T * n,)
            for asked in questions:
                if not any(asked.decisive):
                    continue
                shown = torch.tensor(asked.decisive).repeat_interleave(FRAME_TOKENS)
                target = shown & self._about(asked.question)[things[row]]
                mass = attention[row, :, asked.begin : asked.end][..., places[target]].float().sum(-1)
                losses.append(-mass.clamp(min=1e-6).log().mean() if target.any() else mass.sum() * 0.0)
        return torch.stack(losses).mean() if losses else attention.sum() * 0.0

    @staticmethod
    def _about(question: Question) -> Tensor:
        """Which classes of `_things` a question is about, bool; no class is the last one, nothing."""
        is_about = about(question)
        found = [is_about(Thing(color, shape)) for shape in SHAPES for color in COLORS]
        return torch.tensor([*found, False])

    @torch.no_grad()
    def _things(self, features: Tensor) -> Tensor:
        """(B * T, n): what each token shows, as the vision stage's heads see its clearest patch: shape times
        the number of colours, plus colour."""
        shapes, colors = self._heads.shape(features).softmax(-1), self._heads.color(features)
        side, scale = round(features.shape[1] ** 0.5), SCALE_FACTOR
        nothing = shapes[..., -1]  # (B * T, N)
        colors = colors[..., :-1].argmax(-1)
        classes = (shapes[..., :-1].argmax(-1) * len(COLORS) + colors).masked_fill(
            nothing > 0.5, len(SHAPES) * len(COLORS)
        )

        def blocks(patches: Tensor) -> Tensor:
            split = patches.view(-1, side // scale, scale, side // scale, scale)
            return split.transpose(2, 3).flatten(3).flatten(1, 2)  # (B * T, n, scale ** 2)

        clearest = blocks(nothing).argmin(-1, keepdim=True)
        return blocks(classes).gather(-1, clearest).squeeze(-1)


def train_language(folder: Path, model: LanguageModel) -> None:
    """Goes through the whole curriculum in `folder`, going on where an earlier call stopped."""

    def on_step(step: int, loss: float) -> None:
        if step % 50 == 0:
            accuracy = {
                kind: round(float(share), 2) for kind, share in zip(TYPES, model.recent_accuracy, strict=True)
            }
            add_to_log(
                folder,
                step=step,
                answers=round(model.recent_loss, 3),
                look=round(model.recent_look, 2),
                types=accuracy,
            )

    schedule = Schedule(model.steps, 1.0, model.rate_at, SAVE_EVERY, 0, weight_decay=WEIGHT_DECAY)
    groups = [
        ParameterGroup(list(model.network.model.text_model.parameters())),
        ParameterGroup([*model.network.model.connector.parameters(), *model.stamps.parameters()]),
    ]
    train_model(folder, model, range(model.steps), groups, schedule, on_step)
