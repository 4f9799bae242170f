"""Hypothesis: the frames that an answer attended to most show what decides it more often than key frames do.

Of right answers to questions about generated clips for which the generator knows a few deciding seconds: how
often one of these is on a key frame, and how often among the one or three most attended frames.

    python benchmarks/attention.py [--clips 60] [--seed 77] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from provenance import provenance

if TYPE_CHECKING:
    import dynfocus_cli

FEW = 12
"""Deciding seconds at most: beyond them nearly every frame decides."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seed", type=int, default=77, help="of the clips, as for `dynfocus synth`")
    parser.add_argument("--model", default="dynfocus-tiny")
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()

    import torch

    import dynfocus_cli
    from dynfocus_cli.synth.write import write_clips

    torch.set_num_threads(1)
    model = dynfocus_cli.load(arguments.model, device="cpu")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as folder:
        for _ in write_clips(Path(folder), arguments.clips, arguments.seed):
            pass
        for line in (Path(folder) / "questions.jsonl").read_text().splitlines():
            asked = json.loads(line)
            answer = model.ask(f"{folder}/{asked['video']}", asked["question"])
            deciding = asked["key_times_s"]
            if answer.answer != asked["answer"] or not 0 < len(deciding) <= FEW:
                continue
            for kind in (asked["type"], "all"):
                counts[kind].update(found(answer, deciding))
    shares = {
        kind: {"answers": count["answers"]}
        | {way: round(count[way] / count["answers"], 4) for way in ("key_frames", "first", "three", "either")}
        for kind, count in sorted(counts.items())
    }
    for kind, row in shares.items():
        print(f"{kind:10}", *(f"{name} {value:6.3g}" for name, value in row.items()))
    result = {"clips": arguments.clips, "seed": arguments.seed, "shares": shares, "measured": provenance()}
    result["revision"] = model.model.info.revision
    print(json.dumps(result))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def found(answer: dynfocus_cli.Answer, deciding: list[float]) -> Counter[str]:
    """In which of the ways one of the deciding seconds is among the evidence."""
    frames = answer.evidence.frames
    assert answer.attention is not None
    nearest = {min(frames, key=lambda frame: abs(frame.time_s - time_s)).index for time_s in deciding}
    ranked = sorted(range(len(frames)), key=lambda index: -answer.attention[index])
    key, three = any(frames[index].meaningful for index in nearest), bool(nearest & set(ranked[:3]))
    return Counter(answers=1, key_frames=key, first=ranked[0] in nearest, three=three, either=key or three)


if __name__ == "__main__":
    main()
