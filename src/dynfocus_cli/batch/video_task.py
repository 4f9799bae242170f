"""What an engine hands to a worker, and what comes back: plain data, so that it can cross machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.batch.result_key import Content
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.options import RunOptions
    from dynfocus_cli.report.json import Record


class TaskFailure(NamedTuple):
    """Why there is no result."""

    code: int
    """What it alone would exit with."""
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class VideoTask:
    """One video with the questions about it that are not answered yet."""

    video: str
    queries: tuple[Query | None, ...]


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What became of one question."""

    query: Query | None
    record: Record | None
    """None where it failed."""
    warnings: tuple[str, ...] = ()
    failure: TaskFailure | None = None


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What became of a task."""

    task: VideoTask
    results: tuple[TaskResult, ...]
    """One a question, in their order."""
    content: Content | None
    """The video's identity, where a worker read it."""


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker does, and how: the same for all workers of a run."""

    command: Literal["ask", "inspect"]
    load: Callable[[], Backend]
    options: RunOptions
    failure_of: Callable[[Exception], tuple[int, str, str]]
    spelled: Callable[[Any], Any]
    """An answer or inspection whose warnings name options as their reader knows them."""
    environment: dict[str, str]
    """Variables that say where models and caches are; what a worker's machine sets itself goes before."""
    stall_s: float = 900.0
    """After so many seconds without progress a worker ends itself."""
    memory_share: float = 1.0
    """Of the device's memory that a worker plans with."""


def failed_outcome(task: VideoTask, code: int, kind: str, message: str) -> TaskOutcome:
    """All questions of a task failed in the same way."""
    failure = TaskFailure(code, kind, message)
    return TaskOutcome(task, tuple(TaskResult(query, None, (), failure) for query in task.queries), None)
