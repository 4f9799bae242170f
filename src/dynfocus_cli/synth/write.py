"""Writes generated clips as real H.264 files, with their questions beside them."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av
from av.codec.codec import UnknownCodecError

from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import atomic_file
from dynfocus_cli.synth.look import LOOKS, PLAIN, Look
from dynfocus_cli.synth.questions import ask, observe
from dynfocus_cli.synth.render import render_frame
from dynfocus_cli.synth.world import SHORT, Script, World, write_script

SIZE = 256
FPS = 12
CRF = 20
QUESTIONS_PER_CLIP = 12
QUESTIONS_FILE = "questions.jsonl"
MAX_SIZE, MAX_FPS = 4096, 240

_FIRST_SEED = 1 << 42
"""Scripts written here never share a seed with those that `dynfocus-tiny` was trained on."""


class Film(NamedTuple):
    """How a script becomes a file; the default is how the committed exams are filmed."""

    size: int = SIZE
    """Pixels of the picture's shorter side."""
    fps: int = FPS
    crf: int = CRF
    """x264's constant rate factor: higher is coarser."""
    look: Look = PLAIN


STANDARD = Film()
FILMS: dict[str, Film] = {name: Film(look=look) for name, look in LOOKS.items()} | {
    "large": Film(size=2 * SIZE),
    "fps50": Film(fps=50),
    "crf35": Film(crf=35),
}
"""What real files differ in, one thing at a time."""


def clip_seed(seed: int, clip: int) -> int:
    """The script seed of clip number `clip` of the set `seed`."""
    return _FIRST_SEED + (seed << 20) + clip


def write_clips(
    out: Path,
    clips: int,
    seed: int,
    *,
    questions_per_clip: int = QUESTIONS_PER_CLIP,
    film: Film = STANDARD,
    world: World = SHORT,
) -> Iterator[Path]:
    """Writes `clips` clips and `questions.jsonl` into `out`, and yields each clip's path once it is whole.

    Equal seeds give equal clips and questions, however many are written and however they are filmed. A folder
    holds one set: clips of an earlier, longer one would be left without their questions.

    Raises:
        UsageError: `clips`, `seed` or a number of `film` out of range, `out` has questions or such clips
            already, or a file in it cannot be written.
    """
    if not 1 <= clips < 1 << 20:
        raise UsageError(f"`clips` must lie between 1 and {(1 << 20) - 1}, got {clips}.")
    if seed < 0:
        raise UsageError(f"`seed` must be at least 0, got {seed}.")
    if not 16 <= film.size <= MAX_SIZE or film.size % 2:
        raise UsageError(
            f"`size` must be an even number of pixels between 16 and {MAX_SIZE}, got {film.size}."
        )
    if not 1 <= film.fps <= MAX_FPS:
        raise UsageError(f"`fps` must lie between 1 and {MAX_FPS}, got {film.fps}.")
    if not 0 <= film.crf <= 51:
        raise UsageError(f"`crf` must lie between 0 and 51, got {film.crf}.")
    questions = out / QUESTIONS_FILE
    paths = [out / f"clip-{clip:05d}.mp4" for clip in range(clips)]
    if not os.path.lexists(questions) and (present := next(filter(os.path.isfile, paths), None)):
        raise UsageError(f"{present} exists already: name another folder for OUT, or remove it first.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        records = questions.open("x", encoding="utf-8")
    except FileExistsError as error:
        if not out.is_dir():
            raise UsageError(f"{out} cannot be written to: it is no folder.") from error
        raise UsageError(
            f"{questions} exists already: name another folder for OUT, or remove it and its clips first."
        ) from error
    except OSError as error:
        raise UsageError(f"{out} cannot be written to: {error.strerror}.") from error
    try:
        with records:
            for clip, path in enumerate(paths):
                script = write_script(clip_seed(seed, clip), world=world)
                _write_or_say_why(script, path, film)
                records.writelines(_records(script, path.name, questions_per_clip))
                records.flush()
                yield path
    finally:
        if questions.stat().st_size == 0:  # not one clip: nothing that would stand in a second try's way
            questions.unlink()


def _write_or_say_why(script: Script, path: Path, film: Film) -> None:
    try:
        write_video(script, path, **film._asdict())
    except (UnknownCodecError, av.error.EncoderNotFoundError) as error:
        raise UsageError(
            f"{path} cannot be written: this PyAV has no libx264 encoder. Install one that has: "
            "pip install --force-reinstall --only-binary av av"
        ) from error
    except (OSError, av.FFmpegError) as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error


def _records(script: Script, video: str, count: int) -> Iterator[str]:
    """The lines of `questions.jsonl` on one clip."""
    observed = observe(script, [float(second) for second in range(script.duration_s)])
    for asked in ask(observed, random.Random(script.seed), count):
        record = {
            "video": video,
            "question": asked.question,
            "answer": asked.answer,
            "type": asked.type,
            "key_times_s": list(asked.key_times_s),
        }
        yield json.dumps(record) + "\n"


def write_video(
    script: Script,
    path: Path,
    *,
    size: int = SIZE,
    fps: int = FPS,
    crf: int = CRF,
    look: Look = PLAIN,
    order: Sequence[int] | None = None,
) -> None:
    """Paints a script at `fps` frames a second and encodes it as H.264; the file appears whole or not.

    `order` names the second of the script that each second of the file shows; by default they are the same.
    """
    order = range(script.duration_s) if order is None else order
    with atomic_file(path) as unfinished, av.open(str(unfinished), "w", format="mp4") as container:
        options = {"crf": str(crf), "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height = look.frame_size(size)
        stream.pix_fmt = "yuv420p"
        for second, index in itertools.product(order, range(fps)):
            pixels = render_frame(script, (second * fps + index) / fps, size, look)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
