"""Reads files in a process of its own, a fresh interpreter: a forked one would inherit locks that encoders'
and torch's threads hold at that moment, and could wait for them for ever."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video import decode_frames, probe

BOUND_S = 20.0
"""For one file."""
START_S = 120.0
"""For the interpreter and its imports, on a busy machine."""
MAX_BYTES = 1 << 30
"""Beyond what the process holds before a file: a crafted header must not make the decoder ask for it."""


def read(path: Path | str) -> str:
    """`frames` where frames at 8 moments come, or the sentence."""
    try:
        source = probe(path)
        moments = [source.duration_s * place / 8 for place in range(8)]
        for batch in decode_frames(source, moments, width=64, height=64, fit="squash", batch_size=4):
            assert len(batch.pixels) == len(batch.times_s)
        return "frames"
    except VideoUnreadable as error:
        return str(error)


class Outcome(NamedTuple):
    """How a call ended."""

    kind: str
    """`returned`, `raised`, `hang`, or `crash (SIGSEGV)`."""
    value: Any
    """What was returned, or the traceback."""
    seconds: float


class ReadingProcess:
    """Calls functions of modules, one after another, in one process, which is started anew after a crash or
    a hang. Where a call hangs, the stacks of the process's threads are written to stderr."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def call(self, work: Callable[..., Any], *arguments: Any) -> Outcome:
        """How `work(*arguments)` ends in the process."""
        process, pipe = self._running()
        start = time.monotonic()
        pipe.send((work, arguments))
        ready = wait([pipe, process.sentinel], BOUND_S)
        seconds = time.monotonic() - start
        if not ready:
            self._show_stacks()
            self._stop()
            return Outcome("hang", None, seconds)
        try:
            kind, value = pipe.recv()
        except EOFError:
            process.join()
            code = process.exitcode or 0
            self._stop()
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return Outcome(f"crash ({name})", None, seconds)
        return Outcome(kind, value, seconds)

    def _running(self) -> tuple[multiprocessing.process.BaseProcess, Connection]:
        if self._process is None or self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()
            if not self._pipe.poll(START_S):
                raise TimeoutError("the reading process does not start")
            self._pipe.recv()
        return self._process, self._pipe

    def _show_stacks(self) -> None:
        if self._process is not None and self._process.pid is not None:
            os.kill(self._process.pid, signal.SIGUSR1)
            time.sleep(1)  # for it to write

    def _stop(self) -> None:
        if self._process is not None and self._pipe is not None:
            self._pipe.close()
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None


def _serve(pipe: Connection) -> None:
    """Calls what comes through the pipe, in bounded memory, and sends how it ended."""
    faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True)
    pipe.send("ready")
    while True:
        try:
            work, arguments = pipe.recv()
        except EOFError:
            return
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MAX_BYTES, resource.RLIM_INFINITY))
        try:
            pipe.send(("returned", work(*arguments)))
        except BaseException:
            pipe.send(("raised", traceback.format_exc()))
