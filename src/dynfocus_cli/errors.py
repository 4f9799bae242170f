"""The one exception tree. A message says what is wrong and what to do; `exit_code` is the contract's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

if TYPE_CHECKING:
    from dynfocus_cli.types import ModelOffer

ErrorT = TypeVar("ErrorT", bound=BaseException)


class DynFocusError(Exception):
    """Base of every error that a user can cause or meet; the command line prints `str(error)`."""

    exit_code: ClassVar[int] = 1


class UsageError(DynFocusError):
    """An option, a time or a question that makes no sense, alone or for this video."""

    exit_code = 2


class VideoUnreadable(DynFocusError):
    """The file is missing, is no video, or gives no frame."""

    exit_code = 3


class ModelUnavailable(DynFocusError):
    """The model is unknown, incomplete, or cannot run on this machine."""

    exit_code = 4


class OutOfDomain(DynFocusError):
    """The model was not trained on such a video or question: the shipped one, where none was named, or with
    `strict` any."""

    exit_code = 4

    def __init__(self, message: str, reason: str = "", offer: ModelOffer | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        """The first of the message's clauses: what is out of the model's training."""
        self.offer = offer
        """A model to fetch that can answer about any video; None where none fits into this machine."""


class OutOfMemory(DynFocusError):
    """Memory ran out after every fallback."""

    exit_code = 5


class SomeVideosFailed(DynFocusError):
    """Some of several videos or questions failed; their own records say why."""

    exit_code = 6


def first_line(error: Exception) -> str:
    """What another library's error says, as far as it goes into a sentence of ours."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def without_frames(error: ErrorT) -> ErrorT:
    """The error, which no longer tells the calls that led to it: their variables are a video's features and
    pictures, and a run that keeps its failures would keep those with them."""
    known: list[BaseException] = []
    rest: list[BaseException | None] = [error]
    while rest:
        each = rest.pop()
        if each is not None and each not in known:
            known.append(each)
            each.__traceback__ = None
            rest += [each.__cause__, each.__context__]
    return error
