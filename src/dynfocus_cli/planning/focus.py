"""The frames at the moments that a question or `at_s` names: key frames whatever their score."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from dynfocus_cli.cce.budget import Allowance
from dynfocus_cli.types import SamplingPlan


def focus_frames(
    plan: SamplingPlan, at_s: float | None, times_s: Sequence[float], most: int
) -> tuple[int, ...]:
    """The frames on screen at the named moments; `most` of them, `at_s` before the rest."""
    pinned: set[int] = set()
    for moment in sorted(plan.focus_times_s, key=lambda named: named != at_s):
        if len(pinned) < most:
            pinned.add(_on_screen(moment, times_s))
    return tuple(sorted(pinned))


def _on_screen(moment: float, times_s: Sequence[float]) -> int:
    """Index of the frame that is on screen at `moment`."""
    return max(0, bisect.bisect_right(times_s, moment + 1e-6) - 1)


def focus_left_out(
    plan: SamplingPlan, times_s: Sequence[float], pinned: tuple[int, ...], allowance: Allowance
) -> tuple[str, ...]:
    """A warning where moments are named whose frames are not `pinned`, for there are more of them than key
    frames."""
    named = len(plan.focus_times_s)
    kept = sum(_on_screen(moment, times_s) in pinned for moment in plan.focus_times_s)
    if not pinned or kept == named:
        return ()
    problem = f"There are key frames for only {kept} of {named} named moments"
    if allowance.key_frames < allowance.unlimited:
        return (f"{problem}.",)  # the tokens are short, as another warning says
    return (f"{problem}: raise `key_ratio` or `prototypes`.",)
