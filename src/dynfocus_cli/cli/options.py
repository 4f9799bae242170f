"""The options that commands share, each defined once, and what the library calls them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dynfocus_cli.cli.interrupts import interruptible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynfocus_cli.batch.videos import Search
    from dynfocus_cli.cli.output import Format
    from dynfocus_cli.cli.resuming import Output
    from dynfocus_cli.models.protocol import Backend, ModelSpec
    from dynfocus_cli.options import RunOptions, SamplingOptions, SelectionOptions
    from dynfocus_cli.types import Option

DEFAULT_MAX_NEW_TOKENS = 64
DEFAULT_SEED = 0
DEFAULT_TEMPERATURE = 0.0
"""All as in `run_options.GenerationOptions`, which is not imported here for the sake of a quick `--help`."""

MAX_SEED = 2**32 - 1

Device = Literal["auto", "cpu", "cuda"]
ScorerName = Literal["visual", "question", "attention", "density"]
HwaccelName = Literal["none", "auto", "cuda"]
Quantization = Literal["none", "int8", "nf4"]
RodsName = Literal["two", "none"]

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|PATH",
        help="Model to use. Default: the best installed one that fits, else the shipped dynfocus-tiny.",
    ),
]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where to run the model.")]
FpsOption = Annotated[
    float | None, typer.Option("--fps", metavar="F", help="Sample F frames a second. Excludes --frames.")
]
FramesOption = Annotated[
    int | None, typer.Option("--frames", metavar="N", help="Sample N frames, evenly spaced. Excludes --fps.")
]
MaxFramesOption = Annotated[
    int | None, typer.Option("--max-frames", metavar="N", help="Sample at most N frames.")
]
StartOption = Annotated[
    str | None,
    typer.Option("--start", metavar="TIME", help="Look from here on. TIME: 90, 1:30, 1:02:03.5, 2m30s."),
]
EndOption = Annotated[str | None, typer.Option("--end", metavar="TIME", help="Look up to here.")]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="Look closely at this moment of the video.")
]
PrototypesOption = Annotated[
    int | None, typer.Option("--prototypes", metavar="L", help="Events to divide the video into.")
]
KeyRatioOption = Annotated[
    float | None,
    typer.Option("--key-ratio", metavar="R", help="Share of the events judged meaningful, 0 to 1."),
]
BudgetOption = Annotated[
    int | None, typer.Option("--budget", metavar="TOKENS", help="Most tokens that the video may take.")
]
ScorerOption = Annotated[
    ScorerName | None,
    typer.Option(
        "--scorer",
        help="Rank events by a score trained on the picture (visual), or the question too; by attention; "
        "by density, as hub models do.",
    ),
]
ConeTokensOption = Annotated[
    int | None,
    typer.Option(
        "--cone-tokens",
        metavar="N",
        help="Of a hub model: thin each key frame to N tokens. Default: all, or what fits.",
    ),
]
RodsOption = Annotated[
    RodsName, typer.Option("--rods", help="Of a hub model: tokens of a frame that is no key frame.")
]
StockOption = Annotated[
    bool,
    typer.Option("--stock", help="Of a hub model: even sampling and all tokens, as its makers do."),
]
SelectorModelOption = Annotated[
    str | None,
    typer.Option(
        "--selector-model",
        metavar="NAME|PATH",
        help="Of a hub model: choose frames for the question by this SigLIP or CLIP, as siglip2-base.",
    ),
]
CheckOption = Annotated[
    bool,
    typer.Option("--check", help="Answer again from even frames, and without the key frames."),
]
AnywayOption = Annotated[
    bool,
    typer.Option(
        "--anyway",
        help="Answer by the shipped dynfocus-tiny also where it was not trained on such a video or question.",
    ),
]
ChoiceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--choice",
        metavar="LETTER=TEXT",
        help="An answer to choose from; repeatable. The likeliest one's letter is the answer.",
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        min=0,
        max=MAX_SEED,
        help="Recorded with the result; decides what is drawn above temperature 0.",
    ),
]
MaxNewTokensOption = Annotated[
    int, typer.Option("--max-new-tokens", metavar="N", help="Longest answer, in tokens.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object; for a single video.")]
JsonlOption = Annotated[bool, typer.Option("--jsonl", help="Print one JSON object a line, one a video.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No evidence, no progress; warnings and errors stay.")
]
TemperatureOption = Annotated[
    float,
    typer.Option("--temperature", metavar="F", help="0 takes the likeliest words; above, they are drawn."),
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would be looked at and what it takes; no weights are loaded."),
]
QuantizeOption = Annotated[
    Quantization | None,
    typer.Option("--quantize", help="Bits of the language model's weights; as stored by default."),
]
SubtitlesOption = Annotated[
    str,
    typer.Option(
        "--subtitles",
        metavar="FILE|auto|off",
        help="Give the model the subtitles on screen at sampled frames: of FILE, or those found.",
    ),
]
NoCacheOption = Annotated[
    bool, typer.Option("--no-cache", help="Neither take frames' features from the cache nor keep them.")
]
HwaccelOption = Annotated[
    HwaccelName, typer.Option("--hwaccel", help="Decode on the GPU: cuda, or auto where it can.")
]

RecursiveOption = Annotated[
    bool, typer.Option("--recursive", "-r", help="Take the videos below folders as well.")
]
GlobOption = Annotated[
    list[str] | None,
    typer.Option(
        "--glob",
        metavar="PATTERN",
        help="Of folders, take files with names like this ('*.mp4'; in quotes), and no others. Repeatable.",
    ),
]
NullOption = Annotated[
    bool, typer.Option("--null", "-0", help="Paths on standard input end in zero bytes, as of find -print0.")
]
QuestionsOption = Annotated[
    str | None,
    typer.Option(
        "--questions",
        metavar="FILE",
        help='Ask the questions in FILE: a line each, or JSON with "question", "id", "choices", "video".',
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write JSON lines to FILE, and nothing to stdout. What FILE has already is not done again.",
    ),
]
RetryFailedOption = Annotated[
    bool, typer.Option("--retry-failed", help="With --output: do again what failed before.")
]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Which model is to run, where and how."""

    name: str | None
    device: Device
    quantize: Quantization | None
    selector: str | None = None

    def named(self, name: str) -> ModelRequest:
        """The same for the model of this name."""
        return replace(self, name=name)

    def load(self) -> Backend:
        """The model with its weights."""
        with interruptible():
            from dynfocus_cli.models.open import load_model

            return load_model(self.name, self.device, self.quantize, self.selector)

    def spec(self) -> ModelSpec:
        """The model without them."""
        from dynfocus_cli.models.open import read_model_spec

        return read_model_spec(self.name, self.device, self.quantize, self.selector)

    def plan(self) -> ModelSpec:
        """The same, for a dry run, which a model that is still to be fetched can have too."""
        from dynfocus_cli.models.open import published_model_spec

        return published_model_spec(self.name, self.device, self.quantize, self.selector)


