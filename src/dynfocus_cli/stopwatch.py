"""Seconds a stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dynfocus_cli.types import Timings


class Stopwatch:
    """Adds up the wall time of each stage; on a GPU a stage ends when its work is done."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._spent = dict.fromkeys(("decode", "encode", "select", "generate"), 0.0)
        self.stage = "decode"
        """The stage that was timed last: where a failure happened."""

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Times the block as part of `stage`."""
        began = time.perf_counter()
        self.stage = stage
        try:
            yield
        finally:
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            self._spent[stage] += time.perf_counter() - began

    def timings(self) -> Timings:
        """Seconds a stage so far."""
        return Timings(**self._spent, total=time.perf_counter() - self._began)
