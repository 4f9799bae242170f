"""What an engine hands to a worker, and what comes back: plain data, so that it can cross machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dynfocus_cli.batch.result_key import Content
    from dynfocus_cli.report.json import Record


class TaskFailure(NamedTuple):
    """Why there is no result."""

    code: int
    """What it alone would exit with."""
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class VideoTask:
    """One video with what is still missing of it."""

    video: str
    requests: tuple[Any, ...]
    """One a result, at least one; the `VideoWork` of the run knows what they are. `ask` has questions."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What became of one request."""

    request: Any
    record: Record | None
    """None where it failed."""
    warnings: tuple[str, ...] = ()
    failure: TaskFailure | None = None


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What became of a task."""

    task: VideoTask
    results: tuple[TaskResult, ...]
    """One a request, in their order."""
    content: Content | None
    """The video's identity, where a worker read it."""


def failed_outcome(task: VideoTask, code: int, kind: str, message: str) -> TaskOutcome:
    """All requests of a task failed in the same way."""
    failure = TaskFailure(code, kind, message)
    return TaskOutcome(task, tuple(TaskResult(request, None, (), failure) for request in task.requests), None)
