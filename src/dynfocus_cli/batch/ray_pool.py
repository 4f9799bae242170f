"""A pool of workers on a Ray cluster: tasks are handed out, and every task comes back once, whatever dies.

Ray's own data pipelines (`ray.data` with an actor pool) were tried: a video that kills its worker leaves no
row behind, one that hangs stops the run, neighbours in the queue of a dying worker lose tries of their own,
and all actors have the same settings, so that none can be started with smaller ones. Actors and `ray.wait`
are enough for what is needed here, and keep the blame exact:

- A worker has two tasks at most, so that it decodes one while it answers the other. When it dies, both are
  handed out again, each alone on a worker. A video that takes a worker down when it is alone has used a try.
- What a node takes with it when it goes is nobody's fault.
- A worker whose memory ran out is replaced by one that plans with a smaller share of it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from queue import Empty, Queue
from typing import Any

from dynfocus_cli.batch.video_task import TaskFailure, TaskOutcome, VideoTask, failed_outcome
from dynfocus_cli.batch.video_work import WorkerSetup
from dynfocus_cli.batch.video_worker import VideoWorker
from dynfocus_cli.errors import DynFocusError, OutOfMemory

AHEAD = 2
"""Tasks that a worker has at most."""
POLL_S = 0.2
"""How long results are waited for before new tasks are looked for."""
PATIENCE_S = 30.0
"""After which it is said that no worker has started."""
SMALLER = 0.75
"""Share of its memory that a worker plans with after its predecessor ran out."""
NODE_LOSSES = 5
"""How often a task may lose its node."""
FAILED_STARTS = 3
"""In a row, after which no further worker is started."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many workers there are, and what each takes."""

    least: int
    most: int
    cpus: float
    gpus: float


@dataclass(eq=False, slots=True)
class _Job:
    """A task and what happened to it so far."""

    task: VideoTask
    crashes: int = 0
    node_losses: int = 0
    alone: bool = False
    """Whether it must have a worker for itself."""
    memory_share: float = 1.0
    began_s: float = 0.0


@dataclass(eq=False, slots=True)
class _Worker:
    actor: Any
    memory_share: float
    ready: bool = False
    calls: dict[Any, _Job] = field(default_factory=dict)
    """Ray's references -> tasks."""

    @property
    def free(self) -> int:
        """How many more tasks it can have."""
        if any(job.alone for job in self.calls.values()):
            return 0
        return AHEAD - len(self.calls)


