"""Tiny clips with something to learn, and trainings of the shipped model on them that take seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from dynfocus_cli.options import DecodingOptions, RunOptions, SamplingOptions
from dynfocus_cli.progress import Silent
from dynfocus_cli.training.finetune import TrainingResult, fine_tune
from dynfocus_cli.training.plan import TrainingPlan, plan_training
from dynfocus_cli.training.settings import TrainingRequest, TrainingSettings

COLORS = {"teal": (0, 128, 128), "maroon": (128, 0, 0), "navy": (0, 0, 128), "olive": (128, 128, 0)}
"""Words that the shipped model never read."""


def write_clip(path: Path, color: tuple[int, int, int], seconds: int = 6) -> Path:
    """A plain picture with a block that moves."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=2, options={"preset": "ultrafast"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for number in range(2 * seconds):
            picture = np.empty((64, 64, 3), np.uint8)
            picture[:] = color
            picture[8:24, 4 * number : 4 * number + 8] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_data(folder: Path, clips: int = 4) -> Path:
    """`clips` clips and the data file on them."""
    folder.mkdir(exist_ok=True)
    lines = []
    for number in range(clips):
        name, color = list(COLORS.items())[number % len(COLORS)]
        video = write_clip(folder / f"{number}.mp4", color)
        lines += [
            {"video": video.name, "question": "What color is the background?", "answer": name},
            {"video": video.name, "question": "Is there a block at 00:02?", "answer": "yes"},
        ]
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return data


def request(data: Path, out: Path, **changes: Any) -> TrainingRequest:
    """A training of a few steps on four frames a clip; `changes` are fields of it or its settings."""
    fields = TrainingSettings.__dataclass_fields__
    settings = {"max_steps": 4, "batch": 2, "samples": 20, "rate": 1e-3} | {
        name: value for name, value in changes.items() if name in fields
    }
    others = {name: value for name, value in changes.items() if name not in fields}
    options = RunOptions(SamplingOptions(frames=4), decoding=DecodingOptions(cache=False))
    return TrainingRequest(
        data,
        out,
        **{"options": options, "validation": "0", "device": "cpu", "model": "dynfocus-tiny"} | others,
        settings=TrainingSettings(**settings),
    )


def prepared(data: Path, out: Path, **changes: Any) -> TrainingPlan:
    return plan_training(request(data, out, **changes))


def trained(data: Path, out: Path, told: list[str] | None = None, **changes: Any) -> TrainingResult:
    tell = (lambda line: None) if told is None else told.append
    return fine_tune(prepared(data, out, **changes), Silent(), tell, tell)


def losses(folder: Path, name: str = "training_log.jsonl") -> Sequence[float]:
    lines = map(json.loads, (folder / name).read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]
