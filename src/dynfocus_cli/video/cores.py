"""The processors that decoding may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """How many this process may run on: fewer than there are where it is bound to some, as Linux can."""
    bound = getattr(os, "sched_getaffinity", None)
    return (os.cpu_count() or 1) if bound is None else len(bound(0))
