"""What a run can be asked for beyond video, question and model: frozen, validated, free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from dynfocus_cli.errors import UsageError
from dynfocus_cli.types import Hwaccel, Scorer

MOST_TEMPERATURE = 10.0
"""Above it a language model's words are noise."""


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
    anyway: bool = False
    """Answer also where no model was named and the shipped one was not trained for it."""

    def __post_init__(self) -> None:
        given = {"--at": self.sampling.at_s is not None, "--check": self.check}
        if self.selection.stock and any(given.values()):
            flag = next(flag for flag, value in given.items() if value)
            raise UsageError(f"--stock chooses no frames: leave {flag} out.")
