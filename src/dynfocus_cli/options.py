"""What a run can be asked for beyond video and question: declared once, frozen, validated, free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dynfocus_cli import scorers
from dynfocus_cli.errors import UsageError
from dynfocus_cli.flags import AT_LEAST_ONE, SHARE, Range, check_values, flag, setting
from dynfocus_cli.types import FrameSelector, Hwaccel, Scorer

ANSWERING = ("ask", "chat", "eval")
QUERYING = ("ask", "inspect", "chat")
"""Commands that are asked of single videos, and say themselves how tokens are spent there."""
FINDING = ("find",)
"""Commands that look for moments."""
SEARCHING = (*FINDING, "index")
"""And those that see frames as these do."""
LOOKING = (*QUERYING, *FINDING)
"""Commands that look at single videos."""
RUNNING = (*QUERYING, "eval")
"""Commands that run a model."""
SELECTING = (*RUNNING, "train")
"""Commands that select key frames."""
VIDEOS = (*RUNNING, *SEARCHING, "train")
"""Commands that look at videos."""

MAX_SEED = 2**32 - 1
SEED = Range(f"lie between 0 and {MAX_SEED}", 0, MAX_SEED, by_parser=True)


MAX_QUERY = 1000
"""Characters of what is looked for: models read the first few dozen words of a caption."""


def check_question(question: str) -> None:
    """
    Raises:
        UsageError: the question is empty, or holds what is no text, such as an argument's bytes that are no
            UTF-8: Python keeps those as lone surrogates.
    """
    _check_text(question, "The question")


def check_query(text: str) -> None:
    """
    Raises:
        UsageError: what is looked for is empty, too long, or no text, likewise.
    """
    _check_text(text, "The text to look for")
    if len(text) > MAX_QUERY:
        raise UsageError(
            f"The text to look for has {len(text)} characters, and {MAX_QUERY} are read at most: say in "
            "a few words what there is to see."
        )


def _check_text(text: str, what: str) -> None:
    if not text.strip():
        raise UsageError(f"{what} is empty.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{what} is not valid text: character {error.start + 1} of it is not UTF-8."
        ) from error


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """Which moments of a video to look at."""

    fps: float | None = setting(
        "--fps F",
        VIDEOS,
        "Sample F frames a second. Excludes --frames.",
        Range("be above 0", 0, without=(0,)),
    )
    """None with `frames` None takes the model's default."""
    frames: int | None = setting(
        "--frames N", VIDEOS, "Sample N frames, evenly spaced. Excludes --fps.", AT_LEAST_ONE
    )
    max_frames: int | None = setting("--max-frames N", VIDEOS, "Sample at most N frames.", AT_LEAST_ONE)
    """Upper bound whatever the policy; None takes the model's."""
    start_s: float | None = flag(
        "--start TIME", LOOKING, "Look from here on. TIME: 90, 1:30, 1:02:03.5, 2m30s.", is_time=True
    )
    end_s: float | None = flag("--end TIME", LOOKING, "Look up to here.", is_time=True)
    at_s: float | None = flag(
        "--at TIME", QUERYING, "Look closely at this moment of the video.", is_time=True
    )
    """Past the video's end it is an error, unlike a time found in the question."""

    def __post_init__(self) -> None:
        if self.fps is not None and self.frames is not None:
            raise UsageError("`fps` and `frames` exclude each other: give a rate or a number of frames.")
        check_values(self)
        if self.start_s is not None and self.end_s is not None and not self.start_s < self.end_s:
            raise UsageError(
                f"`start_s` must come before `end_s`, got {self.start_s:g} s and {self.end_s:g} s."
            )


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """How many events and key frames, and what each frame is given."""

    prototypes: int | None = setting(
        "--prototypes L", SELECTING, "Events to divide the video into.", AT_LEAST_ONE
    )
    """L; None takes the model's."""
    key_ratio: float | None = setting(
        "--key-ratio R", SELECTING, "Share of the events judged meaningful, 0 to 1.", SHARE
    )
    """K / L; None takes the model's."""
    budget: int | None = setting(
        "--budget TOKENS", QUERYING, "Most tokens that the video may take.", Range("be at least 1 token", 1)
    )
    """Lowers K first, then the number of sampled frames."""
    scorer: Scorer | None = setting(
        "--scorer",
        RUNNING,
        scorers.HELP,
    )
    frame_selector: FrameSelector = flag(
        "--selector",
        QUERYING,
        "Choose key frames as the best events; or the best frames (topk), adaptively (aks), or evenly.",
        default="events",
    )
    cone_tokens: int | None = flag(
        "--cone-tokens N",
        QUERYING,
        "Of a public model: thin each key frame to N tokens. Default: all, or what fits.",
        AT_LEAST_ONE,
    )
    rods: bool | None = flag(
        "--rods",
        QUERYING,
        "Tokens of a frame that is no key frame. Default: two; of a public model none.",
        words=("two", "none"),
    )
    """None: as the model was trained."""
    stock: bool = flag(
        "--stock",
        QUERYING,
        "Of a public model: even sampling and all tokens, as its makers do.",
        default=False,
    )

    def __post_init__(self) -> None:
        chosen = {
            "`prototypes`": self.prototypes,
            "`key_ratio`": self.key_ratio,
            "`scorer`": self.scorer,
            "`frame_selector`": self.frame_selector != "events",
            "`cone_tokens`": self.cone_tokens,
            "`rods=False`": self.rods is False,
            "`rods=True`": self.rods,
        }
        _check_stock(self.stock, chosen)
        check_values(self)


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How the answer is written."""

    max_new_tokens: int = setting(
        "--max-new-tokens N",
        ANSWERING,
        "Longest answer, in tokens.",
        AT_LEAST_ONE,
        default=64,
    )
    seed: int = setting(
        "--seed",
        RUNNING,
        "Recorded with the result; decides what is drawn above temperature 0.",
        SEED,
        default=0,
    )
    temperature: float = setting(
        "--temperature F",
        ANSWERING,
        "0 takes the likeliest words; above, they are drawn.",
        Range("lie between 0 and 10", 0, 10),
        default=0.0,
    )
    """Above 10 a language model's words are noise."""

    def __post_init__(self) -> None:
        check_values(self)


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How frames come out of the file, which decides on no answer."""

    hwaccel: Hwaccel = setting(
        "--hwaccel",
        VIDEOS,
        "Decode on the GPU: cuda, or auto where it can.",
        default="none",
        affects_result=False,
    )
    cache: bool = setting(
        "--no-cache",
        (*RUNNING, *FINDING, "train"),
        "Neither take frames' features from the cache nor keep them.",
        default=True,
        affects_result=False,
    )

    def __post_init__(self) -> None:
        check_values(self)


@dataclass(frozen=True, slots=True)
class FindOptions:
    """What is reported of the moments that a search finds, and how exactly."""

    top: int = flag("--top N", FINDING, "Report the N best moments.", AT_LEAST_ONE, default=5)
    min_length_s: float = flag(
        "--min-length SECONDS",
        FINDING,
        "Leave out moments that are shorter.",
        Range("be at least 0", 0),
        default=0.0,
    )
    refine: bool | None = flag(
        "--refine/--no-refine",
        FINDING,
        "Find borders to the frame by decoding more there. Default: where one video is searched or cut.",
    )
    """None leaves it to the caller."""
    verify: int = flag(
        "--verify N",
        FINDING,
        "Ask the language model whether it is there in the N best moments, and rank these by its answer.",
        Range("be at least 0", 0),
        default=0,
    )
    """0: of 600 queries put to dynfocus-tiny, 3 and 5 each changed two, one for the better and one for the
    worse (`benchmarks/moments.py`)."""
    threshold: float | None = flag(
        "--threshold P",
        FINDING,
        "Probability from which on something counts as found. Default: the model's; of SigLIP and CLIP 0.5, "
        "which was not measured.",
        SHARE,
    )

    def __post_init__(self) -> None:
        check_values(self)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Everything that a run can be asked for beyond video, question and model."""

    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    generation: GenerationOptions = field(default_factory=GenerationOptions)
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    subtitles: str = setting(
        "--subtitles FILE|auto|off",
        LOOKING,
        "Give the model the subtitles on screen at sampled frames: of FILE, or those found.",
        default="off",
        config_choices=("auto", "off"),
        help_by_command={"find": "Find what is said in the subtitles as well: of FILE, or those found."},
        default_by_command={"find": "auto"},
    )
    """`off`, `auto`, or the path of a subtitle file."""
    check: bool = flag(
        "--check",
        ("ask", "chat"),
        "Answer again from even frames, and without the key frames.",
        default=False,
    )
    anyway: bool = flag(
        "--anyway",
        (*ANSWERING, *SEARCHING),
        "Answer by the shipped dynfocus-tiny also where it was not trained on such a video or question.",
        default=False,
        affects_result=False,
        help_by_command={
            "find": "Search by the shipped dynfocus-tiny also where it was not trained on such a video or "
            "text.",
            "index": "By the shipped dynfocus-tiny, also keep videos unlike those of its training.",
        },
    )
    """Whether there is an answer, not which."""
    strict: bool = flag(
        "--strict",
        (*ANSWERING, *SEARCHING),
        "Give no answer where the model was not trained on such a video or question, also if it was named.",
        default=False,
        affects_result=False,
        help_by_command={
            "find": "Find nothing where the model was not trained on such a video or text, also if it was "
            "named.",
            "index": "Keep no video unlike those of the model's training, also if the model was named.",
        },
    )
    """Likewise."""

    def __post_init__(self) -> None:
        if self.strict and self.anyway:
            raise UsageError("`strict` wants no guesses and `anyway` wants them: leave one of them out.")
        _check_stock(self.selection.stock, {"`at_s`": self.sampling.at_s is not None, "`check`": self.check})


def _check_stock(stock: bool, chosen: Mapping[str, object]) -> None:
    """Raises UsageError where the makers' own frames are wanted, and others as well: name -> its value."""
    for name, value in chosen.items():
        if stock and value:
            raise UsageError(f"`stock` chooses no frames: leave {name} out.")
