"""What one stage hands to the next: frozen, validated, free of torch.

Shape legend, used by every docstring and comment of the package:

    B    batch                      P    pooled patches a frame (16)
    T    sampled frames             G    spatial prototypes a frame (22 = 16 + 6)
    N    patches a frame            Q    Q-Former queries a frame
    L    event prototypes           D_v  vision width
    K    key frames                 D_l  language-model width
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dynfocus_cli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scorer = Literal["visual", "question", "attention", "density"]
"""What ranks the events: the trained score network on pixels alone, or with the question too; the Q-Former's
attention from the question to the frames; or how distinct and how dense each event is."""
Span = tuple[float, float]
Hwaccel = Literal["none", "auto", "cuda"]
Condition = Literal["sound", "corrupt", "substituted"]
"""How a sampled frame came out of a file: whole; decoded from damaged data, so that its picture may be wrong;
or not at all, so that the last frame before it stands in."""


MOST_TEMPERATURE = 10.0
"""Above it a language model's words are noise."""

CacheUse = Literal["off", "miss", "partial", "hit"]
"""Of the sampled frames' features, what came from the cache: nothing asked, none, some, all."""


def check_question(question: str) -> None:
    """
    Raises:
        UsageError: the question is empty, or holds what is no text, such as an argument's bytes that are no
            UTF-8: Python keeps those as lone surrogates.
    """
    if not question.strip():
        raise UsageError("The question is empty.")
    try:
        question.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"The question is not valid text: character {error.start + 1} of it is not UTF-8."
        ) from error


