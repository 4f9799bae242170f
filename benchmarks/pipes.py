"""Hypothesis: a run over hundreds of videos can be killed at any moment and loses no answer, and one process
for all is at least 1.5 times as fast as one a video, the loading of the model aside.

Generated clips, some of them damaged, go through `find ... -print0 | dynfocus ask - -0 ... --output FILE`. It
is killed with SIGKILL at random moments and started again until it ends by itself; then the file must hold
exactly one record a video, and an error for each damaged one. Both sides of the comparison have the same
settings and an empty cache; what a process needs to start and to load the model is timed in turn with them,
and taken off. On a busy machine the seconds on the clock (the least of all turns) say little then; those of
the processor, and those that the records themselves report, are medians.

    python benchmarks/pipes.py [--videos 200] [--damaged 20] [--kills 5] [--alone 15] [--seed 0] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.synth.world import write_script
from dynfocus_cli.synth.write import clip_seed, write_video
from provenance import provenance

DYNFOCUS = str(Path(sysconfig.get_path("scripts")) / "dynfocus")
QUESTION = "Is there a red circle in the video?"
SECONDS, SIZE = 16, 128
"""Of a clip."""

LOADING = "import dynfocus_cli; from dynfocus_cli import pipeline, report; dynfocus_cli.load()"
"""What every process does before its first video."""

MANY = 10_000
"""Records of the file whose opening is timed."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--damaged", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--alone", type=int, default=15, help="videos that get a process each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        clips, work = Path(scratch) / "clips", Path(scratch) / "work"
        work.mkdir()
        damaged = write_clips(clips, asked.videos, asked.damaged, rng)
        result = {
            "benchmark": "pipes",
            **provenance(),
            "seed": asked.seed,
            "videos": asked.videos,
            "damaged": asked.damaged,
            "killed": killed(clips, damaged, work, asked.kills, rng),
            "throughput": throughput(clips, damaged, work, asked.alone),
            "opening": opening(work),
        }
    if asked.out is not None:
        asked.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    sys.exit(0 if result["killed"]["as_it_should_be"] else 1)


