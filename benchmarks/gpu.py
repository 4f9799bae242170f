"""Hypothesis: on one common card the paper's network in NF4 answers on an hour of video within 8 GB of GPU
memory, and its first token comes far sooner than with all patches of the same frames.

    python benchmarks/gpu.py --folder /some/disk/with/45/GB [--out benchmarks/results/gpu.json]
    python benchmarks/gpu.py --folder /some/disk/small --device cpu --layers 1 --frames 8   # tries it

A 7B LLaMA-VID folder of random weights is written and converted for each quantization; `ask`'s own path then
answers on an hour-long generated video with the poster's long settings (L = 80, K/L = 0.4) and T frames.
A stage has the answer's own seconds, and as its peak the most that torch had allocated meanwhile (on a CPU
resident).
Beside it, with the same weights: the language model on all patches of the T frames, and on as many evenly
spaced frames with all patches as make the same number of tokens.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance import provenance
from random_llama_vid import write

if TYPE_CHECKING:
    from dynfocus_cli.models.dynfocus.model import LoadedModel

QUESTION = "What is the man doing?"
HOUR_S = 3600
EVENTS, KEY_RATIO = 80, 0.4
ANSWER_TOKENS = 32
MOST_BYTES = 8e9
COMPARED = 200
"""T of the comparison, and of the memory that is promised."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--kinds", nargs="+", choices=("none", "int8", "nf4"), default=["nf4", "int8", "none"]
    )
    parser.add_argument("--frames", nargs="+", type=int, default=[32, 100, 200, 400])
    parser.add_argument("--layers", type=int, help="fewer than all, to try this script")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--run", metavar="MODEL", help="only measure this folder")
    arguments = parser.parse_args()
    video = arguments.folder / "hour.mp4"
    if arguments.run is not None:
        return print(json.dumps(measure(arguments.run, str(video), arguments.device, arguments.frames)))
    source = arguments.folder / "llama-vid-7b"
    if not source.exists():
        write(source, arguments.layers)
    if not video.exists():
        write_hour(video)
    kinds: dict[str, Any] = {}
    for kind in arguments.kinds:
        made = prepared(source, arguments.folder / f"7b-{kind}", kind)
        command = [sys.executable, __file__, "--folder", str(arguments.folder), "--device", arguments.device]
        command += ["--run", str(made), "--frames", *map(str, arguments.frames)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        kinds[kind] = json.loads(done.stdout)
        show(kind, kinds[kind])
        if arguments.out:  # what is done is kept, whatever becomes of the rest
            result = {"device": arguments.device, "kinds": kinds, "measured": provenance()}
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"device": arguments.device, "kinds": kinds, "measured": provenance()}))


def prepared(source: Path, made: Path, kind: str) -> Path:
    """`source` converted, unless it is there already."""
    from dynfocus_cli.checkpoints.convert import convert
    from dynfocus_cli.checkpoints.sources.recognise import open_source
    from dynfocus_cli.progress import Silent

    if not made.exists():
        convert(open_source(source), made, kind, Silent())  # type: ignore[arg-type]
    return made


