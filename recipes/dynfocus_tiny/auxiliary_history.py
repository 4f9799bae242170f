"""Auxiliary heads on the language model's states: they learn what has happened until the end of each frame.

How many scenes there are is one word a question, and has to be counted over all frames of a video. Learned
frame by frame, what the language model has gathered below its last layer must tell what has happened until
there, and the last layer has only to look it up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.synth.questions import Question, observe
from dynfocus_cli.synth.world import LONG, SHAPES, Script
from dynfocus_tiny.labels import COLOR_NAMES, NOTHING, UNKNOWN, show_brief_events, thing_label

MOST_SCENES = LONG.scenes[1]
DECIDED = ("first", "turn", "before", "after")
"""Types whose answer, a thing or a colour, is decided from a certain moment on, and can be told from what the
rods say of the things that the question names, and of what a cut parts."""
NONE_YET = NOTHING[:2]


class HistoryHeads(nn.Module):
    """Linear heads on the language model's state at the end of each frame: how many scenes have begun, which
    brief event has been shown, and what the question's answer is by now."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scenes = nn.Linear(width, MOST_SCENES)
        self.brief = nn.ModuleList(nn.Linear(width, classes + 1) for classes in NONE_YET)
        self.answer = nn.ModuleList(nn.Linear(width, len(DECIDED) * (classes + 1)) for classes in NONE_YET)

    def forward(self, states: Tensor, labels: Tensor) -> Tensor:
        """The mean cross-entropy of the heads.

        Shape:
            states: (B, T, D_l).
            labels: (B, T, 6), as `history_labels` gives them; `UNKNOWN` where there is nothing to tell.
        """
        states = F.layer_norm(states.float(), states.shape[-1:])
        *plain, shape, color, kind = labels.unbind(-1)
        heads = zip((self.scenes, *self.brief), plain, strict=True)
        predictions = [(head(states), label) for head, label in heads]
        of_kind = kind.clamp(min=0)[..., None, None]  # (B, T, 1, 1)
        for head, label in zip(self.answer, (shape, color), strict=True):
            by_kind = head(states).unflatten(-1, (len(DECIDED), -1))  # (B, T, kinds, classes)
            chosen = of_kind.expand(-1, -1, 1, by_kind.shape[-1])
            predictions.append((by_kind.gather(2, chosen).squeeze(2), label))
        losses = [
            F.cross_entropy(scores.flatten(0, 1), label.flatten(), ignore_index=UNKNOWN)
            for scores, label in predictions
            if (label != UNKNOWN).any()
        ]
        return torch.stack(losses).mean()


def history_labels(script: Script, seconds: Sequence[int], question: Question) -> Tensor:
    """Labels at the end of the frames at these seconds: (T, 6) int64.

    Scenes until there less 1; shape and colour of the brief event until there; shape, colour and index in
    `DECIDED` of what the answer is by now.
    """
    observed = observe(script, [float(second) for second in seconds])
    close = show_brief_events(seconds)
    scenes: set[int] = set()
    events: set[tuple[int, int]] = set()
    rows = []
    for frame in observed:
        scenes.add(frame.scene)
        events |= {thing_label(seen.thing) for seen in frame.sightings if seen.actor.needle}
        brief = _only(events) if close else (UNKNOWN, UNKNOWN)
        rows.append((len(scenes) - 1, *brief, *_answer_by(question, frame.time_s)))
    return torch.tensor(rows)


def _only(events: Collection[tuple[int, int]]) -> tuple[int, int]:
    if not events:
        return NONE_YET
    return next(iter(events)) if len(events) == 1 else (UNKNOWN, UNKNOWN)


def _answer_by(question: Question, time_s: float) -> tuple[int, int, int]:
    """Shape, colour and kind of the answer as far as it is decided at a time."""
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
