"""Hypothesis: at the poster's settings for long videos, a stock model behind DynFocus reads at most a third
of the tokens that its makers' own way reads of the same 200 frames, in at most a third of the time.

    python benchmarks/stock_cost.py --rounds 3 --out benchmarks/results/stock-cost.json

The model is a Qwen3-VL of random weights with the 4B's widths and a twelfth of its layers, written there; the
video is generated. Qwen3-VL, for it takes frames in their own shape, and its published settings have a cap on
what all frames together may take, so that both of the makers' ways can be measured. `--stock` is what is
asked of them: the test suite shows that it gives the logits of transformers' own processor and model.

Each run is a process of its own, on one thread; the ways take turns, and the medians count. The time that is
compared is the processor's: on one thread it is what an idle machine would take, and other work stretches it
little. The clock's is kept too, stage by stage. Operations are counted where they happen, and for whole
models from their sizes, by the formulas that these counts confirm.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provenance import provenance

QUESTION = "What happens in the video?"
FRAMES = 200
THIRD = 1 / 3
ANSWER_TOKENS = 4
STAGES = ("decode", "encode", "select", "generate", "total")


@dataclass(frozen=True, slots=True)
class Way:
    """What is asked of one run."""

    frames: int = FRAMES
    stock: bool = False
    uncapped: bool = False
    """Without the makers' cap on the pixels of all frames together."""
    prototypes: int | None = None
    """L."""
    key_ratio: float | None = None
    """K / L."""
    cone_tokens: int | None = None


BASE = "stock, uncapped"
WAYS = {
    BASE: Way(stock=True, uncapped=True),
    "stock, its pixel cap": Way(stock=True),
    "stock, 32 frames": Way(stock=True, frames=32),
    "ours, L=60 K=24": Way(prototypes=60, key_ratio=0.4),
    "ours, L=80 K=32": Way(prototypes=80, key_ratio=0.4),
    "ours, L=80 K=48, 38 cones": Way(prototypes=80, key_ratio=0.6, cone_tokens=38),
}
POSTER = ((60, 0.4), (80, 0.4), (60, 0.6), (80, 0.6))
"""The corners of the poster's settings for 200 frames: L, K / L."""
PICTURES = ((512, 288), (640, 360), (1280, 720))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, help="for model and video, 2 GB; what is there is not made again"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default="640x360", help="of the video's pictures")
    parser.add_argument("--run", choices=list(WAYS), help="only measure one run; needs --folder")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.run is not None:
        return print(json.dumps(measure(arguments.folder, WAYS[arguments.run])))
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        prepare(folder, arguments.size)
        kept = folder / "runs.json"
        runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        if kept.exists():
            runs |= json.loads(kept.read_text())
        for number in range(arguments.rounds):
            for way in WAYS:
                if number < len(runs[way]):
                    continue  # an earlier start's
                command = [sys.executable, __file__, "--folder", str(folder), "--run", way]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                run = json.loads(done.stdout.splitlines()[-1])
                runs[way].append(run)
                print(
                    f"round {number + 1}: {way:26} {run['seconds']['total']:6.1f} s, "
                    f"{run['processor_s']:6.1f} s of processor, {run['peak_bytes'] / 1e9:.2f} GB",
                    flush=True,
                )
                kept.write_text(json.dumps(runs))
        published = [
            row for size in PICTURES for row in counted(folder / "capped", folder / "uncapped", size)
        ]
    result = {
        "model": described(),
        "video": {"size": arguments.size, "seconds": FRAMES},
        "ways": {way: summary(found, runs[BASE]) for way, found in runs.items()},
        "rounds": arguments.rounds,
        "whole_models": published,
        "measured": provenance(),
    }
    told(result)
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def prepare(folder: Path, size: str) -> None:
    """Both models and the video, where they are not there yet."""
    from wide_qwen3_vl import write, write_uncapped

    folder.mkdir(parents=True, exist_ok=True)
    write_uncapped(folder / "uncapped", write(folder / "capped"), FRAMES)
    video = folder / "video.mp4"
    if not video.exists():
        write_video(video, *(int(side) for side in size.split("x")))


