"""What the workers of an engine make of videos. Each command that shares videos out has a `VideoWork`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynfocus_cli.batch.result_key import Content
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.report.json import Record

Make = Callable[[Any, "Progress"], "tuple[Record, tuple[str, ...]]"]
"""Makes the record of one request about a video, and the warnings that are to be said of it."""


class VideoWork(ABC):
    """What is made of a video.

    An object of it is pickled for each worker: its class stands at the top of a module, and its fields are
    plain data, functions of modules, and methods of such objects. What `load` returns stays with the worker.
    """

    @abstractmethod
    def load(self) -> Any:
        """The model, once a worker. Raises DynFocusError."""

    @abstractmethod
    def begin(self, path: str, first: Any, model: Any) -> Make:
        """What makes the records of one video. It may begin to decode here: another video may be at work.

        What is raised here fails all requests about the video. The records themselves are made one after
        another, and never while those of another video are. What is raised there fails one request, and
        VideoUnreadable also those after it.

        Args:
            path: of the video on the worker's machine; it may not be there.
            first: the first request about it.
            model: what `load` returned.
        """

    @abstractmethod
    def content(self, path: str) -> Content:
        """The identity of a video, as the keys of its results have it; asked for after `begin`."""


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker does, and how: the same for all workers of a run."""

    work: VideoWork
    failure_of: Callable[[Exception], tuple[int, str, str]]
    """Exit code, kind and message of an error."""
    environment: dict[str, str]
    """Variables that say where models and caches are; what a worker's machine sets itself goes before."""
    folder: str
    """Where relative paths begin."""
    stall_s: float = 900.0
    """After so many seconds without progress a worker ends itself."""
    memory_share: float = 1.0
    """Of the device's memory that a worker plans with."""
    cores: int | None = None
    """Processors that a worker decodes on at most; None: all that its machine lets it have."""
