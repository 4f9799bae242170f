"""Workers load the very model that the keys of the results say, or none."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.types import ModelInfo


class Described(Protocol):
    """What says which model it is."""

    @property
    def info(self) -> ModelInfo: ...


Loaded = TypeVar("Loaded", bound=Described)


@dataclass(frozen=True, slots=True)
class SameModel(Generic[Loaded]):
    """Loads a model on a worker's machine, which may have other models or other files of this name."""

    load: Callable[[], Loaded]
    expected: ModelInfo
    """The model as the process has it that shares the videos out."""

    def __call__(self) -> Loaded:
        """
        Raises:
            ModelUnavailable: it is another model than expected, or it cannot be loaded.
        """
        loaded = self.load()
        here, there = _identity(loaded.info), _identity(self.expected)
        if here != there:
            raise ModelUnavailable(
                f"A worker on {socket.gethostname()} has another model ({here}) than the machine that shares "
                f"the videos out ({there}): put the same files there, and name the model with `model`."
            )
        return loaded


def _identity(info: ModelInfo) -> str:
    """All that the key of a result says of a model."""
    parts = (info.name, info.revision, info.config, info.quantization, info.selector)
    return " ".join(filter(None, parts))
