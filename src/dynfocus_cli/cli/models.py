"""`dynfocus models convert`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli import progress
from dynfocus_cli.cli.errors import reported
from dynfocus_cli.cli.output import write_line

app = typer.Typer(
    name="models",
    help="List, describe, fetch, convert and quantize models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

QuantizeOption = Annotated[
    opt.Quantization,
    typer.Option("--quantize", help="Store the language model's layers in 8 bits (int8) or 4 (nf4)."),
]


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Folder of a LLaMA-VID, DynFocus or InstructBLIP model.")
    ],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="Folder to write; it must not exist.")],
    quantize: QuantizeOption = "none",
    vision: Annotated[
        Path | None,
        typer.Option(
            "--vision",
            metavar="PATH",
            help="LLaMA-VID's vision tower: eva_vit_g.pth, or an InstructBLIP folder.",
        ),
    ] = None,
    question_tokenizer: Annotated[
        Path | None,
        typer.Option("--question-tokenizer", metavar="PATH", help="Folder of the Q-Former's tokenizer."),
    ] = None,
    quiet: opt.QuietOption = False,
) -> None:
    """Write a model folder for --model from another project's weights."""
    with reported():
        from dynfocus_cli.checkpoints.convert import convert as write
        from dynfocus_cli.checkpoints.sources.recognise import open_source

        with progress.shown(source.name, progress.wanted(quiet)) as bar:
            opened = open_source(source, vision=vision, question_tokenizer=question_tokenizer)
            made = write(opened, destination, quantize, bar)
        write_line(str(made))
