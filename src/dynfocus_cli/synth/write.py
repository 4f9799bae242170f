"""Writes generated clips as real H.264 files, with their questions beside them."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import av

from dynfocus_cli.errors import UsageError
from dynfocus_cli.synth.questions import ask, observe
from dynfocus_cli.synth.render import render_frame
from dynfocus_cli.synth.world import Script, write_script

SIZE = 256
FPS = 12
QUESTIONS_PER_CLIP = 12
QUESTIONS_FILE = "questions.jsonl"

_FIRST_SEED = 1 << 42
"""Scripts written here never share a seed with those that `dynfocus-tiny` was trained on."""


def clip_seed(seed: int, clip: int) -> int:
    """The script seed of clip number `clip` of the set `seed`."""
    return _FIRST_SEED + (seed << 20) + clip


def write_clips(
    out: Path, clips: int, seed: int, *, questions_per_clip: int = QUESTIONS_PER_CLIP
) -> Iterator[Path]:
    """Writes `clips` clips and `questions.jsonl` into `out`, and yields each clip's path once it is whole.

    Equal seeds give equal clips and questions, however many are written.

    Raises:
        UsageError: `clips` or `seed` out of range, or a file in `out` cannot be written.
    """
    if not 1 <= clips < 1 << 20:
        raise UsageError(f"--clips must lie between 1 and {(1 << 20) - 1}, got {clips}.")
    if seed < 0:
        raise UsageError(f"--seed must be at least 0, got {seed}.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        records = (out / QUESTIONS_FILE).open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written to: {error.strerror}.") from error
    with records:
        for clip in range(clips):
            script = write_script(clip_seed(seed, clip))
            path = out / f"clip-{clip:05d}.mp4"
            try:
                write_video(script, path)
            except OSError as error:
                raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
            observed = observe(script, [float(second) for second in range(script.duration_s)])
            for asked in ask(observed, random.Random(script.seed), questions_per_clip):
                record = {
                    "video": path.name,
                    "question": asked.question,
                    "answer": asked.answer,
                    "type": asked.type,
                    "key_times_s": list(asked.key_times_s),
                }
                records.write(json.dumps(record) + "\n")
            records.flush()
            yield path


def write_video(script: Script, path: Path, *, size: int = SIZE, fps: int = FPS) -> None:
    """Paints a script at `fps` frames a second and encodes it as H.264; the file appears whole or not."""
    part = path.with_suffix(".part")
    try:
        with av.open(str(part), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "veryfast"})
            stream.width = stream.height = size
            stream.pix_fmt = "yuv420p"
            for index in range(script.duration_s * fps):
                pixels = render_frame(script, index / fps, size)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