def write_clips(folder: Path, count: int, damaged: int, rng: random.Random) -> set[str]:
    """Clips of the world that the shipped model knows; returns the names of those that were damaged."""
    folder.mkdir()
    for number in range(count):
        write_video(
            write_script(clip_seed(5, number), duration_s=SECONDS), folder / f"{number:03}.mp4", size=SIZE
        )
    names = {f"{number:03}.mp4" for number in rng.sample(range(count), damaged)}
    for place, name in enumerate(sorted(names)):
        path = folder / name
        data = path.read_bytes()
        path.write_bytes(
            (data[: len(data) // 2], b"", bytes(1024) + data[1024:-2048], b"no video\n")[place % 4]
        )
    return names


def killed(clips: Path, damaged: set[str], work: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kills and resumes the pipe, and looks at what is in the file in the end."""
    out = work / "out.jsonl"
    total = len(list(clips.iterdir()))
    environment = environment_of(work / "cache-killed")
    moments = sorted(rng.sample(range(1, total), kills))
    found_at: list[int] = []
    torn = 0
    for moment in moments:
        with pipe(clips, out, environment) as process:
            while process.poll() is None and lines(out) < moment:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.3))  # somewhere within the videos after that one
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        found_at.append(lines(out))
        torn += not out.read_bytes().endswith(b"\n")
        print(f"killed with {found_at[-1]} of {total} records", flush=True)
    with pipe(clips, out, environment) as process:
        said = process.communicate()[0]
        code = process.returncode
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    names = [Path(record["video"]).name for record in records]
    errors = {Path(record["video"]).name for record in records if "error" in record}
    again = time.perf_counter()
    before = out.read_bytes()
    with pipe(clips, out, environment) as process:
        process.communicate()
    again = time.perf_counter() - again
    right = (
        code == 6
        and said == b""
        and sorted(names) == sorted(path.name for path in clips.iterdir())
        and len({record["key"] for record in records}) >= total - len(damaged)
        and errors == damaged
        and out.read_bytes() == before
    )
    print(f"in the end {len(records)} records, {len(errors)} of them errors, exit code {code}: {right}")
    return {
        "kills": kills,
        "records_at_kill": found_at,
        "torn_lines": torn,
        "records": len(records),
        "answers": len(records) - len(errors),
        "errors": len(errors),
        "most_records_of_a_video": max(Counter(names).values()),
        "exit_code": code,
        "run_with_nothing_to_do_s": round(again, 2),
        "as_it_should_be": right,
    }


class Cost(NamedTuple):
    """What a process took, in seconds."""

    clock: float
    processor: float
    reported: float
    """What its records say under `timings_s.total`: from a video to its answer, and nothing else."""


def throughput(clips: Path, damaged: set[str], work: Path, alone: int) -> dict[str, Any]:
    """One process for all against one a video, on the same videos."""
    sound = [path for path in sorted(clips.iterdir()) if path.name not in damaged]
    step = max(1, len(sound) // alone)
    chosen = sound[::step][:alone]
    loads, each, together = list[Cost](), list[Cost](), list[Cost]()
    for place, path in enumerate(chosen):
        loads.append(cost_of([sys.executable, "-c", LOADING], environment_of(work / "cache-load")))
        each.append(cost_of(asking([path]), environment_of(work / "cache-each")))
        if place % 3 == 0:
            cache = environment_of(work / f"cache-together-{place}")
            together.append(cost_of(asking(chosen), cache))
    load, apart, one = least(loads), least(each), least(together)
    videos = len(chosen)
    result: dict[str, Any] = {"videos": videos}
    for kind in Cost._fields:
        loading, single, all_of_them = getattr(load, kind), getattr(apart, kind), getattr(one, kind)
        result[kind] = {
            "starting_s": round(loading, 3),
            "process_a_video_s": round(single - loading, 3),
            "one_process_s": round((all_of_them - loading) / videos, 3),
            "ratio": round((single - loading) / ((all_of_them - loading) / videos), 2),
            "ratio_with_starting": round(single * videos / all_of_them, 2),
        }
        print(f"{kind}: {result[kind]}", flush=True)
    return result


def least(costs: Sequence[Cost]) -> Cost:
    return Cost(
        min(cost.clock for cost in costs),
        statistics.median(cost.processor for cost in costs),
        statistics.median(cost.reported for cost in costs),
    )


def opening(work: Path) -> dict[str, Any]:
    """How long a file with MANY records takes to be understood."""
    record = next(
        record
        for line in (work / "out.jsonl").read_text(encoding="utf-8").splitlines()
        if "error" not in (record := json.loads(line))
    )
    settings = record["settings"]
    path = work / "many.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(MANY):
            record |= {"video": f"{number}.mp4", "key": f"{number:032x}"}
            file.write(json.dumps(record) + "\n")
    began = time.perf_counter()
    with ResultFile(str(path)) as results:
        results.resume(settings)
        count = results.count
    seconds = time.perf_counter() - began
    print(f"{count} records, {path.stat().st_size >> 20} MiB, understood in {seconds:.2f} s")
    return {"records": count, "bytes": path.stat().st_size, "seconds": round(seconds, 2)}


def pipe(clips: Path, out: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """`find` into `dynfocus`, in a process group of their own."""
    command = 'find "$1" -type f -print0 | sort -z | "$2" ask - -0 "$3" --jsonl --output "$4" --quiet'
    return subprocess.Popen(
        ["bash", "-c", f"set -o pipefail; {command}", "bash", clips, DYNFOCUS, QUESTION, out],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def asking(videos: Sequence[Path]) -> list[str]:
    return [DYNFOCUS, "ask", *map(str, videos), QUESTION, "--jsonl", "--quiet"]


def cost_of(command: Sequence[str], environment: dict[str, str]) -> Cost:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    with process.stdout as stdout:
        records = [json.loads(line) for line in stdout]
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    reported = sum(record["timings_s"]["total"] for record in records)
    return Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime, reported)


def environment_of(cache: Path) -> dict[str, str]:
    return {**os.environ, "DYNFOCUS_CACHE_DIR": str(cache)}


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


if __name__ == "__main__":
    main()
