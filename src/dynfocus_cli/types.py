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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Device = Literal["auto", "cpu", "cuda"]
Hwaccel = Literal["none", "auto", "cuda"]
Quantization = Literal["none", "int8", "nf4"]
"""How the layers of a language model are held: as they are, in 8 bits, or in 4."""
Scorer = Literal["visual", "question", "attention", "density"]
"""What ranks the events; `scorers.py` describes each."""
FrameSelector = Literal["events", "topk", "aks", "even"]
"""How key frames are chosen: the best events' frames, or in ways of others (`dpe/frame_selectors.py`)."""
Span = tuple[float, float]
Condition = Literal["sound", "corrupt", "substituted"]
"""How a sampled frame came out of a file: whole; decoded from damaged data, so that its picture may be wrong;
or not at all, so that the last frame before it stands in."""
Timing = Literal["stamped", "restarting", "edited", "unstamped"]
"""Where frames' times come from. Each packet has its presentation time, so that one can seek; or the clock
starts anew or jumps within the file, and is made one timeline; or an edit list plays several parts of the
media; or the container has decoding times alone, or none, and the decoder's order decides."""
CacheUse = Literal["off", "miss", "partial", "hit"]
"""How many of the sampled frames' features came from the cache; `off` where it was not asked."""


@dataclass(frozen=True, slots=True)
class VideoSource:
    """What the container says of a video, before any frame of it is decoded."""

    path: str
    """As the user gave it."""
    duration_s: float
    """From 0 to the end of the last frame, or of sound that goes on while that frame is held."""
    width: int
    """Pixels as displayed: after rotation and sample aspect ratio."""
    height: int
    fps: float
    """Average displayed frames a second."""
    codec: str
    rotation: int
    """Degrees clockwise that the decoded picture, mirrored where it is, is turned for display: 0, 90, 180 or
    270."""
    variable_frame_rate: bool
    stream_index: int
    """The chosen video stream, as an index into the container's streams."""
    start_s: float
    """0 of all other times, on the container's clock: where players begin, with the first frame or with sound
    that comes well before it."""
    declared_duration_s: float | None = None
    """What the headers say of `duration_s`, whether or not it is so; None where they are silent, or speak of
    more streams."""
    container: str = ""
    """FFmpeg's name of the container's format."""
    timecode: str = ""
    """What the file calls the time of its first frame, `HH:MM:SS:FF`; empty where it says nothing."""
    mirrored: bool = False
    """The decoded picture is mirrored left to right for display, before it is turned."""
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Pixels of the decoded picture that are not displayed: at the left, the top, the right, the bottom."""
    colour_warning: str = ""
    """Why its colours will not be right, a sentence; empty where they will."""
    joined_warning: str = ""
    """That files were joined to this one which are not read, a sentence; empty where there are none."""
    timing: Timing = "stamped"
    first_frame_s: float = 0.0
    """When the first frame is shown: after 0 where sound comes before it."""
    fastest_fps: float = 0.0
    """Frames a second where they follow each other most closely; 0 where the average is all that is known."""
    frame_times_s: tuple[float, ...] = ()
    """When each frame is shown, where some are held for long; empty where they follow each other evenly."""
    has_text_track: bool | None = None
    """Whether it holds subtitles as text; None where nobody looked."""
    restarts_s: tuple[float, ...] = ()
    """Where the file's clock starts anew or jumps, and is taken to go on."""


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """The moments to decode, decided before any decoding."""

    policy: Literal["fps", "uniform"]
    fps: float | None
    """Base rate in frames a second that the plan really has (after `max_frames`); focus spans are denser."""
    times_s: tuple[float, ...]
    """Strictly increasing, in seconds, from where players begin."""
    start_s: float
    end_s: float
    focus: tuple[Span, ...] = ()
    """Spans sampled more densely, because the question or `at_s` names them."""
    focus_times_s: tuple[float, ...] = ()
    """The named moments themselves, each one of `times_s`: their frames are always key frames."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Some consecutive sampled frames, decoded and scaled."""

    pixels: NDArray[np.uint8]
    """(B, height, width, 3), RGB."""
    times_s: tuple[float, ...]
    """The sampled moments, in seconds, from where players begin."""
    pts_s: tuple[float, ...]
    """Presentation times of the frames that are on screen at those moments, relative likewise."""
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which network ran, and how."""

    name: str
    backend: str
    revision: str
    """Short digest of the weights."""
    quantization: str
    device: str
    config: str = ""
    """Short digest of the files beside the weights: configs, tokenizers, measurements."""
    selector: str = ""
    """Short digest of the model that finds the frames of a question, where another one does."""


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """A public model that `dynfocus models pull` would fetch for this machine."""

    name: str
    quantization: Quantization
    """The one that it would run in on this machine."""
    bytes: int
    """Size of the download."""

    @property
    def command(self) -> str:
        """The command that fetches it."""
        quantize = "" if self.quantization == "none" else f" --quantize {self.quantization}"
        return f"dynfocus models pull {self.name}{quantize}"


@dataclass(frozen=True, slots=True)
class Fallback:
    """Why the shipped model runs: none was named, and no better one that is installed fits."""

    reason: str
    """Why no other model is taken, as a clause."""
    offer: ModelOffer | None
    """A model to fetch; None where it is installed already, or none that is known fits this machine."""


@dataclass(frozen=True, slots=True)
class DomainCheck:
    """Whether a video and a question are like those that a model was trained on."""

    video: tuple[str, ...] = ()
    """How the video differs from those of the training, as clauses; empty where it does not."""
    question: tuple[str, ...] = ()
    """How the question differs from them, likewise."""

    @property
    def in_domain(self) -> bool:
        """Whether neither differs from the training."""
        return not (self.video or self.question)


@dataclass(frozen=True, slots=True)
class SelectionInfo:
    """How events and key frames were selected."""

    scorer: str
    prototypes: int
    """L, after the limits that the number of frames sets."""
    key_frames: int
    """K."""
    clustering: str
    selector: FrameSelector = "events"


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
    """One sampled frame, and what the selection made of it."""

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
    in_domain: bool | None = None
    """Whether video and question are such as the model was trained on; None where it does not say."""
    notices: tuple[str, ...] = ()
    """The first of the warnings: those that have to be read before the answer."""

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
class Prompt:
    """What the language model reads where that is not the question as it stands."""

    text: str
    """The user's turn."""
    prefix: str = ""
    """The beginning of the model's own turn, which it goes on from: `Best Option: (`."""


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
    """The given answers, in their order; `answer` is then a letter."""
    check: Check | None = None
    truncated: bool = False
    """Whether the answer was cut off at `max_new_tokens`."""
    attention: tuple[float, ...] | None = None
    """What share of its attention to the video the answer gave to the tokens of each frame of the evidence;
    the sum is 1. None where the model does not tell."""