def write_hour(path: Path) -> None:
    """An hour of coarse random blocks, one frame a second, small enough that decoding takes no time."""
    import av
    import numpy as np

    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"preset": "ultrafast", "g": "10"})
        stream.width = stream.height = 128
        stream.pix_fmt = "yuv420p"
        for second in range(HOUR_S):
            blocks = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
            frame = av.VideoFrame.from_ndarray(blocks, format="rgb24")
            frame.pts, frame.time_base = second, Fraction(1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


class Watch:
    """Peaks a stage, and when each piece of the answer came; a `Progress`."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._stage = "plan"
        self.peaks: dict[str, int] = {}
        self.generate_began = 0.0
        self.pieces: list[float] = []

    def stage(self, name: str, total: int | None) -> None:
        self.finish()
        self._stage = name
        self.generate_began = time.perf_counter()

    def finish(self) -> None:
        self.peaks[self._stage] = peak(self._device)
        reset(self._device)

    def advance(self, n: int) -> None: ...

    def write(self, text: str) -> None:
        self.pieces.append(time.perf_counter())


def measure(folder: str, video: str, device: str, frames: list[int]) -> dict[str, Any]:
    """Everything about one model folder."""
    from dynfocus_cli.models.dynfocus.loading import load_weights
    from dynfocus_cli.models.open import read_model_spec

    spec = read_model_spec(folder, device)
    reset(device)
    began = time.perf_counter()
    model = load_weights(spec)
    found: dict[str, Any] = {
        "load_s": round(time.perf_counter() - began, 2),
        "load_peak_bytes": peak(device),
        "weights_bytes": allocated(device),
        "runs": [],
    }
    for count in frames:
        found["runs"].append(run(model, video, count, device))
    count = COMPARED if COMPARED in frames else max(frames)
    tokens = next(run["tokens"]["video"] for run in found["runs"] if run["wanted_frames"] == count)
    patches = model.config.patches
    found["compared"] = {
        "frames": count,
        "dynfocus": language(model, tokens, device),
        "all_patches": language(model, count * patches, device),
        "uniform_frames": max(1, round(tokens / patches)),
        "uniform": language(model, max(1, round(tokens / patches)) * patches, device),
    }
    return found


def run(model: LoadedModel, video: str, frames: int, device: str) -> dict[str, Any]:
    """One question by `ask`'s own path, after one that warms everything up."""
    from dynfocus_cli import pipeline
    from dynfocus_cli.options import (
        DecodingOptions,
        GenerationOptions,
        RunOptions,
        SamplingOptions,
        SelectionOptions,
    )

    options = RunOptions(
        sampling=SamplingOptions(frames=frames, max_frames=frames),
        selection=SelectionOptions(prototypes=EVENTS, key_ratio=KEY_RATIO),
        generation=GenerationOptions(max_new_tokens=ANSWER_TOKENS),
        decoding=DecodingOptions(cache=False),
    )
    plan = pipeline.forecast(video, QUESTION, model.spec, options)
    for _ in range(2):
        watch = Watch(device)
        reset(device)
        answer = pipeline.ask(video, QUESTION, model, options, watch)
        watch.finish()
    evidence = answer.evidence
    first = watch.pieces[0] - watch.generate_began if watch.pieces else None
    return {
        "wanted_frames": frames,
        "frames": len(evidence.frames),
        "key_frames": len(evidence.key_frames),
        "tokens": {"video": evidence.tokens.video, "generated": evidence.tokens.generated},
        "seconds": {
            "decode": round(evidence.timings_s.decode, 3),
            "encode": round(evidence.timings_s.encode, 3),
            "select": round(evidence.timings_s.select, 3),
            "generate": round(evidence.timings_s.generate, 3),
            "first_text": None if first is None else round(first, 3),
        },
        "peak_bytes": watch.peaks,
        "planned_bytes": plan.memory.peak,
        "warnings": list(evidence.warnings),
    }


def language(model: LoadedModel, tokens: int, device: str) -> dict[str, Any]:
    """The language model alone on so many video tokens: first token, rate, and peak."""
    import torch

    from dynfocus_cli.device import ran_out
    from dynfocus_cli.network.generation import generate
    from dynfocus_cli.options import GenerationOptions

    words = model.config.text_config.hidden_size
    found: dict[str, Any] = {"video_tokens": tokens}
    try:
        video = torch.randn(tokens, words, device=model.device, dtype=model.spec.dtype) * 0.02
        seconds: dict[int, list[float]] = {1: [], 1 + ANSWER_TOKENS: []}
        reset(device)
        for _ in range(3):
            for count, spent in seconds.items():
                options = GenerationOptions(max_new_tokens=count)
                began = time.perf_counter()
                with torch.inference_mode():
                    written = generate(model.network, model.prompt, video, QUESTION, (), options)
                wait(device)
                spent.append(time.perf_counter() - began)
                found["written"] = len(written.ids)
    except Exception as error:
        if not ran_out(error):
            raise
        gc.collect()
        return found | {"out_of_memory": True}
    first, all_of_them = (statistics.median(spent) for spent in seconds.values())
    more = max(1, found["written"] - 1)
    return found | {
        "first_token_s": round(first, 4),
        "tokens_a_second": round(more / max(1e-9, all_of_them - first), 2),
        "peak_bytes": peak(device),
    }


def reset(device: str) -> None:
    """Peaks begin anew."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: str) -> int:
    """Bytes since `reset`."""
    import torch

    return torch.cuda.max_memory_allocated() if device == "cuda" else resident("VmHWM")


def allocated(device: str) -> int:
    """Bytes now."""
    import torch

    return torch.cuda.memory_allocated() if device == "cuda" else resident("VmRSS")


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def resident(field: str) -> int:
    """Bytes, as the kernel counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def show(kind: str, found: dict[str, Any]) -> None:
    """Prints a kind's table."""
    print(f"{kind}: loaded in {found['load_s']} s, {found['weights_bytes'] / 1e9:.2f} GB")
    for run in found["runs"]:
        most = max(run["peak_bytes"].values())
        seconds = ", ".join(f"{stage} {spent}" for stage, spent in run["seconds"].items())
        print(
            f"  T = {run['frames']:3}: {run['tokens']['video']} video tokens; {seconds} s; peak "
            f"{most / 1e9:.2f} GB, planned {run['planned_bytes'] / 1e9:.2f} GB"
        )
        if kind == "nf4" and run["wanted_frames"] == COMPARED:
            print(f"  at most {MOST_BYTES / 1e9:.0f} GB: {'met' if most <= MOST_BYTES else 'NOT met'}")
    compared = found["compared"]
    for name in ("dynfocus", "uniform", "all_patches"):
        print(f"  {name:12} {compared[name]}", flush=True)


if __name__ == "__main__":
    main()