@dataclass(frozen=True, slots=True)
class VideoSource:
    """What the container says of a video, before any frame of it is decoded."""

    path: str
    """As the user gave it."""
    duration_s: float
    """From the first displayed frame to the end of the last one."""
    width: int
    """Pixels as displayed: after rotation and sample aspect ratio."""
    height: int
    fps: float
    """Average displayed frames a second."""
    codec: str
    rotation: int
    """Degrees clockwise that the decoded picture is turned for display: 0, 90, 180 or 270."""
    variable_frame_rate: bool
    stream_index: int
    """The chosen video stream, as an index into the container's streams."""
    start_s: float
    """Presentation time of the first displayed frame on the container's clock; other times count from it."""
    declared_duration_s: float | None = None
    """What the headers say, whether or not it is so; None where they are silent, or speak of more streams."""
    container: str = ""
    """FFmpeg's name of the container's format."""


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """Which moments of a video to look at: the flags `--fps --frames --max-frames --start --end --at`."""

    fps: float | None = None
    """Frames a second; excludes `frames`. None with `frames` None takes the model's default."""
    frames: int | None = None
    """This many frames, evenly spaced."""
    max_frames: int | None = None
    """Upper bound whatever the policy; None takes the model's."""
    start_s: float | None = None
    end_s: float | None = None
    at_s: float | None = None
    """A moment to look at closely; past the end it is an error, unlike a time found in the question."""

    def __post_init__(self) -> None:
        if self.fps is not None and self.frames is not None:
            raise UsageError("--fps and --frames exclude each other: give a rate or a number of frames.")
        if self.fps is not None and not self.fps > 0:
            raise UsageError(f"--fps must be above 0, got {self.fps:g}.")
        if self.frames is not None and self.frames < 1:
            raise UsageError(f"--frames must be at least 1, got {self.frames}.")
        if self.max_frames is not None and self.max_frames < 1:
            raise UsageError(f"--max-frames must be at least 1, got {self.max_frames}.")
        if self.start_s is not None and self.end_s is not None and not self.start_s < self.end_s:
            raise UsageError(f"--start must come before --end, got {self.start_s:g} s and {self.end_s:g} s.")


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """The moments to decode, decided before any decoding."""

    policy: Literal["fps", "uniform"]
    fps: float | None
    """Base rate in frames a second that the plan really has (after `max_frames`); focus spans are denser."""
    times_s: tuple[float, ...]
    """Strictly increasing, relative to the first displayed frame."""
    start_s: float
    end_s: float
    focus: tuple[Span, ...] = ()
    """Spans sampled more densely, because the question or `--at` names them."""
    focus_times_s: tuple[float, ...] = ()
    """The named moments themselves, each one of `times_s`: their frames are always key frames."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Some consecutive sampled frames, decoded and scaled."""

    pixels: NDArray[np.uint8]
    """(B, height, width, 3), RGB."""
    times_s: tuple[float, ...]
    """The sampled moments, relative to the first displayed frame."""
    pts_s: tuple[float, ...]
    """Presentation times of the frames that are on screen at those moments, relative likewise."""
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """How many events and key frames, and what each frame is given: the flags `--prototypes --key-ratio
    --budget --scorer --cone-tokens --rods --stock`."""

    prototypes: int | None = None
    """L; None takes the model's."""
    key_ratio: float | None = None
    """K / L; None takes the model's."""
    budget: int | None = None
    """Most video tokens that a prompt may hold: lowers K first, then the number of sampled frames."""
    scorer: Scorer | None = None
    cone_tokens: int | None = None
    """Of a key frame of a hub model; None gives all that the model's makers give a frame."""
    rods: bool = True
    """Whether frames that are no key frames are given tokens at all, by a hub model."""
    stock: bool = False
    """Even sampling and all tokens, as a hub model's makers do."""

    def __post_init__(self) -> None:
        if self.cone_tokens is not None and self.cone_tokens < 1:
            raise UsageError(f"--cone-tokens must be at least 1, got {self.cone_tokens}.")
        chosen = {
            "--prototypes": self.prototypes,
            "--key-ratio": self.key_ratio,
            "--scorer": self.scorer,
            "--cone-tokens": self.cone_tokens,
            "--rods none": not self.rods,
        }
        if self.stock and any(chosen.values()):
            given = next(flag for flag, value in chosen.items() if value)
            raise UsageError(f"--stock chooses no frames: leave {given} out.")
        if self.prototypes is not None and self.prototypes < 1:
            raise UsageError(f"--prototypes must be at least 1, got {self.prototypes}.")
        if self.key_ratio is not None and not 0 < self.key_ratio <= 1:
            raise UsageError(f"--key-ratio must lie above 0 and at most 1, got {self.key_ratio:g}.")
        if self.budget is not None and self.budget < 1:
            raise UsageError(f"--budget must be at least 1 token, got {self.budget}.")


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How the answer is written: the flags `--max-new-tokens --temperature --seed`."""

    max_new_tokens: int = 64
    seed: int = 0
    temperature: float = 0.0
    """0 takes the likeliest word each time; above, words are drawn, by the seed."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UsageError(f"--max-new-tokens must be at least 1, got {self.max_new_tokens}.")
        if not 0 <= self.temperature <= MOST_TEMPERATURE:
            raise UsageError(
                f"--temperature must lie between 0 and {MOST_TEMPERATURE:g}, got {self.temperature:g}."
            )


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How frames come out of the file: the flags `--hwaccel --no-cache`."""

    hwaccel: Hwaccel = "none"
    cache: bool = True
    """Keep the frames' features for later questions, and take those that earlier ones kept."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Everything that a run can be asked for beyond video, question and model."""

    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    selection: SelectionOptions = field(default_factory=SelectionOptions)
    generation: GenerationOptions = field(default_factory=GenerationOptions)
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    subtitles: str = "off"
    """`off`, `auto`, or the path of a subtitle file."""
    check: bool = False
    """Answer twice more, from other frames, to see what the answer rests on."""

    def __post_init__(self) -> None:
        given = {"--at": self.sampling.at_s is not None, "--check": self.check}
        if self.selection.stock and any(given.values()):
            flag = next(flag for flag, value in given.items() if value)
            raise UsageError(f"--stock chooses no frames: leave {flag} out.")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which network ran, and how."""

    name: str
    backend: str
    revision: str
    """Short digest of the weights."""
    quantization: str
    device: str


@dataclass(frozen=True, slots=True)
class SelectionInfo:
    """What DPE was asked to do."""

    scorer: str
    prototypes: int
    """L, after the limits that the number of frames sets."""
    key_frames: int
    """K."""
    clustering: str


@dataclass(frozen=True, slots=True)
class SubtitleUse:
    """Which subtitles stand in the prompt."""

    origin: str
    """A file's name, or the track's number and language."""
    on_screen: int
    """Cues that are on screen at a sampled frame."""
    lines: tuple[str, ...]
    """Those of them that the prompt has, with their times."""
    tokens: int
    """What they take of the prompt."""


@dataclass(frozen=True, slots=True)
class TokenBill:
    """Where the language model's context went, in tokens."""

    video: int
    """`per_key_frame * K + per_other_frame * (T - K)`; of frames that are paired, each pair costs one."""
    per_key_frame: int
    per_other_frame: int
    prompt: int
    """Text tokens: system prompt, time stamps, subtitles and question."""
    generated: int
    context: int
    """The most that the language model can hold."""
    all_patches: int
    """What the sampled frames would have cost with every patch kept."""
    stock: int | None = None
    """What the makers' own way of sampling this video would have cost; None for a model that has no other."""

    @property
    def left(self) -> int:
        """Tokens of the context still free after the answer."""
        return self.context - self.video - self.prompt - self.generated


