"""`dynfocus synth OUT`"""

from __future__ import annotations

import os
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
    size: Annotated[
        int, typer.Option("--size", metavar="PIXELS", help="Of the picture's shorter side, even.")
    ] = 256,
    fps: Annotated[int, typer.Option("--fps", metavar="N", help="Frames a second.")] = 12,
    crf: Annotated[
        int, typer.Option("--crf", metavar="N", help="x264's rate factor, 0 to 51: higher is coarser.")
    ] = 20,
    look: Annotated[
        str,
        typer.Option(
            "--look",
            metavar="NAME",
            help="plain, smooth, hue+15, hue-15, digits, 16:9, 4:3, 9:16, bars, textures, drawings.",
        ),
    ] = "plain",
    world: Annotated[
        str,
        typer.Option(
            "--world",
            metavar="NAME",
            help="short: up to two minutes and 6 scenes; wide: up to 5 minutes and 10 scenes, things of all "
            "sizes; or beyond dynfocus-tiny's training, long: 2 to 5 minutes of up to 24 scenes.",
        ),
    ] = "short",
) -> None:
    """Write generated video clips with questions: by default the simplest that dynfocus-tiny was trained on.

    Prints their paths.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError(f"{out} is a file; OUT must be a folder.")
    from dynfocus_cli.synth.look import LOOKS, WIDE_LOOKS
    from dynfocus_cli.synth.world import WORLDS
    from dynfocus_cli.synth.write import Film, write_clips

    looks = LOOKS | WIDE_LOOKS
    if look not in looks:
        raise UsageError(f"--look must be one of {', '.join(looks)}, got {look!r}.")
    if world not in WORLDS:
        raise UsageError(f"--world must be one of {', '.join(WORLDS)}, got {world!r}.")
    film = Film(size, fps, crf, looks[look])
    for path in write_clips(out, clips, seed, film=film, world=WORLDS[world]):
        write_line(str(path))
