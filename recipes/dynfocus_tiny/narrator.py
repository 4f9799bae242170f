"""The story so far, as the generator knows it: a teacher of the language model.

How many scenes there are is one word a question, and has to be counted over all frames of a video. Said frame
by frame it is a lesson a frame: what the language model has gathered below its last layer must tell what has
happened until there, and the last layer has only to look it up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.synth.questions import Question, observe
from dynfocus_cli.synth.world import LONG, SHAPES, Script, Thing
from dynfocus_tiny.vision import COLOR_NAMES, NOTHING
from dynfocus_tiny.witness import UNKNOWN, dense

MOST_SCENES = LONG.scenes[1]
DECIDED = ("first", "turn", "before", "after")
"""Types whose answer, a thing or a colour, is there from a certain moment on, and can be told from what the
rods say of the things that the question names, and of what a cut parts."""
NONE_YET = NOTHING[:2]


class Narrator(nn.Module):
    """Linear read-outs of the language model's state at the end of each frame: how many scenes have begun,
    what has flashed up, and what the question's answer is by now."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scenes = nn.Linear(width, MOST_SCENES)
        self.flash = nn.ModuleList(nn.Linear(width, classes + 1) for classes in NONE_YET)
        self.answer = nn.ModuleList(nn.Linear(width, len(DECIDED) * (classes + 1)) for classes in NONE_YET)

    def forward(self, states: Tensor, labels: Tensor) -> Tensor:
        """The mean cross-entropy of the read-outs.

        Shape:
            states: (B, T, D_l).
            labels: (B, T, 6), as `story` gives them; `UNKNOWN` where there is nothing to tell.
        """
        states = F.layer_norm(states.float(), states.shape[-1:])
        readouts = (self.scenes, *self.flash)
        *plain, shape, color, kind = labels.unbind(-1)
        told = [(readout(states), label) for readout, label in zip(readouts, plain, strict=True)]
        of_kind = kind.clamp(min=0)[..., None, None]  # (B, T, 1, 1)
        for readout, label in zip(self.answer, (shape, color), strict=True):
            by_kind = readout(states).unflatten(-1, (len(DECIDED), -1))  # (B, T, kinds, classes)
            chosen = of_kind.expand(-1, -1, 1, by_kind.shape[-1])
            told.append((by_kind.gather(2, chosen).squeeze(2), label))
        losses = [
            F.cross_entropy(scores.flatten(0, 1), label.flatten(), ignore_index=UNKNOWN)
            for scores, label in told
            if (label != UNKNOWN).any()
        ]
        return torch.stack(losses).mean()


def story(script: Script, seconds: Sequence[int], question: Question) -> Tensor:
    """Labels at the end of the frames at these seconds: (T, 6) int64.

    Scenes until there less 1; shape and colour of what has flashed up; shape, colour and place in `DECIDED`
    of what the answer is by now.
    """
    observed = observe(script, [float(second) for second in seconds])
    close = dense(seconds)
    scenes: set[int] = set()
    flashed: set[Label] = set()
    rows = []
    for one in observed:
        scenes.add(one.scene)
        flashed |= {_label(seen.thing) for seen in one.sightings if seen.actor.needle}
        flash = (UNKNOWN, UNKNOWN) if not close else _only(flashed) if flashed else NONE_YET
        rows.append((len(scenes) - 1, *flash, *_by_now(question, one.time_s)))
    return torch.tensor(rows)


Label = tuple[int, int]
"""Shape and colour."""


def _label(thing: Thing) -> Label:
    return SHAPES.index(thing.shape), COLOR_NAMES.index(thing.color)


def _only(things: Collection[Label]) -> Label:
    return next(iter(things)) if len(things) == 1 else (UNKNOWN, UNKNOWN)


def _by_now(question: Question, time_s: float) -> tuple[int, int, int]:
    if question.type not in DECIDED:
        return (UNKNOWN,) * 3
    kind, moments = DECIDED.index(question.type), question.key_times_s
    # Which of two came first is known as soon as one has; their neighbours once both have.
    if time_s < (min(moments) if question.type == "first" else max(moments)):
        return *NONE_YET, kind
    words = question.answer.split()
    if question.type == "turn":
        return UNKNOWN, COLOR_NAMES.index(words[-1]), kind
    return SHAPES.index(words[-1]), COLOR_NAMES.index(words[-2]), kind