@dataclass(frozen=True, slots=True)
class Health:
    """How well the file could be read where it was sampled."""

    declared_duration_s: float | None = None
    """What the headers say; None where they are silent, or speak of more than the video."""
    corrupt_frames: int = 0
    """Sampled frames whose pictures may be wrong."""
    substituted_frames: int = 0
    """Sampled frames that could not be decoded: the last one before each stands in."""
    damaged: tuple[Span, ...] = ()
    """From the first to the last sampled moment of each run of corrupt or substituted frames."""


@dataclass(frozen=True, slots=True)
class FrameEvidence:
    """One sampled frame, as judged."""

    index: int
    """Position among the sampled frames, from 0."""
    time_s: float
    timecode: str
    """`HH:MM:SS.mmm`."""
    event: int
    """Event that the frame belongs to, numbered from 0 in time order of the events' centre frames."""
    meaningful: bool
    """True for a key frame."""
    score: float
    """Its event's score, 0 to 1 over the events of this video."""
    tokens: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall time a stage, seconds."""

    decode: float
    encode: float
    select: float
    generate: float
    total: float


@dataclass(frozen=True, slots=True)
class MemoryForecast:
    """Bytes on the network's device that a run would take, and what is there."""

    weights: int
    encode: int
    select: int
    answer: int
    """What each stage takes beside the weights."""
    free: int
    """What is free before the weights are loaded."""

    @property
    def peak(self) -> int:
        """The weights and the greediest stage."""
        return self.weights + max(self.encode, self.select, self.answer)


@dataclass(frozen=True, slots=True)
class TimeForecast:
    """Seconds, estimated from layers of the model's sizes timed on its device; decoding is not in it."""

    encode: float
    select: float
    first_token: float
    """From the selection to the answer's first token."""
    each_token: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do and take (`dynfocus.plan/1`); nothing was loaded or decoded for it."""

    source: VideoSource
    question: str | None
    model: ModelInfo
    sampling: SamplingPlan
    selection: SelectionInfo
    tokens: TokenBill
    """`generated` is the longest answer's."""
    batch: int
    """Frames that are encoded at a time."""
    memory: MemoryForecast
    time_s: TimeForecast
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """The selection and its cost, without an answer (`dynfocus.inspection/1`)."""

    source: VideoSource
    question: str | None
    model: ModelInfo
    sampling: SamplingPlan
    selection: SelectionInfo
    tokens: TokenBill
    frames: tuple[FrameEvidence, ...]
    timings_s: Timings
    health: Health = Health()
    subtitles: SubtitleUse | None = None
    cache: CacheUse = "off"
    seed: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def key_frames(self) -> tuple[FrameEvidence, ...]:
        """The key frames, in time order."""
        return tuple(frame for frame in self.frames if frame.meaningful)


@dataclass(frozen=True, slots=True)
class Option:
    """One of the answers to choose from."""

    letter: str
    text: str
    log_likelihood: float = math.nan
    """The logarithm of its probability after the question; NaN before it was asked."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """The answer from other frames."""

    answer: str
    frames: int
    """Frames that had tokens."""
    tokens: int
    """Video tokens."""
    changed: bool
    """Whether it is another answer, capitals and punctuation at its ends aside."""


@dataclass(frozen=True, slots=True)
class Check:
    """Whether an answer rests on the frames that were chosen for it."""

    even_frames: Counterfactual
    """From evenly spaced frames, all of them key frames, for as many tokens."""
    without_key_frames: Counterfactual | None
    """From the other frames alone, for as many tokens at most; None where there are no others."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and its evidence (`dynfocus.answer/1`)."""

    answer: str
    evidence: Inspection = field(repr=False)
    """The same selection that `inspect` with this question reports."""
    options: tuple[Option, ...] = ()
    """What was to choose from, in the order given; `answer` is then a letter."""
    check: Check | None = None
