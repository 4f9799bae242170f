"""Hypothesis: what dynfocus-tiny was not trained on is told from what it was, videos and questions alike.

Videos drawn here, with seeds that nothing was fitted to, of the old world, of things of other sizes and, with
--materials, of the widened world, and those of --videos; per cent that are taken for videos of its world.
Questions in the generator's wordings that training never saw, and ones that no clip of its world answers.

    python benchmarks/domain.py [--clips 200] [--materials FOLDER] [--videos FOLDER] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dynfocus_cli.synth.unanswerable import NONSENSE as OF_THE_EXAM
from provenance import provenance

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dynfocus_cli.models.dynfocus.model import LoadedModel

SEED = 4_000_000_000
NONSENSE = (*OF_THE_EXAM, "画面上有红色的圆吗?")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=200, help="of each kind")
    parser.add_argument("--materials", type=Path, default=None, help="fonts and pictures")
    parser.add_argument("--videos", type=Path, default=None, help="a folder of real ones")
    parser.add_argument("--model", default="dynfocus-tiny")
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()

    import torch

    import dynfocus_cli
    from dynfocus_cli.models.dynfocus.model import LoadedModel

    torch.set_num_threads(1)
    loaded = dynfocus_cli.load(arguments.model, device="cpu")
    model = loaded.model
    assert isinstance(model, LoadedModel)
    assert model.familiarity is not None
    looks = {}
    for kind, videos in drawn(arguments.clips, model.spec.preprocessing.size, arguments.materials):
        familiar = [model.familiarity.is_familiar(encoded(model, frames)) for frames in videos]
        looks[kind] = {"videos": len(familiar), "in_domain": round(sum(familiar) / len(familiar), 4)}
        print(f"{kind:24} {looks[kind]['in_domain']:.1%} of {len(familiar)}")
    real = {}
    if arguments.videos is not None:
        for path in sorted(arguments.videos.iterdir()):
            real[path.name] = loaded.inspect(str(path)).in_domain
            print(f"{path.name:24} {real[path.name]}")
    questions = {
        "held-out wordings": list(wordings(arguments.clips)),
        "no question of its world": list(NONSENSE),
    }
    asked = {}
    for kind, texts in questions.items():
        share = sum(not model.domain.question_departures(text) for text in texts) / len(texts)
        asked[kind] = {"questions": len(texts), "in_domain": round(share, 4)}
        print(f"{kind:24} {share:.1%} of {len(texts)}")
    result = {"looks": looks, "real": real, "questions": asked, "revision": model.info.revision}
    result["measured"] = provenance()
    print(json.dumps(result))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def drawn(clips: int, size: int, materials: Path | None) -> Iterator[tuple[str, Iterator[NDArray[np.uint8]]]]:
    """Kinds of videos by name; only how frames look, not their shape, length or cuts."""
    from dynfocus_tiny import domain
    from dynfocus_tiny.materials import load_materials

    if materials is not None:
        trained = domain.widened_world(load_materials(materials))
        assert trained.draw is not None
        yield "widened world", domain.drawn_frames(SEED, clips, size, trained.draw)
    yield "old world", domain.world_frames(SEED, clips, size)
    for scale in (0.4, 0.5, 0.6, 0.8, 1.3, 2.0):
        seed = SEED + 10_000 * round(10 * scale)
        yield f"things {scale} times as large", domain.world_frames(seed, clips, size, (scale, scale))
    yield "textures", domain.textures(SEED, clips, size)
    yield "one colour", domain.blanks(SEED, clips, size)


def encoded(model: LoadedModel, frames: NDArray[np.uint8]) -> torch.Tensor:
    """Patch features of frames, as `ask` makes them."""
    import torch

    tower = model.vision_tower
    with torch.inference_mode():
        return tower.encode(tower.preprocessing(frames).to(tower.dtype)).float()


def wordings(clips: int) -> Iterator[str]:
    """Questions about so many clips, in words that training never put like this."""
    from dynfocus_cli.synth.questions import ask, observe
    from dynfocus_cli.synth.world import write_script
    from dynfocus_tiny.wordings import HELD_OUT

    for clip in range(clips):
        script = write_script(SEED + clip)
        observed = observe(script, [float(second) for second in range(script.duration_s)])
        for question in ask(observed, random.Random(clip), 24, wordings=HELD_OUT):
            yield question.question


if __name__ == "__main__":
    main()
