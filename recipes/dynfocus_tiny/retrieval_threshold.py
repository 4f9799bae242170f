"""What a retrieval head's numbers mean, measured on clips that it never saw: probabilities, and from which of
them on something counts as found."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.network.retrieval import RetrievalHead, caption_ids
from dynfocus_cli.network.stages import Question
from dynfocus_cli.synth.moments import searches_of
from dynfocus_cli.synth.world import write_script
from dynfocus_tiny.frames import DrawWorld, film

CLIPS, SEED = 250, 6_000_000
FALSE_ALARMS = 0.05
"""Share of captions of absent things, most of them near misses, for which something may be found. In the
widened world 0.03 would leave out a quarter of the pairs that are there."""


@torch.no_grad()
def measure(head: RetrievalHead, model: LoadedModel, draw: DrawWorld, clips: int = CLIPS) -> dict[str, float]:
    """Sets the head's scale, bias and threshold; returns what came out.

    Scale and bias are those of a logistic regression on the frames of clips, sampled once a second. The
    threshold is the lowest that the best frames of at most `FALSE_ALARMS` of the false captions reach.
    """
    products: list[Tensor] = []
    truths: list[Tensor] = []
    for clip in range(clips):
        rng = random.Random(f"{SEED + clip} retrieval")
        world, look = draw(rng)
        script = write_script(SEED + clip, world=world)
        queries = searches_of(script)
        if not queries:
            continue
        preprocessing = model.spec.preprocessing
        seconds = range(script.duration_s)
        frames = np.stack([film(script, float(s), look, preprocessing.size, rng) for s in seconds])
        vectors = head.frame(model.network.encode_frames(preprocessing(frames)))
        ids = [caption_ids(model.prompt, query.text, head.sizes.longest) for query in queries]
        texts = head.text(Question.padded(ids))
        products += (texts.half().float() @ vectors.half().float().T).unbind()
        truths += [
            torch.tensor([any(start <= s < end for start, end in query.spans_s) for s in seconds])
            for query in queries
        ]
    scale, bias = logistic(torch.cat(products), torch.cat(truths))
    head.scale.fill_(scale)
    head.bias.fill_(bias)
    peaks = torch.stack([scale * product.max() + bias for product in products])
    there = torch.stack([truth.any() for truth in truths])
    best = admitting(peaks, there, FALSE_ALARMS)
    head.threshold.fill_(torch.sigmoid(torch.tensor(best)))
    return {
        "captions": len(peaks),
        "scale": round(scale, 4),
        "bias": round(bias, 4),
        "threshold": round(float(head.threshold), 4),
        "found": round(float((peaks[there] >= best).float().mean()), 4),
        "false_alarms": round(float((peaks[~there] >= best).float().mean()), 4),
    }


def logistic(products: Tensor, true: Tensor) -> tuple[float, float]:
    """Scale and bias of the logistic regression of a truth on one number (Platt, 1999): (n,), (n,) bool."""
    with torch.enable_grad():
        fitted = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([fitted], max_iter=200, line_search_fn="strong_wolfe")
        x, y = products.double(), true.double()

        def loss() -> Tensor:
            optimizer.zero_grad()
            value = F.binary_cross_entropy_with_logits(fitted[0] * x + fitted[1], y)
            value.backward()
            return value

        optimizer.step(loss)
    scale, bias = fitted.detach().tolist()
    return scale, bias


def admitting(peaks: Tensor, there: Tensor, share: float) -> float:
    """The number that at most a `share` of those that are not `there` reach, and the others as often as that
    allows: (n,), (n,) bool.

    peaks 1 2 5 9, there 0 0 1 1, a share of 0 -> 3.5
    """
    false = peaks[~there].double().sort(descending=True).values
    rejected = float(false[int(share * len(false))])
    above = peaks[peaks.double() > rejected].double()
    return (rejected + float(above.min())) / 2 if len(above) else rejected + 1.0
