"""Hypothesis: ten short clips with words that the shipped model never read are enough to teach it them within
minutes on a CPU, so that it answers on clips that it did not learn from; and a run that is killed and given
again has the very curve of one that was not.

    python benchmarks/finetune.py [--steps 240] [--seeds 0 1 2] [--out benchmarks/results/finetune.json]

The clips show one thing at a time, of four shapes and in four colours, all eight with names that are in no
question or answer of the shipped model's world. Ten clips are learned from by `dynfocus train`;
these and ten others, with other things at other places, are asked about before and after, by `ask`'s own
path. Beside the exact matches: how many of the answers that name a thing have its colour and its shape right.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from provenance import provenance

COLORS = {"teal": (0, 140, 140), "maroon": (110, 10, 30), "beige": (225, 205, 165), "indigo": (60, 20, 140)}
SHAPES = ("lattice", "ribbon", "lozenge", "comb")
SIDE, SCENE_S, SCENES, CLIPS = 128, 5, 3, 10
FRAMES = 15
DRAWN = 44
"""Pixels a side of a thing."""
KILLED_STEPS, SAVED_EVERY = 30, 5
KILLED_AT = (7, 18)
"""Logged steps after which the process is killed."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["DYNFOCUS_CACHE_DIR"] = str(folder / "cache")
        data = write_clips(folder / "train", 1)
        held_out = write_clips(folder / "held-out", 2)
        sets = {"learned_from": data, "others": held_out}
        before = {name: asked("dynfocus-tiny", file) for name, file in sets.items()}
        print(json.dumps(before), flush=True)
        rows = []
        for seed in arguments.seeds:
            model = folder / f"model-{seed}"
            seconds = tuned(data, model, arguments.steps, seed)
            after = {name: asked(str(model), file) for name, file in sets.items()}
            rows.append({"seed": seed, "seconds": round(seconds, 1)} | after)
            print(json.dumps(rows[-1]), flush=True)
        resumed = killed(data, folder)
    for name in sets:
        after_mean = sum(row[name]["exact_match"] for row in rows) / len(rows)
        print(f"clips {name}: {before[name]['exact_match']:.1%} before, {after_mean:.1%} after")
    minutes = sum(row["seconds"] for row in rows) / len(rows) / 60
    print(
        f"{minutes:.1f} min a training; killed {resumed['kills']} times: losses differ by "
        f"{resumed['largest_difference']:.1e} at most"
    )
    result = {
        "clips": CLIPS,
        "steps": arguments.steps,
        "before": before,
        "runs": rows,
        "killed": resumed,
        "measured": provenance("dynfocus-tiny"),
    }
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def command(data: Path, out: Path, *more: object) -> list[str]:
    """`dynfocus train` on these clips."""
    code = "from dynfocus_cli.cli.app import main; main()"
    options = [
        "--frames",
        str(FRAMES),
        "--batch-size",
        "8",
        "--lr",
        "1e-3",
        "--device",
        "cpu",
        "--quiet",
        *more,
    ]
    return [sys.executable, "-c", code, "train", str(data), str(out), *map(str, options)]


