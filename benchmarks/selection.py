"""Hypothesis: the learned scores find brief events that even, random and purely geometric choices miss.

32 frames of each clip, of which 4 or 8 become key frames, so every policy spends the same tokens: the best of
16 events, or of 32, which are the frames themselves. A needle event (something on screen for 1-2 s) counts as
found when one of its frames is a key frame; among 16 events it has to be the centre of one besides. 32 frames
of a long clip may miss a needle altogether; no policy can find that one, so shares are of the sampled ones,
and the share of all needles stands beside it.

    python benchmarks/selection.py --clips 200 --seed 12 [--model PATH]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from pathlib import Path

from provenance import provenance

FRAMES = 32
CHOICES = ((4, 16), (8, 16), (8, 32))
"""K of L."""
NEEDLE_QUESTION = "What flashes up briefly?"
POLICIES = ("question", "visual", "dpc", "uniform", "random")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=12, help="of the clips, as for `dynfocus synth`")
    parser.add_argument("--model", default=None)
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()

    import torch

    from dynfocus_cli.models.open import load_model
    from dynfocus_cli.synth.world import write_script
    from dynfocus_cli.synth.write import clip_seed, write_video

    torch.set_num_threads(1)
    model = load_model(arguments.model, "auto")
    needles = sampled = 0
    found: Counter[tuple[str, int, int]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for clip in range(arguments.clips):
            script = write_script(clip_seed(arguments.seed, clip))
            if not script.needles:
                continue
            path = Path(folder) / "clip.mp4"
            write_video(script, path)
            times, chosen = choices(str(path), model, random.Random(clip))
            for needle in script.needles:
                needles += 1
                shown = {i for i, time_s in enumerate(times) if needle.start_s <= time_s < needle.end_s}
                sampled += bool(shown)
                for policy, frames in chosen.items():
                    found[policy] += bool(shown & frames)
    result = {
        "clips": arguments.clips,
        "seed": arguments.seed,
        "revision": model.info.revision,
        "needles": needles,
        "sampled": sampled,
        "found_of_sampled": {
            f"{k} of {events}": {policy: round(found[policy, k, events] / sampled, 4) for policy in POLICIES}
            for k, events in CHOICES
        },
        "found_of_all": {
            f"{k} of {events}": {policy: round(found[policy, k, events] / needles, 4) for policy in POLICIES}
            for k, events in CHOICES
        },
        "measured": provenance(),
    }
    print(f"{needles} needles, {sampled} of them in a sampled frame; share found:")
    print(" " * 15 + " ".join(f"{policy:>9}" for policy in POLICIES))
    for basis, found in (("sampled", "found_of_sampled"), ("all", "found_of_all")):
        for key, shares in result[found].items():
            print(f"{key} of {basis:7} " + " ".join(f"{shares[policy]:9.1%}" for policy in POLICIES))
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def choices(path: str, model, rng: random.Random) -> tuple[list[float], dict[tuple[str, int, int], set[int]]]:
    """The sampled times of a video, and the key frames that each policy picks for each K and L."""
    import torch

    from dynfocus_cli.dpe.density_peaks import cluster
    from dynfocus_cli.dpe.topk import hard_topk
    from dynfocus_cli.options import SamplingOptions
    from dynfocus_cli.video import decode_frames, find_mentions, plan_sampling, probe

    source = probe(path)
    plan = plan_sampling(
        source,
        SamplingOptions(frames=FRAMES),
        find_mentions("", source.duration_s),
        default_fps=model.config.fps,
        default_max_frames=model.config.max_frames,
    )
    scaling = model.spec.preprocessing
    batches = decode_frames(
        source, plan.times_s, width=scaling.size, height=scaling.size, fit=scaling.fit, batch_size=FRAMES
    )
    chosen: dict[tuple[str, int, int], set[int]] = {}
    with torch.inference_mode():
        # A decoder may give fewer frames a batch than it was asked for.
        encoded = [model.network.encode_frames(scaling(batch.pixels).to(model.device)) for batch in batches]
        patches = torch.cat(encoded).unsqueeze(0)
        connector = model.network.connector
        features = connector.prepare(patches)
        asked = model.encode_question(NEEDLE_QUESTION)
        for k, events in CHOICES:
            for policy in ("question", "visual"):
                selection = connector.select(
                    features, events=events, key_events=k, question=asked if policy == "question" else None
                )
                chosen[policy, k, events] = set(selection.key_frames[0].tolist())
            clusters = cluster(features.patches.mean(2), events, model.config.event_neighbours)
            densest = clusters.centres.gather(1, hard_topk(clusters.log_rank, k))
            chosen["dpc", k, events] = set(densest[0].tolist())
            chosen["uniform", k, events] = {int((place + 0.5) * FRAMES / k) for place in range(k)}
            chosen["random", k, events] = set(rng.sample(range(FRAMES), k))
    return list(plan.times_s), chosen


if __name__ == "__main__":
    main()
