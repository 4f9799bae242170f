"""Hypothesis: the planner's memory is within 10 % of what a run then takes, whatever the frames and the
quantization.

    python benchmarks/memory.py --folder /some/disk/with/10/GB [--device cuda] [--model FOLDER ...]
                                [--out benchmarks/results/memory.json]

Networks of the 7B's widths with few layers and random weights are written there, and asked about a video in
processes of their own, beside the folders that are named. Planned is `--dry-run`'s peak; measured on a CPU is
the most resident memory above what the process had before the model, on a GPU the most that torch had
allocated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from provenance import provenance
from random_llama_vid import write

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo.mp4"
LAYERS = 4
WORST = 0.10
SETTINGS = (("none", 200), ("nf4", 100), ("int8", 32))
"""Quantization and frames for the networks with few layers."""
NAMED_FRAMES = 8
"""For folders that are named."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", type=Path, action="append", default=[], help="measure this folder too")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--run", nargs=2, metavar=("MODEL", "FRAMES"), help="only measure one run")
    arguments = parser.parse_args()
    if arguments.run is not None:
        model, frames = arguments.run
        return print(json.dumps(measure(model, int(frames), arguments.device)))
    rows = []
    for model, frames in prepared(arguments.folder, arguments.model):
        run = [
            "--folder",
            str(arguments.folder),
            "--device",
            arguments.device,
            "--run",
            str(model),
            str(frames),
        ]
        done = subprocess.run([sys.executable, __file__, *run], stdout=subprocess.PIPE, text=True, check=True)
        row: dict[str, Any] = {"model": model.name, "frames": frames, **json.loads(done.stdout)}
        row["off"] = round(row["planned_bytes"] / row["measured_bytes"] - 1, 4)
        rows.append(row)
        print(
            f"{row['model']:20} {frames:4} frames, {row['tokens']:5} tokens: planned "
            f"{row['planned_bytes'] / 1e9:5.2f} GB, measured {row['measured_bytes'] / 1e9:5.2f} GB, "
            f"{row['off']:+.1%}",
            flush=True,
        )
    worst = max(abs(row["off"]) for row in rows)
    print(f"farthest off {worst:.1%}, at most {WORST:.0%}: {'met' if worst <= WORST else 'NOT met'}")
    result = {"device": arguments.device, "rows": rows, "measured": provenance()}
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def prepared(folder: Path, named: list[Path]) -> list[tuple[Path, int]]:
    """The models to measure, converted where they are not there yet."""
    from dynfocus_cli.checkpoints.convert import convert
    from dynfocus_cli.checkpoints.sources.recognise import open_source
    from dynfocus_cli.progress import Silent

    source = folder / f"random-{LAYERS}-layers"
    if not source.exists():
        write(source, LAYERS)
    models = []
    for kind, frames in SETTINGS:
        made = folder / f"{LAYERS}-layers-{kind}"
        if not made.exists():
            convert(open_source(source), made, kind, Silent())  # type: ignore[arg-type]
        models.append((made, frames))
    return models + [(model, NAMED_FRAMES) for model in named]


def measure(model: str, frames: int, device: str) -> dict[str, int]:
    """Planned and measured bytes of one question, and its video tokens."""
    import psutil
    import torch

    from dynfocus_cli import pipeline
    from dynfocus_cli.models.dynfocus.loading import load_weights
    from dynfocus_cli.models.open import read_model_spec
    from dynfocus_cli.options import DecodingOptions, GenerationOptions, RunOptions, SamplingOptions
    from dynfocus_cli.progress import Silent

    options = RunOptions(
        sampling=SamplingOptions(frames=frames),
        generation=GenerationOptions(max_new_tokens=4),
        decoding=DecodingOptions(cache=False),
    )
    question = "What is the man doing?"
    spec = read_model_spec(model, device)
    plan = pipeline.forecast(str(DEMO), question, spec, options)
    before = psutil.Process().memory_info().rss
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the kernel's peak begins anew
    reply = pipeline.ask(str(DEMO), question, load_weights(spec), options, Silent())
    measured = torch.cuda.max_memory_allocated() if device == "cuda" else peak_resident() - before
    return {
        "planned_bytes": plan.memory.peak,
        "measured_bytes": measured,
        "tokens": reply.evidence.tokens.video,
    }


def peak_resident() -> int:
    """Bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not say how much memory a process had at most")


if __name__ == "__main__":
    main()
