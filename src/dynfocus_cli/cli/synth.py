"""`dynfocus synth OUT`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynfocus_cli.cli.output import write_line
from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import MAX_SEED


def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to; made where there is none.")],
    clips: Annotated[int, typer.Option("--clips", metavar="N", min=1, help="How many clips.")] = 4,
    seed: Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="Other clips for each seed.")] = 0,
    size: Annotated[int, typer.Option("--size", metavar="PIXELS", help="Width and height, even.")] = 256,
    fps: Annotated[int, typer.Option("--fps", metavar="N", help="Frames a second.")] = 12,
    crf: Annotated[
        int, typer.Option("--crf", metavar="N", help="x264's rate factor, 0 to 51: higher is coarser.")
    ] = 20,
    look: Annotated[
        str, typer.Option("--look", metavar="NAME", help="plain, smooth, hue+15, hue-15 or digits.")
    ] = "plain",
) -> None:
    """Write generated video clips: the world that dynfocus-tiny was trained on. Prints their paths."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; OUT must be a folder.")
    from dynfocus_cli.synth.look import LOOKS
    from dynfocus_cli.synth.write import Film, write_clips

    if look not in LOOKS:
        raise UsageError(f"--look must be one of {', '.join(LOOKS)}, got {look!r}.")
    for path in write_clips(out, clips, seed, film=Film(size, fps, crf, LOOKS[look])):
        write_line(str(path))
