"""`dynfocus models list|info|pull|convert|quantize`"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dynfocus_cli.cli import progress
from dynfocus_cli.cli.completion import model_names, pullable_names
from dynfocus_cli.cli.options import JsonOption
from dynfocus_cli.cli.output import wrapped, write_line, write_record
from dynfocus_cli.types import Quantization

if TYPE_CHECKING:
    from dynfocus_cli.checkpoints.entries import ModelEntry
    from dynfocus_cli.checkpoints.registry import ListedModel
    from dynfocus_cli.progress import Progress

app = typer.Typer(
    name="models",
    help="List, describe, fetch, convert and quantize models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

QuantizeOption = Annotated[
    Quantization,
    typer.Option("--quantize", help="Store the language model's layers in 8 bits (int8) or in 4 (nf4)."),
]
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", autocompletion=model_names, help="Name or folder of a model, or org/name of the hub."
    ),
]
DestinationArgument = Annotated[
    Path, typer.Argument(metavar="DST", help="Folder to write; it must not exist.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; errors stay.")]


@app.command("list")
def list_(json: JsonOption = False) -> None:
    """List the models that are here, and those that can be fetched."""
    from dynfocus_cli.checkpoints.registry import list_models, models_folder

    models = list_models()
    if json:
        from dynfocus_cli.cli.model_tables import models_record

        return write_record(models_record(models_folder(), models))
    width = max(len(model.name) for model in models)
    for model in models:
        for line in wrapped(f"{model.name:<{width}}  {_state(model):<29}  ", model.what):
            write_line(line)


@app.command()
def info(
    model: ModelArgument,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the weights with the digests of conversion.json.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show what a model is, what it was made of, and what it costs."""
    from dynfocus_cli.checkpoints.registry import available_entry, find_model

    if not verify and (entry := available_entry(model)) is not None:
        return _show_entry(entry, json)
    name, folder = find_model(model)
    checked = None
    if verify:
        from dynfocus_cli.checkpoints.describe import verify as compare

        with progress.shown(name, progress.is_visible(quiet)) as bar:
            checked = compare(folder, bar)
    _show(name, folder, json, checked)


@app.command()
def pull(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=pullable_names,
            help="A model of `dynfocus models list`, or org/name of the hub.",
        ),
    ],
    quantize: Annotated[
        Quantization | None,
        typer.Option(
            "--quantize",
            help="Store it in 8 bits (int8), 4 (nf4), or as it is (none). Default: what suits the model. "
            "A public model is always stored as it is: this is what it runs in here from then on.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch a model from the Hugging Face hub, and check it. No other command downloads one.

    A public model stays in the hub's cache, for other programs too; one of ours is converted.
    """
    from dynfocus_cli.checkpoints.registry import find_pullable

    hub_id, entry = find_pullable(model)

    def work(bar: Progress) -> Path:
        if hub_id is not None:
            from dynfocus_cli.checkpoints.pull_public import pull_public

            return pull_public(hub_id, entry, quantize, bar)
        from dynfocus_cli.checkpoints.pull import pull as fetch

        assert entry is not None, "it is one of the two"
        return fetch(entry, quantize or entry.quantization, bar)

    _make(model, work, json, quiet)


@app.command()
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SRC",
            readable=False,  # not checked by the parser, whose exit code would be 2
            help="Folder of a LLaMA-VID, DynFocus or InstructBLIP model.",
        ),
    ],
    destination: DestinationArgument,
    quantize: QuantizeOption = "none",
    vision: Annotated[
        Path | None,
        typer.Option(
            "--vision",
            metavar="PATH",
            help="LLaMA-VID's vision tower: eva_vit_g.pth, or InstructBLIP's folder.",
        ),
    ] = None,
    question_tokenizer: Annotated[
        Path | None,
        typer.Option("--question-tokenizer", metavar="PATH", help="Folder of the Q-Former's tokenizer."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a model folder for --model from another project's weights. Goes on where it was interrupted."""

    def work(bar: Progress) -> Path:
        from dynfocus_cli.checkpoints.convert import convert as write
        from dynfocus_cli.checkpoints.sources.recognise import open_source

        opened = open_source(source, vision=vision, question_tokenizer=question_tokenizer)
        return write(opened, destination, quantize, bar)

    _make(destination.name, work, json, quiet)


@app.command()
def quantize(
    model: ModelArgument,
    destination: DestinationArgument,
    to: Annotated[Literal["int8", "nf4"], typer.Option("--to", help="8 bits a weight, or 4.")] = "nf4",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a copy of a model whose language model takes a half or a quarter of the memory."""
    from dynfocus_cli.checkpoints.families import SELECTORS
    from dynfocus_cli.checkpoints.public_folder import public_family_of
    from dynfocus_cli.checkpoints.registry import find_model
    from dynfocus_cli.errors import UsageError

    name, folder = find_model(model)
    family = public_family_of(folder)
    if family in SELECTORS:
        raise UsageError(f"{name} finds frames, and runs as it is stored: there is nothing to quantize.")
    if family is not None:
        raise UsageError(
            f"{name} is quantized when it is loaded: `dynfocus ask --model {name} --quantize {to}`."
        )

    def work(bar: Progress) -> Path:
        from dynfocus_cli.checkpoints.convert import convert as write
        from dynfocus_cli.checkpoints.describe import describe
        from dynfocus_cli.checkpoints.sources.own import own_source

        made = describe(name, folder)
        return write(own_source(folder), destination, to, bar, licence=made.licence or "", origin=made.origin)

    _make(destination.name, work, json, quiet)


def _make(title: str, work: Callable[[Progress], Path], json: bool, quiet: bool) -> None:
    """Runs `work`, which writes a model, and prints the model's folder, for a script to go on with."""
    with progress.shown(title, progress.is_visible(quiet)) as bar:
        folder = work(bar)
    if json:
        from dynfocus_cli.checkpoints.registry import model_name

        _show(model_name(folder), folder, json, None)
    else:
        write_line(str(folder))


def _show(name: str, folder: Path, json: bool, verified: int | None) -> None:
    from dynfocus_cli.checkpoints.describe import describe
    from dynfocus_cli.cli.model_tables import model_lines, model_record

    description = describe(name, folder)
    if json:
        return write_record(model_record(description, verified))
    lines = model_lines(description)
    if verified is not None:
        lines.append(("verified", f"{verified} of {verified} files"))
    _write_table(lines)


def _show_entry(entry: ModelEntry, json: bool) -> None:
    from dynfocus_cli.cli.model_tables import entry_lines, entry_record

    return write_record(entry_record(entry)) if json else _write_table(entry_lines(entry))


def _write_table(lines: Iterable[tuple[str, str]]) -> None:
    for label, value in lines:
        write_line(f"{label:<13} {value}")


def _state(model: ListedModel) -> str:
    from dynfocus_cli.checkpoints.size import readable

    if model.folder is None:
        then = "" if model.bytes == model.download_bytes else f", then {readable(model.bytes)}"
        return f"to pull: {readable(model.download_bytes)}{then}"
    state = "in the hub's cache" if model.state == "cached" else model.state
    return f"{state}: {readable(model.bytes)}"
