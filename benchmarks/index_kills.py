"""Hypothesis: SIGKILL costs an index nothing but the video that was at work, and changes no ranking.

    python benchmarks/index_kills.py [--clips 200] [--kills 5] [--out FILE]

`dynfocus index` over generated clips is killed as often, each time some clips later, and finished. Then
`dynfocus find` gives rankings for some queries, which are compared with those of an index that nobody
disturbed. Told as well: how many videos were kept at each kill.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path

from dynfocus_cli.moments.index import indexes
from dynfocus_cli.options import MAX_SEED
from dynfocus_cli.synth.write import Film, write_clips
from provenance import provenance

DYNFOCUS = str(Path(sysconfig.get_path("scripts")) / "dynfocus")
QUERIES = ("a red circle", "a blue square", "the 7", "When can you see a green star?")
SEED = MAX_SEED - 40


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = folder / "clips"
        for _ in write_clips(clips, asked.clips, SEED, film=Film(size=128, fps=2)):
            pass
        disturbed, undisturbed = folder / "disturbed", folder / "undisturbed"
        shares = [asked.clips * turn // (asked.kills + 1) for turn in range(1, asked.kills + 1)]
        before = [killed(clips, disturbed, share) for share in shares]
        rankings = []
        for cache in (disturbed, undisturbed):
            finished = dynfocus(cache, "index", str(clips), "--quiet")
            rankings.append(
                [dynfocus(cache, "find", str(clips), query, "--top", "1000") for query in QUERIES]
            )
            assert kept(cache) == asked.clips, finished
    result = {
        "clips": asked.clips,
        "kept_when_killed": before,
        "moments": [max(0, len(ranking.splitlines()) - 1) for ranking in rankings[1]],
        "rankings_are_equal": rankings[0] == rankings[1],
        "provenance": provenance(),
    }
    print(json.dumps(result))
    if asked.out is not None:
        asked.out.write_text(json.dumps(result, indent=1) + "\n")


def killed(clips: Path, cache: Path, videos: int) -> int:
    """Indexes until so many videos are kept, kills the process, and says how many are kept then."""
    process = subprocess.Popen(
        (DYNFOCUS, "index", str(clips), "--quiet"), env=environment(cache), stdout=subprocess.DEVNULL
    )
    while process.poll() is None and kept(cache) < videos:
        time.sleep(0.002)
    assert process.poll() is None, "it came to its end before it was killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    return kept(cache)


def kept(cache: Path) -> int:
    """Videos in the index of a cache."""
    return sum(index.videos for index in indexes(cache))


def dynfocus(cache: Path, *arguments: str) -> str:
    """What a command prints on stdout.

    Raises:
        CalledProcessError: it failed.
    """
    return subprocess.run(
        (DYNFOCUS, *arguments), env=environment(cache), check=True, capture_output=True, text=True
    ).stdout


def environment(cache: Path) -> dict[str, str]:
    """A cache of its own; the shipped model alone."""
    return {
        **os.environ,
        "DYNFOCUS_CACHE_DIR": str(cache),
        "DYNFOCUS_MODELS_DIR": str(cache / "no-models"),
        "DYNFOCUS_CONFIG": os.devnull,
    }


if __name__ == "__main__":
    main()