def write_video(path: Path, width: int, height: int) -> None:
    """A scene of coloured tiles every 2.5 seconds, whose tiles drift."""
    import av
    import numpy as np

    random, fps = np.random.default_rng(0), 4
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(FRAMES * fps):
            if number % 10 == 0:
                tiles = random.integers(0, 256, (9, 16, 3), dtype=np.uint8)
                scene = tiles.repeat(-(-height // 9), axis=0).repeat(-(-width // 16), axis=1)
            picture = np.roll(scene, 3 * (number % 10), axis=1)[:height, :width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def measure(folder: Path, way: Way) -> dict[str, Any]:
    """One question about the video, in this process."""
    import torch

    from dynfocus_cli import pipeline
    from dynfocus_cli.models.open import load_model
    from dynfocus_cli.options import (
        DecodingOptions,
        GenerationOptions,
        RunOptions,
        SamplingOptions,
        SelectionOptions,
    )
    from dynfocus_cli.progress import Silent
    from memory import peak_resident
    from operations import OperationCounter, of_looks, of_prefill, of_vision
    from wide_qwen3_vl import CUT

    torch.set_num_threads(1)
    model: Any = load_model(str(folder / ("uncapped" if way.uncapped else "capped")), "cpu")
    counter = OperationCounter(model.network)
    options = RunOptions(
        sampling=SamplingOptions(frames=way.frames),
        selection=SelectionOptions(
            way.prototypes, way.key_ratio, cone_tokens=way.cone_tokens, stock=way.stock
        ),
        generation=GenerationOptions(max_new_tokens=ANSWER_TOKENS),
        decoding=DecodingOptions(cache=False),
    )
    weights = sum(parameter.nbytes for parameter in model.network.parameters())
    Path("/proc/self/clear_refs").write_text("5")  # the kernel's peak begins anew
    before = processor_s()
    reply = pipeline.ask(str(folder / "video.mp4"), QUESTION, model, options, Silent())
    spent = processor_s() - before
    evidence = reply.evidence
    bill, seconds = evidence.tokens, evidence.timings_s
    looks = of_looks(
        model.spec.family,
        evidence.source,
        len(evidence.frames),
        None if way.stock else len(evidence.key_frames),
    )
    formula = of_vision(CUT, looks), of_prefill(CUT, counter.tokens)
    return {
        "frames": len(evidence.frames),
        "prototypes": None if way.stock else evidence.selection.prototypes,
        "key_frames": len(evidence.key_frames),
        "tokens_a_key_frame": bill.per_key_frame,
        "video_tokens": bill.video,
        "video_tokens_read": counter.video_tokens,
        "prompt_tokens": bill.prompt,
        "prefill_tokens": counter.tokens,
        "generated": bill.generated,
        "vision_operations": counter.vision,
        "prefill_operations": counter.prefill,
        "formula_is_off": [
            round(said / found - 1, 6)
            for said, found in zip(formula, (counter.vision, counter.prefill), strict=True)
        ],
        "seconds": {stage: round(getattr(seconds, stage), 3) for stage in STAGES},
        "processor_s": round(spent, 3),
        "peak_bytes": peak_resident(),
        "weights_bytes": weights,
        "warnings": list(evidence.warnings),
    }


def processor_s() -> float:
    """Seconds that all of this process's threads have computed."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def summary(runs: list[dict[str, Any]], base: list[dict[str, Any]]) -> dict[str, Any]:
    """The medians of a way's runs, and what they are of the uncapped way's, round by round."""
    row = dict(runs[0])
    row["seconds"] = {stage: statistics.median(run["seconds"][stage] for run in runs) for stage in STAGES}
    for name in ("processor_s", "peak_bytes"):
        row[name] = statistics.median(run[name] for run in runs)
    row["total_s_of_each_round"] = [run["seconds"]["total"] for run in runs]

    def share(of: Any) -> float:
        shares = [of(run) / of(other) for run, other in zip(runs, base, strict=False)]
        return round(statistics.median(shares), 4)

    row["of_uncapped"] = {
        "video_tokens": share(lambda run: run["video_tokens"]),
        "prefill_tokens": share(lambda run: run["prefill_tokens"]),
        "vision_operations": share(lambda run: run["vision_operations"]),
        "prefill_operations": share(lambda run: run["prefill_operations"]),
        "operations": share(lambda run: run["vision_operations"] + run["prefill_operations"]),
        "seconds": share(lambda run: run["seconds"]["total"]),
        "processor_s": share(lambda run: run["processor_s"]),
        "peak_bytes": share(lambda run: run["peak_bytes"]),
    }
    return row


def counted(capped: Path, uncapped: Path, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Whole models at the poster's settings, from their sizes alone; the prompt's own text is left out."""
    from dynfocus_cli.models.open import read_model_spec
    from dynfocus_cli.options import SelectionOptions
    from dynfocus_cli.types import VideoSource
    from operations import of_looks, of_prefill, of_vision
    from wide_qwen3_vl import PUBLISHED

    width, height = size
    source = VideoSource("", float(FRAMES), width, height, 30.0, "h264", 0, False, 0, 0.0)
    specs: list[Any] = [read_model_spec(str(folder), "cpu") for folder in (uncapped, capped)]
    asked: list[tuple[str, Any, SelectionOptions, int | None]] = [
        (name, spec, SelectionOptions(stock=True), None)
        for name, spec in zip(("stock, uncapped", "stock, its pixel cap"), specs, strict=True)
    ]
    for cone_tokens in (None, 38):
        for prototypes, ratio in POSTER:
            keys = round(prototypes * ratio)
            name = f"ours, L={prototypes} K={keys}" + (f", {cone_tokens} cones" if cone_tokens else "")
            asked.append((name, specs[1], SelectionOptions(cone_tokens=cone_tokens), keys))
    rows: list[dict[str, Any]] = []
    for name, spec, wanted, keys in asked:
        tokens = spec.price(source, FRAMES, wanted).total(FRAMES, keys or FRAMES)
        looks = of_looks(spec.family, source, FRAMES, keys)
        row: dict[str, Any] = {"size": f"{width}x{height}", "way": name, "video_tokens": tokens}
        for model, shape in PUBLISHED.items():
            vision, prefill = of_vision(shape, looks), of_prefill(shape, tokens)
            row[model] = {"vision": vision, "prefill": prefill}
        base = rows[0] if rows else row
        row["of_uncapped"] = {"video_tokens": round(tokens / base["video_tokens"], 4)} | {
            model: round(sum(row[model].values()) / sum(base[model].values()), 4) for model in PUBLISHED
        }
        rows.append(row)
    return rows


def described() -> dict[str, Any]:
    """The model that was measured, and what it is cut from."""
    from dataclasses import asdict

    from wide_qwen3_vl import CUT, FRAME_TOKENS, PUBLISHED, TOTAL_PIXELS

    return {
        "family": "qwen3_vl",
        "dtype": "bfloat16",
        "shape": asdict(CUT),
        "cut_from_4B": asdict(PUBLISHED["4B"]),
        "pixel_cap_of_all_frames": TOTAL_PIXELS,
        "uncapped_tokens_a_frame_at_most": FRAME_TOKENS,
    }


def told(result: dict[str, Any]) -> None:
    """The tables, and whether the hypothesis holds."""
    print(
        f"{'':26} {'frames':>6} {'key':>4} {'tokens':>7} {'prefill':>7} {'vision':>8} {'prefill':>8} "
        f"{'encode':>7} {'select':>7} {'generate':>8} {'total':>7} {'cpu':>7} {'peak':>8}"
    )
    for way, row in result["ways"].items():
        seconds = row["seconds"]
        print(
            f"{way:26} {row['frames']:6} {row['key_frames']:4} {row['video_tokens']:7} "
            f"{row['prefill_tokens']:7} {row['vision_operations'] / 1e12:6.2f} T "
            f"{row['prefill_operations'] / 1e12:6.2f} T {seconds['encode']:5.1f} s "
            f"{seconds['select']:5.1f} s {seconds['generate']:6.1f} s {seconds['total']:5.1f} s "
            f"{row['processor_s']:5.1f} s {row['peak_bytes'] / 1e9:5.2f} GB"
        )
    for way, row in result["ways"].items():
        share = row["of_uncapped"]
        if way.startswith("ours"):
            met = all(share[name] <= THIRD for name in ("video_tokens", "processor_s"))
            print(
                f"{way}: {share['video_tokens']:.1%} of the uncapped tokens, "
                f"{share['processor_s']:.1%} of the time ({share['seconds']:.1%} by the clock), "
                f"at most {THIRD:.1%}: "
                f"{'met' if met else 'NOT met'}"
            )
    print("\nWhole models, operations of the uncapped way's (2B, 4B, 8B):")
    for row in result["whole_models"]:
        share = row["of_uncapped"]
        print(
            f"{row['size']:9} {row['way']:26} {row['video_tokens']:6} tokens {share['video_tokens']:7.1%}; "
            f"{share['2B']:7.1%} {share['4B']:7.1%} {share['8B']:7.1%}"
        )


if __name__ == "__main__":
    main()
