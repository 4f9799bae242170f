"""Hypothesis: a frame's spatial prototypes are of one thing each only where the features' scale allows it.

S-DPC takes as centres the patches with the largest exp(-d) * delta. The scale of d is the vision encoder's.
Frames of generated clips; of each thing that they show, what share of its purest prototype it covers (mean,
by the thing's width in pixels of the encoder's picture): with features divided by some numbers, and with each
patch divided by its own deviation.

    python benchmarks/purity.py [--model weights/dynfocus-tiny] [--materials FOLDER | --old] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from provenance import provenance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from dynfocus_tiny.frames import DrawWorld

DIVISORS = (1.0, 2.0, 3.5, 6.0, 10.0)
NEIGHBOURS = (8, 3)
WIDTHS_PX = (13, 18, 26, 1000)
"""Things narrower than each, and not than the one before."""
SEED = 5_000_000_000
BATCH = 16
COVERED = 0.3
"""Share of a patch from which on a thing is looked for in its prototype."""


@dataclass(frozen=True, slots=True)
class VisibleThing:
    """A thing in a frame."""

    frame: int
    width_px: float
    covered: Tensor
    """(N,): share of each patch."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("weights/dynfocus-tiny"), help="a tiny network's")
    parser.add_argument("--materials", type=Path, default=None, help="a folder with fonts/ and pictures/")
    parser.add_argument("--old", action="store_true", help="clips of the old world alone")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()

    import torch
    from torch.nn import functional as F

    from dynfocus_cli.dpe.density_peaks import cluster
    from dynfocus_cli.features.preprocess import Preprocessing
    from dynfocus_cli.network.connector import position_code
    from dynfocus_tiny.frames import draw_old, draw_wide
    from dynfocus_tiny.materials import Materials, load_materials
    from dynfocus_tiny.run import set_up_torch, trained_model

    set_up_torch()
    model, _ = trained_model(arguments.model)
    config, vision = model.config, model.config.vision_config
    preprocessing = Preprocessing(vision.image_size, "letterbox")
    draw = draw_old
    if not arguments.old:
        draw = draw_wide(load_materials(arguments.materials) if arguments.materials else Materials())
    rng, deviations, things = random.Random(SEED), list[float](), defaultdict[int, int](int)
    purest: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(0, arguments.frames, BATCH):
        frames, shown = draw_frames(rng, draw, vision.image_size, vision.patch_size)
        with torch.no_grad():
            features = model.encode_frames(preprocessing(frames)).float()
        deviations.append(float(features.var(-1).mean().sqrt()))
        code = config.patch_position_scale * position_code(*features.shape[-2:])
        variants = {f"/ {divisor:g}": (features + code) / divisor for divisor in DIVISORS}
        variants["each patch / its own"] = F.layer_norm(features, features.shape[-1:])
        for thing in shown:
            things[_bucket(thing)] += 1
        for variant, points in variants.items():
            for neighbours in NEIGHBOURS:
                assignment = cluster(points, config.spatial_prototypes[0], neighbours).assignment
                for thing in shown:
                    share = purity(thing, assignment[thing.frame])
                    purest[f"{variant}, {neighbours} neighbours"][_bucket(thing)].append(share)
    result = {
        "deviation": round(fmean(deviations), 3),
        "widths_px": WIDTHS_PX,
        "things": [things[width] for width in WIDTHS_PX],
        "purity": {
            way: [round(fmean(shares[width]), 3) if shares[width] else None for width in WIDTHS_PX]
            for way, shares in purest.items()
        },
        "measured": provenance(str(arguments.model)),
    }
    for way, means in result["purity"].items():
        print(f"{way:34}", *("     -" if mean is None else f"{mean:6.2f}" for mean in means))
    print(json.dumps(result))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def draw_frames(
    rng: random.Random, draw: DrawWorld, size: int, patch: int
) -> tuple[NDArray[np.uint8], list[VisibleThing]]:
    """Frames of random clips, (`BATCH`, size, size, 3), and the things in them."""
    import numpy as np
    import torch

    from dynfocus_cli.synth.world import write_script
    from dynfocus_tiny.frames import film, film_mask

    frames, shown, grid = [], [], size // patch
    for frame in range(BATCH):
        world, look = draw(rng)
        script = write_script(rng.getrandbits(40) | 1 << 42, world=world)
        time_s = rng.uniform(0, script.duration_s - 0.01)
        frames.append(film(script, time_s, look, size, rng))
        side = size * min(look.picture_size(size)) / max(look.frame_size(size))
        for seen in script.scene_at(time_s).at(time_s):
            mask = film_mask(seen, look, size).reshape(grid, patch, grid, patch).mean((1, 3))
            covered = torch.from_numpy(mask.reshape(-1))
            shown.append(VisibleThing(frame, 2 * seen.actor.radius * side, covered))
    return np.stack(frames), shown


def purity(thing: VisibleThing, assignment: Tensor) -> float:
    """The share of its purest prototype that a thing covers.

    Shape:
        assignment: (N,), each patch's prototype.
    """
    on = thing.covered >= min(COVERED, float(thing.covered.max()))
    return max(float(thing.covered[assignment == one].mean()) for one in assignment[on].unique())


def _bucket(thing: VisibleThing) -> int:
    return next(width for width in WIDTHS_PX if thing.width_px < width)


if __name__ == "__main__":
    main()
