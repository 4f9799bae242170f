"""Hypothesis: a broken file gives frames or VideoUnreadable within its time: never a crash, a hang, or
anything else. A file that is whole and of unusual structure gives the frames that FFmpeg's full decode shows.

Files are made by seed (`tests/video/mutations.py`; with --structure `structure.py` there). They are read in
another process, which is started anew after a crash or a hang.

    python benchmarks/fuzz.py [--structure] [--count 3000] [--first 0] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "video"))

from mutations import mutate, write_bases
from reading_process import BOUND_S, ReadingProcess, read
from structure import kind_of

from fuzz_structure import RIGHT, compare
from provenance import provenance

ALLOWED = ("frames", "unreadable", "wrong, and told")


def outcome(process: ReadingProcess, seed: int, bases: list[Path], folder: Path) -> tuple[str, float]:
    """What the tool makes of a broken file: frames at 8 moments or a sentence; and its seconds."""
    path = mutate(seed, bases, folder)
    kind, value, seconds = process.call(read, path)
    path.unlink()
    return _said(kind, "frames" if value == "frames" else "unreadable", value), seconds


def outcome_of_structure(process: ReadingProcess, seed: int, folder: Path) -> tuple[str, float]:
    """How the frames of a file of unusual structure compare with FFmpeg's; and its seconds."""
    kind, value, seconds = process.call(compare, seed, folder)
    return _said(kind, "frames" if value == RIGHT else value, value), seconds


def _said(kind: str, result: str, value: object) -> str:
    if kind == "raised":
        print(value, file=sys.stderr)
        return "other error"
    return result if kind == "returned" else kind


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--structure", action="store_true", help="whole files, compared with FFmpeg's decode")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    failed: dict[int, str] = {}
    slowest = (0.0, -1)
    with tempfile.TemporaryDirectory() as scratch, ReadingProcess() as process:
        bases = [] if options.structure else write_bases(Path(scratch) / "bases")
        for seed in range(options.first, options.first + options.count):
            if options.structure:
                what, seconds = outcome_of_structure(process, seed, Path(scratch))
                kinds.setdefault(kind_of(seed), Counter())[what] += 1
            else:
                what, seconds = outcome(process, seed, bases, Path(scratch))
            counts[what] += 1
            slowest = max(slowest, (seconds, seed))
            if what not in ALLOWED:
                failed[seed] = what
                print(f"seed {seed}: {what}", flush=True)
    print(f"{dict(counts)}; slowest {slowest[0]:.2f} s (seed {slowest[1]})")
    result = {
        "benchmark": "fuzz-structure" if options.structure else "fuzz",
        **provenance(),
        "seeds": [options.first, options.first + options.count],
        "bound_s": BOUND_S,
        "outcomes": dict(counts),
        **({"kinds": {kind: dict(kinds[kind]) for kind in sorted(kinds)}} if options.structure else {}),
        "failed": failed,
        "slowest_s": round(slowest[0], 2),
        "slowest_seed": slowest[1],
    }
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
