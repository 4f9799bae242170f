"""Hypothesis: a broken file gives frames or VideoUnreadable within its time: never a crash, a hang, or
anything else. A file that is whole and of unusual structure gives the frames that FFmpeg's full decode shows.

Files are made by seed (`tests/video/mutations.py`; with --structure `structure.py` there), each is read in a
process of its own.

    python benchmarks/fuzz.py [--structure] [--count 3000] [--first 0] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "video"))

from mutations import mutate, write_bases
from structure import kind_of

import dynfocus_cli.video.frames_on_screen  # noqa: F401  (imported once, before the processes part)
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video import decode_frames, probe
from fuzz_structure import CLOSED, NOT_TOLD, RIGHT, TOLD, compare
from provenance import provenance

BOUND_S = 20.0
FRAMES, OTHER, UNREADABLE, DOUBTED, WRONG = 0, 1, 3, 4, 5
"""Exit codes of a reading process."""
OUTCOMES = {FRAMES: "frames", UNREADABLE: "unreadable", DOUBTED: "wrong, and told", WRONG: "wrong"}
ALLOWED = ("frames", "unreadable", "wrong, and told")


def read(path: Path) -> int:
    """What the tool makes of the file: the frames at 8 moments, or a sentence."""
    try:
        source = probe(path)
        moments = [source.duration_s * place / 8 for place in range(8)]
        for batch in decode_frames(source, moments, width=64, height=64, fit="squash", batch_size=4):
            assert len(batch.pixels) == len(batch.times_s)
        return FRAMES
    except VideoUnreadable:
        return UNREADABLE
    except BaseException:
        traceback.print_exc()
        return OTHER


def show(seed: int, folder: Path) -> int:
    """How the frames of a file of unusual structure compare with FFmpeg's."""
    try:
        return {RIGHT: FRAMES, TOLD: DOUBTED, NOT_TOLD: WRONG, CLOSED: UNREADABLE}[compare(seed, folder)]
    except BaseException:
        traceback.print_exc()
        return OTHER


def outcome(work: Callable[[], int]) -> tuple[str, float]:
    """How a process of its own fares with a file, and its seconds."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(work())
    while time.monotonic() - began < BOUND_S:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code < 0:
                return f"crash ({signal.Signals(-code).name})", time.monotonic() - began
            return OUTCOMES.get(code, "other error"), time.monotonic() - began
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hang", BOUND_S


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--structure", action="store_true", help="whole files, compared with FFmpeg's decode")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    counts: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    failed: dict[int, str] = {}
    slowest = (0.0, -1)
    with tempfile.TemporaryDirectory() as scratch:
        bases = [] if asked.structure else write_bases(Path(scratch) / "bases")
        for seed in range(asked.first, asked.first + asked.count):
            if asked.structure:
                what, seconds = outcome(partial(show, seed, Path(scratch)))
                kinds.setdefault(kind_of(seed), Counter())[what] += 1
            else:
                path = mutate(seed, bases, Path(scratch))
                what, seconds = outcome(partial(read, path))
                path.unlink()
            counts[what] += 1
            slowest = max(slowest, (seconds, seed))
            if what not in ALLOWED:
                failed[seed] = what
                print(f"seed {seed}: {what}", flush=True)
    print(f"{dict(counts)}; slowest {slowest[0]:.2f} s (seed {slowest[1]})")
    result = {
        "benchmark": "fuzz-structure" if asked.structure else "fuzz",
        **provenance(),
        "seeds": [asked.first, asked.first + asked.count],
        "bound_s": BOUND_S,
        "outcomes": dict(counts),
        **({"kinds": {kind: dict(kinds[kind]) for kind in sorted(kinds)}} if asked.structure else {}),
        "failed": failed,
        "slowest_s": round(slowest[0], 2),
        "slowest_seed": slowest[1],
    }
    if asked.out is not None:
        asked.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
