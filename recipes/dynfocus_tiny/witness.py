"""What happens around each frame, as the generator knows it: a second teacher of the rods' change.

Answers alone teach the change slowly. Whether the language model looks for flashes decides whether anything
is learned from showing them to it, and the other way round: after some 400,000 questions it named 5 of 33
brief events, and key frames had shown it 31 of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dynfocus_cli.synth.questions import Observation, Question, about, observe
from dynfocus_cli.synth.world import MIN_SCENE_S, SHAPES, Script, Sighting
from dynfocus_tiny.vision import COLOR_NAMES, NOTHING, cell_of

UNKNOWN = -100
"""In place of a label where frames can't tell, or more than one would be right."""
CUT = 6
"""Which label of a frame says whether it begins a scene."""
RARE = 0.1
"""Weight of frames without a cut, or without a flash: most are."""


_MOSTLY = {0: 0, 1: -1, 2: -1}
"""Of the plain rod's read-outs those whose label is nearly always the same, and which it is."""


class Witness(nn.Module):
    """Linear read-outs of the change of a frame's two rods.

    From the text-attended rod: shape, colour and cell of the thing that the question is about, in the frame
    before and in the one after. From the plain rod: whether this frame begins a scene, shape and colour of a
    brief event in it, and of the one thing that the frame before a cut and the one after it show: what came
    before a thing is not the thing that the question is about. Within a scene these would nearly always be
    what the frame itself shows, and nothing else would be learned.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.context = nn.ModuleList(nn.Linear(width, classes + 1) for classes in 2 * NOTHING)
        self.content = nn.ModuleList(
            nn.Linear(width, classes) for classes in (2, *(n + 1 for n in 3 * NOTHING[:2]))
        )

    def forward(self, changes: Tensor, labels: Tensor) -> Tensor:
        """The mean cross-entropy of the read-outs.

        Shape:
            changes: (B, T, 2, D_l), of the text-attended and the plain rod.
            labels: (B, T, 13), as `happenings` gives them.
        """
        losses = []
        for place, readout in enumerate((*self.context, *self.content)):
            content = place - len(self.context)
            scores = readout(changes[:, :, int(content >= 0)].float()).flatten(0, 1)
            weight = torch.ones(scores.shape[-1])
            if content in _MOSTLY:
                weight[_MOSTLY[content]] = RARE
            target = labels[..., place].flatten()
            if (target != UNKNOWN).any():
                losses.append(F.cross_entropy(scores, target, weight=weight, ignore_index=UNKNOWN))
        return torch.stack(losses).mean()


def happenings(script: Script, seconds: Sequence[int], question: Question) -> Tensor:
    """Labels of the frames at these seconds: (T, 13) int64, in the order of `Witness`."""
    observed = observe(script, [float(second) for second in seconds])
    close = dense(seconds)
    meant = about(question)
    unknown = (UNKNOWN,) * 3
    asked = [unknown, *(_only([s for s in o.sightings if meant(s.thing)]) for o in observed), unknown]
    shown = [unknown, *(_only(list(o.sightings)) for o in observed), unknown]
    rows = []
    scenes = [one.scene for one in observed]
    begins = [False, *(later != earlier for earlier, later in itertools.pairwise(scenes)), False]
    for place, one in enumerate(observed):
        flash = _flash(one) if close else unknown
        left = shown[place] if begins[place] else unknown
        next_up = shown[place + 2] if begins[place + 1] else unknown
        rows.append(
            (*asked[place], *asked[place + 2], int(begins[place]), *flash[:2], *left[:2], *next_up[:2])
        )
    return torch.tensor(rows)


def dense(seconds: Sequence[int]) -> bool:
    """Whether what lasts as long as a scene nearly always shows in more frames than what flashes up; else
    everything that shows in one frame may have been brief."""
    widest = max((later - earlier for earlier, later in itertools.pairwise(seconds)), default=1)
    return widest <= MIN_SCENE_S // 2


def _flash(seen: Observation) -> tuple[int, int, int]:
    return _only([s for s in seen.sightings if s.actor.needle])


def _only(sightings: list[Sighting]) -> tuple[int, int, int]:
    if not sightings:
        return NOTHING
    if len(sightings) > 1:
        return (UNKNOWN,) * 3
    (one,) = sightings
    return SHAPES.index(one.thing.shape), COLOR_NAMES.index(one.thing.color), cell_of(one)