def tuned(data: Path, out: Path, steps: int, seed: int) -> float:
    """Trains, and returns wall seconds."""
    began = time.monotonic()
    more = ["--validation", "0", "--max-steps", steps, "--seed", seed]
    subprocess.run(command(data, out, *more), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def asked(model: str, data: Path) -> dict[str, Any]:
    """Exact matches on a file's questions, in all and a kind, and right words where a thing is named."""
    import torch

    from dynfocus_cli import pipeline
    from dynfocus_cli.features.memory_cache import MemoryFeatureCache
    from dynfocus_cli.models.open import load_model
    from dynfocus_cli.options import DecodingOptions, RunOptions, SamplingOptions
    from dynfocus_cli.progress import Silent

    torch.set_num_threads(1)
    loaded, memory_cache = load_model(model, "cpu"), MemoryFeatureCache()
    options = RunOptions(SamplingOptions(frames=FRAMES), decoding=DecodingOptions(cache=False))
    right: dict[str, list[bool]] = {}
    for line in map(json.loads, data.read_text(encoding="utf-8").splitlines()):
        video, question, wanted = str(data.with_name(line["video"])), line["question"], line["answer"]
        given = pipeline.ask(video, question, loaded, options, Silent(), memory_cache=memory_cache).answer
        kind = {"What is": "thing", "What co": "color"}.get(question[:7], "appears")
        right.setdefault(kind, []).append(given == wanted)
        if kind == "thing":
            _, color, shape = wanted.split()
            right.setdefault("thing's color", []).append(color in given.split())
            right.setdefault("thing's shape", []).append(shape in given.split())
    whole = [hit for kind in ("thing", "color", "appears") for hit in right[kind]]
    return {
        "questions": len(whole),
        "exact_match": round(sum(whole) / len(whole), 4),
        "kinds": {kind: round(sum(hits) / len(hits), 4) for kind, hits in right.items()},
    }


def killed(data: Path, folder: Path) -> dict[str, Any]:
    """The losses of a run that is killed on its way, beside those of one that is not."""
    more = ["--validation", "0", "--max-steps", KILLED_STEPS, "--save-every", SAVED_EVERY]
    whole, broken = folder / "whole", folder / "broken"
    subprocess.run(command(data, whole, *more), check=True, stdout=subprocess.DEVNULL)
    log = folder / "broken.training" / "log.jsonl"
    for step in KILLED_AT:
        process = subprocess.Popen(command(data, broken, *more), stdout=subprocess.DEVNULL)
        while len(losses(log)) < step and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command(data, broken, *more), check=True, stdout=subprocess.DEVNULL)
    one, other = losses(whole / "training_log.jsonl"), losses(broken / "training_log.jsonl")
    return {
        "kills": len(KILLED_AT),
        "steps": len(one),
        "largest_difference": max(abs(a - b) for a, b in zip(one, other, strict=True)),
        "losses": [round(loss, 4) for loss in one],
    }


def losses(log: Path) -> list[float]:
    """Of every step that is logged whole."""
    if not log.exists():
        return []
    lines = [line for line in log.read_text(encoding="utf-8").split("\n")[:-1] if '"loss"' in line]
    return [json.loads(line)["loss"] for line in lines]


def write_clips(folder: Path, seed: int) -> Path:
    """Ten clips of three scenes each, and the questions on them."""
    import av

    folder.mkdir()
    rng = random.Random(seed)
    lines: list[dict[str, str]] = []
    for number in range(CLIPS):
        video = folder / f"{number}.mp4"
        shapes = rng.sample(SHAPES, SCENES)
        scenes = [
            (shape, rng.choice(list(COLORS)), rng.randrange(256), random_place(rng)) for shape in shapes
        ]
        with av.open(str(video), "w") as container:
            stream = container.add_stream("libx264", rate=4)
            stream.width = stream.height = SIDE
            stream.pix_fmt = "yuv420p"
            for shape, color, background, (x, y) in scenes:
                frame = np.full((SIDE, SIDE, 3), 40 + background % 60, np.uint8)
                frame[y : y + DRAWN, x : x + DRAWN][mask(shape)] = COLORS[color]
                for _ in range(4 * SCENE_S):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        lines += [{"video": video.name} | line for line in questions(scenes, rng)]
    data = folder / "questions.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return data


def random_place(rng: random.Random) -> tuple[int, int]:
    """Left upper corner of a thing."""
    return rng.randrange(SIDE - DRAWN), rng.randrange(SIDE - DRAWN)


def questions(scenes: list[Any], rng: random.Random) -> list[dict[str, str]]:
    """What is to see, in which colour, and whether; of each scene and of what is not there."""
    lines = []
    for place, (shape, color, *_) in enumerate(scenes):
        moment = f"00:{place * SCENE_S + rng.randrange(SCENE_S):02d}"
        lines += [
            {"question": f"What is shown at {moment}?", "answer": f"a {color} {shape}"},
            {"question": f"What color is the {shape}?", "answer": color},
            {"question": f"Does a {color} {shape} appear?", "answer": "yes"},
        ]
    (absent,) = set(SHAPES) - {shape for shape, *_ in scenes}
    lines.append({"question": f"Does a {rng.choice(list(COLORS))} {absent} appear?", "answer": "no"})
    return lines


def mask(shape: str) -> np.ndarray:
    """(DRAWN, DRAWN) bool."""
    rows, columns = np.mgrid[0:DRAWN, 0:DRAWN]
    if shape == "lattice":
        return (rows % 14 < 6) | (columns % 14 < 6)
    if shape == "ribbon":
        return np.abs(rows - DRAWN / 2 - 10 * np.sin(columns / 5)) < 7
    if shape == "lozenge":
        return np.abs(rows - DRAWN / 2) + 2 * np.abs(columns - DRAWN / 2) < DRAWN / 2
    return (rows > DRAWN - 12) | (columns % 12 < 6)


if __name__ == "__main__":
    main()