class WorkerPool:
    """Workers, and the tasks that they have.

    Args:
        ray: the module, connected to a cluster.
        setup: its `work` says what becomes of a task.
        tries: how often a video may take its worker down.
        worker: a class with `load` and `answer` as `VideoWorker` has them.
    """

    def __init__(
        self, ray: Any, setup: WorkerSetup, size: PoolSize, tries: int, worker: type = VideoWorker
    ) -> None:
        self._ray, self._setup, self._size, self._tries = ray, setup, size, tries
        self._actor = ray.remote(worker)
        self._workers: list[_Worker] = []
        self._starting: dict[Any, _Worker] = {}
        self._again: deque[_Job] = deque()
        self._failed_starts = 0
        self._begun_s = time.monotonic()
        self.warnings: list[str] = []
        """What is to be said; whoever says it takes it out."""
        self.loading_s: float | None = None
        """What it took the first worker to load its model."""

    @property
    def working(self) -> int:
        """Workers that are ready."""
        return sum(worker.ready for worker in self._workers)

    def run(self, tasks: Iterable[VideoTask]) -> Iterator[TaskOutcome | None]:
        """The outcome of each task, in the order in which they end; None now and then, where none has ended.

        Raises:
            DynFocusError: no worker can start.
        """
        source = _Source(tasks, 2 * AHEAD * self._size.most)
        try:
            for _ in range(self._size.least):
                self._start(1.0)
            while True:
                self._hand_out(source)
                if not self._again and source.at_end and not self._calls:
                    return
                ended = list(self._collect())
                yield from ended
                if not ended:
                    self._complain()
                    yield None
        finally:
            source.close()
            self.close()

    def close(self) -> None:
        """Ends all workers."""
        for worker in [*self._workers]:
            self._end(worker)

    @property
    def _calls(self) -> dict[Any, _Worker]:
        return {call: worker for worker in self._workers for call in worker.calls}

    def _start(self, memory_share: float) -> None:
        cores = max(1, int(self._size.cpus))
        setup = replace(self._setup, memory_share=self._setup.memory_share * memory_share, cores=cores)
        options = {"num_cpus": self._size.cpus, "num_gpus": self._size.gpus, "max_restarts": 0}
        actor = self._actor.options(**options, max_concurrency=AHEAD).remote(setup)
        worker = _Worker(actor, memory_share)
        self._workers.append(worker)
        self._starting[actor.load.remote()] = worker

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._starting = {call: one for call, one in self._starting.items() if one is not worker}
        self._ray.kill(worker.actor)

    def _hand_out(self, source: _Source) -> None:
        """Gives tasks to workers with room, and starts more of these where tasks wait."""
        waiting: deque[_Job] = deque()
        while self._again:
            job = self._again.popleft()
            if not self._give(job):
                waiting.append(job)
        self._again = waiting
        while not source.is_empty and any(worker.ready and worker.free for worker in self._workers):
            if (task := source.next()) is None:
                break
            self._give(_Job(task))
        wanted = bool(self._again) or not source.is_empty
        if wanted and not self._starting and len(self._workers) < self._size.most:
            self._start(min((job.memory_share for job in self._again), default=1.0))

    def _give(self, job: _Job) -> bool:
        """Whether a worker could take it."""
        fit = [worker for worker in self._workers if worker.ready and worker.free]
        if job.alone:
            fit = [worker for worker in fit if not worker.calls and worker.memory_share <= job.memory_share]
        if not fit:
            return False
        worker = min(fit, key=lambda one: len(one.calls))
        job.began_s = time.monotonic()
        worker.calls[worker.actor.answer.remote(job.task)] = job
        return True

    def _collect(self) -> Iterator[TaskOutcome]:
        calls = self._calls
        waiting = [*calls, *self._starting]
        if not waiting:
            time.sleep(POLL_S)
            return
        done, _ = self._ray.wait(waiting, num_returns=1, timeout=POLL_S)
        if done:  # and whatever else has ended
            done, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for call in done:
            if call in self._starting:
                self._started(call)
            elif call in calls and call in calls[call].calls:  # else it went with a worker that died
                yield from self._ended(call, calls[call])

    def _started(self, call: Any) -> None:
        worker = self._starting.pop(call)
        try:
            loaded = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            self._end(worker)
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                raise DynFocusError(
                    f"Workers end before they have loaded the model ({_reason(error)}): is there memory "
                    "enough for each?"
                ) from error
            return
        if isinstance(loaded, TaskFailure):
            raise _as_error(loaded)
        self._failed_starts = 0
        worker.ready = True
        if self.loading_s is None:
            self.loading_s = loaded

    def _ended(self, call: Any, worker: _Worker) -> Iterator[TaskOutcome]:
        job = worker.calls[call]
        try:
            outcome = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:  # of what no worker raises by itself
            del worker.calls[call]
            yield failed_outcome(job.task, 1, type(error.cause).__name__, str(error.cause))
        except self._ray.exceptions.RayError as error:
            yield from self._died(worker, error)
        else:
            del worker.calls[call]
            ran_out = any(
                result.failure and result.failure.code == OutOfMemory.exit_code for result in outcome.results
            )
            if ran_out and job.crashes + 1 < self._tries:
                self._recycle(worker, job)
            else:
                yield outcome

    def _recycle(self, worker: _Worker, job: _Job) -> None:
        """Ends a worker whose memory ran out; the task is done again by one that plans with less."""
        job.crashes, job.alone, job.memory_share = job.crashes + 1, True, worker.memory_share * SMALLER
        self._again.append(job)
        for other in worker.calls.values():
            self._again.append(other)
        worker.calls.clear()
        self._end(worker)
        self.warnings.append(
            f"The memory of a worker ran out at {job.task.video}: it is tried again by one that plans with "
            f"{job.memory_share:.0%} of it."
        )
        self._start(job.memory_share)

    def _died(self, worker: _Worker, error: Exception) -> Iterator[TaskOutcome]:
        """What a worker had when it died is tried again, each alone, or has failed."""
        jobs = list(worker.calls.values())
        worker.calls.clear()
        self._end(worker)
        if len(self._workers) < self._size.least:
            self._start(1.0)
        lost_node = _lost_node(error)
        for job in jobs:
            if lost_node and job.node_losses < NODE_LOSSES:
                job.node_losses += 1
                job.alone = False
            else:
                was_alone = len(jobs) == 1
                job.crashes = job.crashes + 1 if was_alone else min(job.crashes + 1, self._tries - 1)
                job.alone = True
            if job.crashes >= self._tries:
                yield failed_outcome(job.task, DynFocusError.exit_code, "WorkerDied", self._death(job, error))
            else:
                self._again.append(job)

    def _death(self, job: _Job, error: Exception) -> str:
        seconds = time.monotonic() - job.began_s
        stalled = f"made no progress for {self._setup.stall_s:g} s" if seconds >= self._setup.stall_s else ""
        times = "once" if job.crashes == 1 else f"{job.crashes} times"
        return f"The worker that read it ended unexpectedly ({times}): it {stalled or _reason(error)}."

    def _complain(self) -> None:
        if self.loading_s is not None or time.monotonic() - self._begun_s < PATIENCE_S:
            return
        self._begun_s = float("inf")
        there = self._ray.cluster_resources()
        self.warnings.append(
            f"No worker has started yet: each takes {self._size.cpus:g} CPUs and {self._size.gpus:g} GPUs, "
            f"and the cluster has {there.get('CPU', 0):g} and {there.get('GPU', 0):g}."
        )


