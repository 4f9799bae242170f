"""`--engine ray`: workers share the videos of a run, and this process alone writes what comes of them.

A command says in a `SharedRun` what there is to do and where results go, and in a `VideoWork` what a worker
makes of a video; `share_out` does the rest.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from dynfocus_cli.batch.remote_videos import is_remote
from dynfocus_cli.batch.video_task import TaskOutcome, VideoTask, failed_outcome
from dynfocus_cli.batch.video_work import VideoWork, WorkerSetup
from dynfocus_cli.batch.videos import check
from dynfocus_cli.cli import progress as display
from dynfocus_cli.cli.bars import Bars, bars
from dynfocus_cli.cli.errors import failure_of, say
from dynfocus_cli.cli.options import EngineOptions, ModelRequest
from dynfocus_cli.errors import UsageError, VideoUnreadable

if TYPE_CHECKING:
    from dynfocus_cli.batch.ray_pool import PoolSize, WorkerPool

PASSED_ON = re.compile(r"DYNFOCUS_|HF_|TRANSFORMERS_|TORCH_|XDG_|AWS_|GOOGLE_|AZURE_")
"""Beginnings of the names of variables that workers are given: folders of models, stores' credentials."""


class SharedRun(ABC):
    """A run by workers, as this process sees it: what is handed out, and what comes back."""

    stage = "share out"
    """What the progress line calls it, as `cli/bars.py` has the words."""
    resume_note: str | None = None
    """What is said after Ctrl-C; None where another part of the command says how to go on."""

    @abstractmethod
    def tasks(self) -> Iterator[VideoTask]:
        """What is to be done, each video once; called for in a thread of its own."""

    @abstractmethod
    def take(self, outcome: TaskOutcome) -> None:
        """Writes what became of a task."""

    @property
    @abstractmethod
    def total(self) -> int | None:
        """How many results there will be; None while the list of videos is still coming."""

    @property
    @abstractmethod
    def done(self) -> int:
        """How many there are, those of earlier runs among them."""

    @property
    @abstractmethod
    def failed(self) -> int:
        """How many of this run's have failed."""

    def is_there(self, task: VideoTask) -> bool:
        """Whether this machine sees the video; takes its failure if not."""
        try:
            if not is_remote(task.video):
                check(task.video)
        except VideoUnreadable as error:
            self.take(failed_outcome(task, *failure_of(error)))
            return False
        return True


def share_out(
    run: SharedRun, work: VideoWork, model: ModelRequest, engine: EngineOptions, *, quiet: bool
) -> None:
    """Has the tasks of a run done by workers on a Ray cluster. Where there are none, none is started.

    Raises:
        UsageError: Ray is not installed, there is no cluster at the address, or the workers do not fit.
        DynFocusError: no worker can load the model.
    """
    tasks = run.tasks()
    first = next(tasks, None)
    if first is None:
        return
    from dynfocus_cli.batch.ray_cluster import cluster
    from dynfocus_cli.batch.ray_pool import WorkerPool

    setup = WorkerSetup(
        work,
        failure_of,
        {name: value for name, value in os.environ.items() if PASSED_ON.match(name)},
        os.getcwd(),
        engine.stall_s,
        min(engine.gpus_per_worker or 1.0, 1.0),
    )
    if engine.address is not None:
        say(f"Videos are shared out among the machines of the Ray cluster at {engine.address}.")
    with cluster(engine.address, engine.local_cpus) as ray:
        pool = WorkerPool(ray, setup, _size(ray, model, engine), engine.tries)
        _follow(run, pool, first, tasks, quiet=quiet)


def _size(ray: Any, model: ModelRequest, engine: EngineOptions) -> PoolSize:
    """How many workers there are to be: what the user said, or as many as the cluster holds."""
    from dynfocus_cli.batch.ray_pool import PoolSize

    there = ray.cluster_resources()
    gpus = engine.gpus_per_worker
    if gpus is None:
        gpus = 0.0 if model.device == "cpu" or not there.get("GPU") else 1.0
    room = there.get("CPU", 1) // engine.cpus_per_worker
    if gpus:
        room = min(room, there.get("GPU", 0) // gpus)
    least, most = engine.bounds or (1, max(1, int(room)))
    if engine.address is None and least > max(room, 0):
        raise UsageError(
            f"`workers` {least} do not fit into this machine: it has {there.get('CPU', 0):g} CPUs and "
            f"{there.get('GPU', 0):g} GPUs, and each takes {engine.cpus_per_worker:g} and {gpus:g}."
        )
    return PoolSize(least, most, engine.cpus_per_worker, gpus)


def _follow(
    run: SharedRun, pool: WorkerPool, first: VideoTask, rest: Iterator[VideoTask], *, quiet: bool
) -> None:
    """Has the tasks done, shows how far they are, and writes what comes."""

    def tasks() -> Iterator[VideoTask]:
        yield first
        yield from rest

    outcomes = pool.run(tasks())
    try:
        with bars("") if display.is_visible(quiet) else nullcontext() as bar:
            if bar is not None:
                bar.stage(run.stage, run.total)
            shown = 0
            for outcome in outcomes:
                _say(pool)
                if outcome is not None:
                    run.take(outcome)
                if bar is not None:
                    shown = _show(run, pool, bar, shown)
    except KeyboardInterrupt as interrupt:
        if run.resume_note is not None:
            interrupt.add_note(run.resume_note)
        raise
    finally:
        outcomes.close()  # type: ignore[attr-defined]
        _say(pool)


def _show(run: SharedRun, pool: WorkerPool, bar: Bars, shown: int) -> int:
    """Tells how far a run is; `shown` results were told of already. Returns how many now are."""
    done = run.done
    bar.advance(done - shown)
    failed = f"{run.failed} failed, " if run.failed else ""
    bar.tell(f"{failed}{pool.working} worker{'' if pool.working == 1 else 's'}")
    return done


def _say(pool: WorkerPool) -> None:
    while pool.warnings:
        say(f"Warning: {pool.warnings.pop(0)}")
