"""`dynfocus synth OUT`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynfocus_cli.cli.errors import reported
from dynfocus_cli.cli.options import DEFAULT_SEED, MAX_SEED
from dynfocus_cli.cli.output import write_line
from dynfocus_cli.errors import UsageError


def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to; made where there is none.")],
    clips: Annotated[int, typer.Option("--clips", metavar="N", min=1, help="How many clips.")] = 4,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=MAX_SEED, help="Other clips for each seed.")
    ] = DEFAULT_SEED,
) -> None:
    """Write generated video clips: the world that dynfocus-tiny was trained on. Prints their paths."""
    with reported():
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; OUT must be a folder.")
        from dynfocus_cli.synth.write import write_clips

        for path in write_clips(out, clips, seed):
            write_line(str(path))