class _Source:
    """Tasks, made by a thread of their own: names on standard input and digests take their time."""

    def __init__(self, tasks: Iterable[VideoTask], ahead: int) -> None:
        self._queue: Queue[VideoTask | BaseException | None] = Queue(ahead)
        self._closed = threading.Event()
        self._next: VideoTask | None = None
        self.at_end = False
        threading.Thread(target=self._produce, args=(tasks,), name="tasks", daemon=True).start()

    @property
    def is_empty(self) -> bool:
        """Whether there is no task now. Raises what making one raised."""
        if self._next is None and not self.at_end:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return True
            if isinstance(item, BaseException):
                raise item
            self._next, self.at_end = item, item is None
        return self._next is None

    def next(self) -> VideoTask | None:
        """The next task; None where there is none now."""
        task = None if self.is_empty else self._next
        self._next = None
        return task

    def close(self) -> None:
        """Lets the thread end."""
        self._closed.set()
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                return

    def _produce(self, tasks: Iterable[VideoTask]) -> None:
        try:
            for task in tasks:
                if self._closed.is_set():
                    return
                self._queue.put(task)
            self._queue.put(None)
        except BaseException as error:  # whatever it is, it is the consumer's to see
            self._queue.put(error)


def _as_error(failure: TaskFailure) -> DynFocusError:
    """The error that a worker met while it loaded the model."""
    for kind in DynFocusError.__subclasses__():
        if kind.__name__ == failure.kind:
            return kind(failure.message)
    return DynFocusError(failure.message)


def _lost_node(error: Exception) -> bool:
    return "node has died" in str(error) or "node died" in str(error).lower()


def _reason(error: Exception) -> str:
    """Why a worker died, as far as Ray knows."""
    said = str(error)
    if _lost_node(error):
        return "its machine went away"
    if "OOM" in said and "memory usage" in said and "Memory on the node" in said:
        return "was ended because the machine's memory ran out"
    return "was killed, crashed, or ran out of memory"
