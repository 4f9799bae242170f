"""Auxiliary heads on the change of each frame's rods: they learn what happens around the frame.

Answers alone teach the change slowly. Whether the language model looks for brief events decides whether
anything is learned from showing them to it, and the other way round: after some 400,000 questions it named 5
of 33 brief events, and key frames had shown it 31 of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.synth.questions import Question, observe
from dynfocus_cli.synth.world import Script
from dynfocus_tiny.labels import NOTHING, UNKNOWN, about, only_label, show_brief_events

CUT = 6
"""Which label of a frame says whether it begins a scene."""
FREQUENT_CLASS = {0: 0, 1: -1, 2: -1}
"""The class that nearly all frames have, of those heads on the plain rod that have one: no cut, no brief
event."""
FREQUENT_WEIGHT = 0.1
"""Weight of that class."""


class ChangeHeads(nn.Module):
    """Linear heads on the change of a frame's two rods.

    On the text-attended rod: shape, colour and cell of the thing that the question is about, in the frame
    before and in the one after. On the plain rod: whether this frame begins a scene, shape and colour of a
    brief event in it, and of the one thing that the frame before a cut and the one after it show, whatever
    the question has the first rod look at. Within a scene these would nearly always be
    what the frame itself shows, and nothing else would be learned.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.context = nn.ModuleList(nn.Linear(width, classes + 1) for classes in 2 * NOTHING)
        self.content = nn.ModuleList(
            nn.Linear(width, classes) for classes in (2, *(n + 1 for n in 3 * NOTHING[:2]))
        )

    def forward(self, changes: Tensor, labels: Tensor) -> Tensor:
        """The mean cross-entropy of the heads.

        Shape:
            changes: (B, T, 2, D_l), of the text-attended and the plain rod.
            labels: (B, T, 13), as `change_labels` gives them.
        """
        losses = []
        for index, head in enumerate((*self.context, *self.content)):
            content = index - len(self.context)
            scores = head(changes[:, :, int(content >= 0)].float()).flatten(0, 1)
            weight = torch.ones(scores.shape[-1])
            if content in FREQUENT_CLASS:
                weight[FREQUENT_CLASS[content]] = FREQUENT_WEIGHT
            target = labels[..., index].flatten()
            if (target != UNKNOWN).any():
                losses.append(F.cross_entropy(scores, target, weight=weight, ignore_index=UNKNOWN))
        return torch.stack(losses).mean()


def change_labels(script: Script, seconds: Sequence[int], question: Question) -> Tensor:
    """Labels of the frames at these seconds: (T, 13) int64, in the order of `ChangeHeads`."""
    observed = observe(script, [float(second) for second in seconds])
    close = show_brief_events(seconds)
    is_meant = about(question)
    unknown = (UNKNOWN,) * 3
    # Of the frame before the first to the one after the last.
    meant = [unknown, *(only_label([s for s in o.sightings if is_meant(s.thing)]) for o in observed), unknown]
    shown = [unknown, *(only_label(o.sightings) for o in observed), unknown]
    scenes = [frame.scene for frame in observed]
    begins = [False, *(later != earlier for earlier, later in itertools.pairwise(scenes)), False]
    rows = []
    for index, frame in enumerate(observed):
        brief = only_label([s for s in frame.sightings if s.actor.needle]) if close else unknown
        before_cut = shown[index] if begins[index] else unknown
        after_cut = shown[index + 2] if begins[index + 1] else unknown
        around = (*meant[index], *meant[index + 2])
        rows.append((*around, int(begins[index]), *brief[:2], *before_cut[:2], *after_cut[:2]))
    return torch.tensor(rows)