def search(recursive: bool, globs: Sequence[str] | None) -> Search:
    """What to take of folders. Raises UsageError for a pattern that no name could be like."""
    from dynfocus_cli.batch.videos import Search
    from dynfocus_cli.cli.errors import say
    from dynfocus_cli.errors import UsageError

    for glob in globs or ():
        if not glob or "/" in glob:
            raise UsageError(
                f"--glob is like a file's name, such as '*.mp4', got {glob!r}: folders are named as VIDEO, "
                "and --recursive looks below them."
            )
    return Search(recursive, tuple(globs or ()), say)


def output(
    path: str | None,
    retry_failed: bool,
    command: str,
    model: ModelRequest,
    options: RunOptions,
    format: Format,
    dry_run: bool,
) -> Output | None:
    """Where results go, or None for stdout. Raises UsageError for options that contradict each other."""
    from dynfocus_cli.errors import UsageError

    if path is None:
        if retry_failed:
            raise UsageError("--retry-failed does again what failed in a file: name it with --output.")
        return None
    if format == "json":
        raise UsageError("--output writes JSON lines, one a result: leave one of --json and --output out.")
    if dry_run:
        raise UsageError("--dry-run makes no result that --output could keep: leave one of them out.")
    from dynfocus_cli.cli.resuming import Output

    def settings() -> str:
        from dynfocus_cli.batch.result_key import settings_of

        return settings_of(command, model.spec().info, options)

    return Output(path, retry_failed, settings, options.subtitles == "auto", options.decoding.cache)


def check_subtitles(wanted: str) -> None:
    """Raises UsageError for a subtitle file that cannot be used, before any video is touched."""
    if wanted not in ("auto", "off"):
        from pathlib import Path

        from dynfocus_cli.video.subtitles import read_cues

        read_cues(Path(wanted))


def sampling_options(
    fps: float | None,
    frames: int | None,
    max_frames: int | None,
    start: str | None,
    end: str | None,
    at: str | None,
) -> SamplingOptions:
    """Which moments to look at. Raises UsageError for a time or a combination that makes no sense."""
    from dynfocus_cli.options import SamplingOptions

    return SamplingOptions(
        fps=fps,
        frames=frames,
        max_frames=max_frames,
        start_s=_seconds("--start", start),
        end_s=_seconds("--end", end),
        at_s=_seconds("--at", at),
    )


def selection_options(
    prototypes: int | None,
    key_ratio: float | None,
    budget: int | None,
    scorer: ScorerName | None,
    cone_tokens: int | None,
    rods: RodsName,
    stock: bool,
) -> SelectionOptions:
    """How many events and key frames, and what each is given. Raises UsageError for values out of range."""
    from dynfocus_cli.options import SelectionOptions

    return SelectionOptions(
        prototypes=prototypes,
        key_ratio=key_ratio,
        budget=budget,
        scorer=scorer,
        cone_tokens=cone_tokens,
        rods=rods == "two",
        stock=stock,
    )


def choices(given: Sequence[str] | None) -> tuple[Option, ...]:
    """The answers to choose from. Raises UsageError for one without a letter, and for what is no choice."""
    from dynfocus_cli.errors import UsageError
    from dynfocus_cli.multiple_choice import check_options
    from dynfocus_cli.types import Option

    found = []
    for choice in given or ():
        letter, mark, text = choice.partition("=")
        if not mark:
            raise UsageError(f"--choice takes a letter and a text, as in --choice A='a dog', got {choice!r}.")
        found.append(Option(letter.strip(), text.strip()))
    check_options(found)
    return tuple(found)


def _seconds(flag: str, time: str | None) -> float | None:
    if time is None:
        return None
    from dynfocus_cli.errors import UsageError
    from dynfocus_cli.video.timecode import parse_time

    try:
        return parse_time(time)
    except UsageError as error:
        raise UsageError(f"{flag}: {error}") from error
