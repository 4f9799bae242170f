"""Options that are the command line's own, and what the library makes of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dynfocus_cli.cli.interrupts import interruptible
from dynfocus_cli.errors import UsageError
from dynfocus_cli.flags import AT_LEAST_ONE, Range, check_values, flag, setting, values_of
from dynfocus_cli.options import FINDING, LOOKING, RUNNING, SEARCHING, VIDEOS
from dynfocus_cli.types import Device, Quantization

if TYPE_CHECKING:
    from dynfocus_cli.batch.shards import Shard
    from dynfocus_cli.batch.videos import Search
    from dynfocus_cli.cli.output import Format
    from dynfocus_cli.models.protocol import Backend, ModelSpec
    from dynfocus_cli.moments.library import Finder
    from dynfocus_cli.types import Option

ASKING = ("ask", "inspect")
BATCH = (*ASKING, *SEARCHING)
MODELS = (*RUNNING, *SEARCHING)
SHARED = (*ASKING, "index", "eval")
"""Commands whose videos workers can share."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """Which model is to run, where and how."""

    name: str | None = setting(
        "--model NAME|PATH",
        MODELS,
        "Model to use. Default: the best installed one that fits, else the shipped dynfocus-tiny.",
    )
    device: Device = setting("--device", VIDEOS, "Where to run the model.", default="auto")
    quantize: Quantization | None = setting(
        "--quantize", (*RUNNING, *FINDING), "Bits of the language model's weights; as stored by default."
    )
    selector: str | None = flag(
        "--selector-model NAME|PATH",
        MODELS,
        "Of a public model: choose frames for the question by this SigLIP or CLIP, as siglip2-base.",
        help_by_command={
            "find": "Of a public model: compare frames with the text by this SigLIP or CLIP, as "
            "siglip2-base.",
            "index": "Of a public model: see frames as this SigLIP or CLIP does, as siglip2-base.",
        },
    )

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

    def finder(self) -> Finder:
        """What looks for moments with the model; its weights are loaded when they are needed."""
        with interruptible():
            from dynfocus_cli.moments.library import open_finder

            return open_finder(self.name, self.device, self.quantize, self.selector)

    def plan(self) -> ModelSpec:
        """The same, for a dry run, which a model that is still to be fetched can have too."""
        from dynfocus_cli.models.open import read_model_spec

        return read_model_spec(self.name, self.device, self.quantize, self.selector, may_be_away=True)


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Several videos or questions, and the file that their results go to."""

    questions: str | None = flag(
        "--questions FILE",
        ASKING,
        'Ask the questions in FILE: a line each, or JSON with "question", "id", "choices", "video".',
    )
    recursive: bool = flag(
        "-r, --recursive", (*BATCH, "train"), "Take the videos below folders as well.", default=False
    )
    glob: list[str] | None = flag(
        "--glob PATTERN",
        BATCH,
        "Of folders, take files with names like this ('*.mp4'; in quotes), and no others. Repeatable.",
    )
    null: bool = flag(
        "-0, --null", BATCH, "Paths on standard input end in zero bytes, as of find -print0.", default=False
    )
    output: str | None = flag(
        "-o, --output FILE",
        BATCH,
        "Write JSON lines to FILE, and nothing to stdout. What FILE has already is not done again.",
    )
    retry_failed: bool = flag(
        "--retry-failed",
        (*BATCH, "eval"),
        "With --output: do again what failed before.",
        default=False,
        help_by_command={"eval": "Do again what failed before."},
    )
    shard: str | None = flag(
        "--shard R/W",
        (*BATCH, "eval"),
        "Take the R-th of W parts of the videos, for one process each; `results merge` joins them.",
        help_by_command={"eval": "The R-th of W parts, for one process each; all write to one RUN."},
    )

    @property
    def part(self) -> Shard:
        """The part of the videos that is taken. Raises UsageError."""
        from dynfocus_cli.batch.shards import Shard

        return Shard.parse(self.shard)

    def search(self, warn: Callable[[str], None], *, remote: bool = False) -> Search:
        """What to take of folders, and with `remote` of stores.

        Raises:
            UsageError: a pattern that no name could be like.
        """
        from dynfocus_cli.batch.videos import Search

        globs = self.glob or ()
        for glob in globs:
            if not glob or "/" in glob:
                raise UsageError(
                    f"--glob is like a file's name, such as '*.mp4', got {glob!r}: folders are named as "
                    "VIDEO, and --recursive looks below them."
                )
        return Search(self.recursive, tuple(globs), warn, remote)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Where the videos of a run are worked on: in this process, or by workers on a cluster."""

    engine: Literal["local", "ray"] = flag(
        "--engine",
        SHARED,
        "With --output: share the videos out among workers, by Ray; here, or at --address.",
        default="local",
        help_by_command={"eval": "Share the videos out among workers, by Ray; here, or at --address."},
    )
    address: str | None = flag(
        "--address ADDRESS",
        SHARED,
        "Of a Ray cluster: auto, HOST:PORT or ray://HOST:PORT. Default: this machine alone.",
    )
    workers: str | None = flag(
        "--workers N|MIN:MAX", SHARED, "How many workers. Default: 1 at first, and as many as fit."
    )
    gpus_per_worker: float | None = flag(
        "--gpus-per-worker F",
        SHARED,
        "GPUs of a worker; 0.5 lets two share one. Default: 1 where there are any.",
        Range("be at least 0", 0),
    )
    cpus_per_worker: int = flag(
        "--cpus-per-worker N", SHARED, "CPUs of a worker, which decodes on no more.", AT_LEAST_ONE, default=1
    )
    tries: int = flag(
        "--tries N",
        SHARED,
        "Give a video up that ended its worker so often.",
        AT_LEAST_ONE,
        default=2,
    )
    stall_s: float = flag(
        "--stall SECONDS",
        SHARED,
        "End a worker that makes no progress for so long.",
        Range("be at least 1", 1),
        default=900.0,
    )

    def __post_init__(self) -> None:
        check_values(self)
        if self.engine == "local":
            for flag_, value in values_of(self):
                if value != flag_.default:
                    raise UsageError(f"{flag_.name} is of an engine with workers: add --engine ray.")
        self.bounds  # noqa: B018  (raises for what are no numbers)

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The least and the most workers; None where the cluster decides."""
        if self.workers is None:
            return None
        match = re.fullmatch(r"(\d{1,5})(?::(\d{1,5}))?", self.workers.strip(), re.ASCII)
        least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= least <= most:
            raise UsageError(
                f"--workers is a number of workers or MIN:MAX, such as 1:8, got {self.workers!r}."
            )
        return least, most

    @property
    def local_cpus(self) -> int:
        """CPUs of a cluster that is started on this machine: those that it has, or what was asked for."""
        asked = self.bounds[0] * self.cpus_per_worker if self.bounds else 1
        return max(os.cpu_count() or 1, asked)


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is shown of a result, and how."""

    dry_run: bool = flag(
        "--dry-run",
        (*BATCH, "train"),
        "Say what would be looked at and what it takes; no weights are loaded.",
        default=False,
        help_by_command={"train": "Say what would be trained, and what it takes; write nothing."},
    )
    json: bool = flag(
        "--json",
        (*BATCH, "train"),
        "Print one JSON object; for a single video.",
        default=False,
        help_by_command={
            "train": "Print one JSON object: the plan, or what came.",
            "find": "Print one JSON object, with what was found in all videos.",
        },
    )
    jsonl: bool = flag(
        "--jsonl",
        (*LOOKING, "index"),
        "Print one JSON object a line, one a video.",
        default=False,
        help_by_command={"chat": "Print one JSON object a line, one an answer."},
    )
    quiet: bool = setting(
        "-q, --quiet",
        VIDEOS,
        "No evidence, no progress; warnings and errors stay.",
        default=False,
        help_by_command={"train": "No progress; warnings and errors stay."},
    )

    def __post_init__(self) -> None:
        if self.json and self.jsonl:
            raise UsageError("--json and --jsonl exclude each other: one object, or one line a video.")

    @property
    def format(self) -> Format:
        """Of stdout."""
        return "json" if self.json else "jsonl" if self.jsonl else "text"


@dataclass(frozen=True, slots=True)
class ShotOptions:
    """Whether the shots of a video are shown, and cut into files."""

    shots: bool = flag("--shots", ("inspect",), "Show the shots in place of the key frames.", default=False)
    split: str | None = flag(
        "--split DIR",
        ("inspect",),
        "Cut each shot into a file in DIR, copied from the sync point before it.",
        affects_result=False,
    )
    exact: bool = flag(
        "--exact",
        ("inspect",),
        "With --split: to the frame, encoded anew.",
        default=False,
        affects_result=False,
    )

    def __post_init__(self) -> None:
        if self.exact and self.split is None:
            raise UsageError("--exact says how --split cuts: name a folder with --split.")

    def check(self, *, dry_run: bool, ray: bool, questions: int) -> None:
        """Raises UsageError where no frame is looked at, none on this machine, or a video is cut again."""
        if dry_run and self.wanted:
            raise UsageError("--dry-run looks at no frame: leave it out, or --shots and --split.")
        if ray and self.wanted:
            raise UsageError("--engine ray looks for no shots: leave it out, or --shots and --split.")
        if questions > 1 and self.split is not None:
            raise UsageError(
                "The shots of a video are the same for each question: leave --questions or --split out."
            )

    @property
    def wanted(self) -> bool:
        """Whether the shots are needed."""
        return self.shots or self.split is not None


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """The moments of a search as files of their own."""

    clips: str | None = flag(
        "--clips DIR", FINDING, "Cut each moment into a file in DIR, copied from the sync point before it."
    )
    exact: bool = flag("--exact", FINDING, "With --clips: to the frame, encoded anew.", default=False)

    def __post_init__(self) -> None:
        if self.exact and self.clips is None:
            raise UsageError("--exact says how --clips cuts: name a folder with --clips.")


VideosArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="VIDEO", show_default=False, help="Files or folders, or - for paths on standard input."
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

ChoiceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--choice",
        metavar="LETTER=TEXT",
        help="An answer to choose from; repeatable. The likeliest one's letter is the answer.",
    ),
]


def check_subtitles(option: str) -> None:
    """Raises UsageError for a subtitle file that cannot be used, before any video is touched."""
    if option not in ("auto", "off"):
        from pathlib import Path

        from dynfocus_cli.video.subtitles import read_cues

        read_cues(Path(option))


def choices(values: Sequence[str] | None) -> tuple[Option, ...]:
    """The answers to choose from. Raises UsageError for one without a letter, and for what is no choice."""
    from dynfocus_cli.multiple_choice import check_options
    from dynfocus_cli.types import Option

    options = []
    for choice in values or ():
        letter, mark, text = choice.partition("=")
        if not mark:
            raise UsageError(f"--choice takes a letter and a text, as in --choice A='a dog', got {choice!r}.")
        options.append(Option(letter.strip(), text.strip()))
    check_options(options)
    return tuple(options)
