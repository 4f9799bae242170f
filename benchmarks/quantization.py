"""Hypothesis: fewer bits cost dynfocus-tiny almost no answers: NF4 at most 2 points, int8 at most 1.

The same held-out questions, decoded from their mp4 files by `ask`'s own path, are asked of the model as it
is, in int8 and in NF4. Beside the accuracy: how many right answers were lost and gained, what a folder made
by `dynfocus models quantize` takes on disk, and what its weights take in memory.

    python benchmarks/quantization.py --clips 120 --seed 11 --out benchmarks/results/quantization.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
from pathlib import Path

from accuracy import Job, ask_clip
from dynfocus_cli.synth.exam import sheet_of
from provenance import provenance

KINDS = ("none", "int8", "nf4")
WORST = {"int8": 0.01, "nf4": 0.02}
"""Accuracy that may be lost."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--seed", type=int, default=11, help="of the clips, as for `dynfocus synth`")
    parser.add_argument("--model", default="dynfocus-tiny")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()
    right: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            Job(Path(folder), sheet_of(arguments.seed, clip), arguments.model, quantize=kind)
            for clip in range(arguments.clips)
            for kind in KINDS
        ]
        # A clip's three jobs write the same file, so they go to one worker together.
        with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
            for job, rows in zip(jobs, pool.imap(ask_clip, jobs, chunksize=len(KINDS)), strict=True):
                right.setdefault(str(job.quantize), []).extend(row["given"] == row["answer"] for row in rows)
        sizes = {kind: size_of(arguments.model, kind, Path(folder)) for kind in KINDS}
    plain = right["none"]
    table = {}
    for kind in KINDS:
        table[kind] = {
            "accuracy": round(sum(right[kind]) / len(plain), 4),
            "lost": sum(a and not b for a, b in zip(plain, right[kind], strict=True)),
            "gained": sum(b and not a for a, b in zip(plain, right[kind], strict=True)),
            **sizes[kind],
        }
    result = {
        "questions": len(plain),
        "clips": arguments.clips,
        "seed": arguments.seed,
        "kinds": table,
        "measured": provenance(arguments.model),
    }
    print(f"{'':5} {'accuracy':>9} {'lost':>5} {'gained':>6} {'on disk':>9} {'in memory':>9}")
    for kind, row in table.items():
        print(
            f"{kind:5} {row['accuracy']:9.1%} {row['lost']:5} {row['gained']:6} "
            f"{row['disk_bytes'] / 1e6:6.1f} MB {row['memory_bytes'] / 1e6:6.1f} MB"
        )
    for kind, most in WORST.items():
        lost = table["none"]["accuracy"] - table[kind]["accuracy"]
        met = "met" if lost <= most else "NOT met"
        print(f"{kind}: {100 * lost:+.1f} points lost, {100 * most:.0f} allowed: {met}")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def size_of(model: str, kind: str, folder: Path) -> dict[str, int]:
    """Bytes of the weights, in the folder that would be loaded and in memory once they are."""
    from dynfocus_cli.checkpoints import find_model
    from dynfocus_cli.models.open import load_model

    _, place = find_model(model)
    if kind != "none":
        place = folder / kind
        code = "from dynfocus_cli.cli.app import main; main()"
        run = [sys.executable, "-c", code, "models", "quantize", model, str(place), "--to", kind, "--quiet"]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    network = load_model(str(place), "cpu").network
    parts = [*network.parameters(), *network.buffers()]
    for parameter in network.parameters():
        state = getattr(parameter, "quant_state", None)
        parts += [] if state is None else [state.absmax]
    return {
        "disk_bytes": sum(file.stat().st_size for file in place.glob("model*.safetensors")),
        "memory_bytes": sum(part.nbytes for part in parts),
    }


if __name__ == "__main__":
    main()
