"""Hypothesis: with one worker the engine takes at most 10 % more than none, and two workers on two idle cores
are at least 1.6 times as fast as one, and as fast as two runs without an engine side by side; a driver writes
over a thousand records a second with memory that grows by what it must remember alone; and no kill costs a
record.

    python benchmarks/engine.py overhead [--clips 120]     none, two shards, 1 and 2 workers in turn
    python benchmarks/engine.py driver [--records 100000]  tiny records through the driver
    python benchmarks/engine.py kills [--clips 200]        two nodes; a worker, a node, the driver killed

Seconds on the clock say little on a busy machine; those of the processor, of all processes of a run, are told
beside them. What two cores are worth is told by two shards side by side, which share nothing: cores of a
virtual machine may be halves of one. Loading is what a run of a few clips takes, and is taken off. Needs
`dynfocus[ray]`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

from dynfocus_cli.batch.result_key import Content
from dynfocus_cli.batch.video_task import TaskOutcome, TaskResult, VideoTask
from dynfocus_cli.batch.video_work import WorkerSetup
from provenance import provenance

DYNFOCUS = str(Path(sysconfig.get_path("scripts")) / "dynfocus")
ASK = ("What color is the 7?", "--anyway", "--no-cache", "--quiet")
FEW = 20
"""Clips of the run that shows what loading takes."""
LENGTH_S = 60
"""Of these clips. Of two seconds they take 0.02 s each, which is less than what loading varies by."""
TURNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measure", choices=("overhead", "driver", "kills"))
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if asked.measure == "driver":
            result = driver(asked.records)
        elif asked.measure == "overhead":
            result = overhead(asked.clips)
        else:
            result = kills(asked.clips)
        os.chdir(home)  # torch cannot be loaded in a folder that is gone
    line = json.dumps({"measure": asked.measure, **result, "provenance": provenance()})
    if asked.out is not None:
        asked.out.write_text(line + "\n", encoding="utf-8")
    print(line)


def write_clips(folder: str, count: int, length_s: int = 2) -> None:
    """Coloured squares, in every clip others."""
    os.mkdir(folder)
    random = np.random.default_rng(0)
    for number in range(count):
        with av.open(f"{folder}/{number:04}.mp4", "w") as container:
            stream = container.add_stream("libx264", rate=4)
            stream.width = stream.height = 96
            stream.pix_fmt = "yuv420p"
            for _ in range(4 * length_s):
                picture = random.integers(0, 255, (6, 6, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())


def overhead(clips: int) -> dict[str, Any]:
    """Seconds a clip of each way, on the clock and of the processor."""
    write_clips("few", FEW, LENGTH_S)
    write_clips("all", clips + FEW, LENGTH_S)
    engine = "--engine", "ray", "--workers"
    ways: dict[str, tuple[tuple[str, ...], ...]] = {
        "none": ((),),
        "2 shards": (("--shard", "1/2"), ("--shard", "2/2")),
        "1 worker": ((*engine, "1"),),
        "2 workers": ((*engine, "2"),),
    }
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(TURNS):
        for way, runs in ways.items():
            few, all_ = (
                timed([(folder, *ASK, *more) for more in runs], f"{way}-{turn}-{folder}")
                for folder in ("few", "all")
            )
            took = tuple((whole - part) / clips for whole, part in zip(all_, few, strict=True))
            seconds[way].append((took[0], took[1]))
            print(f"{way}: {took[0]:.3f} s a clip, {took[1]:.3f} s of the processor", file=sys.stderr)
    medians = {
        way: {
            "clock_s": statistics.median(one[0] for one in of),
            "cpu_s": statistics.median(one[1] for one in of),
        }
        for way, of in seconds.items()
    }
    clock, processor = 0, 1
    ratios = {
        f"{a} / {b}, {('clock', 'processor')[which]}": statistics.median(
            x[which] / y[which] for x, y in zip(seconds[a], seconds[b], strict=True)
        )
        for a, b, which in (
            ("1 worker", "none", processor),
            ("1 worker", "none", clock),
            ("1 worker", "2 workers", clock),
            ("none", "2 shards", clock),
            ("2 workers", "2 shards", clock),
            ("2 workers", "1 worker", processor),
        )
    }
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.2f}", file=sys.stderr)
    return {"clips": clips, "turns": TURNS, "a_clip": medians, "ratios": ratios, "load": os.getloadavg()}


def timed(runs: Sequence[Sequence[str]], output: str) -> tuple[float, float]:
    """Seconds of runs side by side, on the clock and of the processor, all of their processes together."""
    began, cpu = time.monotonic(), dict[int, float]()
    processes = [
        psutil.Popen(
            [DYNFOCUS, "ask", *arguments, "--output", f"{output}-{number}.jsonl"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number, arguments in enumerate(runs)
    ]
    while any(process.poll() is None for process in processes):
        for process in processes:
            with suppress(psutil.Error):
                for each in [process, *process.children(recursive=True)]:
                    with suppress(psutil.Error):
                        times = each.cpu_times()
                        cpu[each.pid] = times.user + times.system
        time.sleep(0.05)
    if any(process.returncode != 0 for process in processes):
        raise SystemExit(f"{output} failed: {[process.returncode for process in processes]}")
    return time.monotonic() - began, sum(cpu.values())


class TinyWorker:
    """Answers at once, without a model: what is measured is the way to it and back."""

    def __init__(self, setup: WorkerSetup) -> None: ...

    def load(self) -> float:
        """Nothing is loaded."""
        return 0.0

    def answer(self, task: VideoTask) -> TaskOutcome:
        """A tiny record a question."""
        records = (
            {"schema": "dynfocus.answer/1", "video": task.video, "answer": "yes"} for _ in task.requests
        )
        results = (TaskResult(one, record) for one, record in zip(task.requests, records, strict=True))
        return TaskOutcome(task, tuple(results), Content(f"object:{task.video}"))


def driver(records: int) -> dict[str, Any]:
    """Records a second of one driver, and its memory at tenths of the way."""
    from dynfocus_cli.batch.questions import Query, QuestionFile
    from dynfocus_cli.batch.ray_cluster import cluster
    from dynfocus_cli.batch.ray_pool import PoolSize, WorkerPool
    from dynfocus_cli.batch.video_questions import VideoQuestions
    from dynfocus_cli.cli.each_by_ray import SharedJob
    from dynfocus_cli.cli.job import Job
    from dynfocus_cli.cli.resuming import ResumableResults
    from dynfocus_cli.options import DecodingOptions, RunOptions

    videos = [f"local:///videos/{number:07}.mp4" for number in range(records)]
    questions = VideoQuestions(QuestionFile((Query("Is it there?"),), ()))
    options = RunOptions(decoding=DecodingOptions(cache=False))
    results = ResumableResults("out.jsonl", False, lambda several: "ask model=m", options, remote=True)
    memory: list[int] = []
    own = psutil.Process()
    setup = WorkerSetup(None, None, {}, "/")  # type: ignore[arg-type]
    with results.opened(quiet=True), cluster(None, 2) as ray:
        results.resume(several_videos=True, quiet=True)
        run = SharedJob(Job(videos, True, questions, RunOptions(), "text", True, results))
        pool = WorkerPool(ray, setup, PoolSize(2, 2, 1, 0), 2, TinyWorker)
        began, cpu = time.monotonic(), sum(own.cpu_times()[:2])
        for outcome in pool.run(run.tasks()):
            if outcome is not None:
                run.take(outcome)
                if run.given % (records // 10) == 0:
                    memory.append(own.memory_info().rss)
                    print(f"{run.given} records, {memory[-1] / 2**20:.0f} MiB", file=sys.stderr)
        seconds, cpu = time.monotonic() - began, sum(own.cpu_times()[:2]) - cpu
    with open("out.jsonl", "rb") as file:
        assert sum(1 for _ in file) == records
    growth = (memory[-1] - memory[0]) / (records * 0.9)
    print(
        f"{records / seconds:.0f} records a second, {records / cpu:.0f} a second of the processor",
        file=sys.stderr,
    )
    return {
        "records": records,
        "records_a_second": records / seconds,
        "records_a_cpu_second": records / cpu,
        "memory_bytes": memory,
        "bytes_a_record": growth,
        "load": os.getloadavg(),
    }


def kills(clips: int) -> dict[str, Any]:
    """Two nodes of a cluster on this machine: a worker is killed at a fifth of the way, a node at two fifths,
    the driver at three fifths, and the same command goes on."""
    from ray.cluster_utils import Cluster

    write_clips("all", clips)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = nodes.add_node(num_cpus=1)
    more = ("--engine", "ray", "--address", nodes.address, "--workers", "2", "--output", "out.jsonl")
    command = [DYNFOCUS, "ask", "all", *ASK, *more]
    try:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            wait_for(process, clips // 5)
            workers = [each for each in psutil.process_iter() if "VideoWorker" in " ".join(command_of(each))]
            workers[0].send_signal(signal.SIGKILL)
            print(f"killed 1 of {len(workers)} workers at {lines()}", file=sys.stderr)
            wait_for(process, 2 * clips // 5)
            nodes.remove_node(second, allow_graceful=False)
            print(f"killed a node at {lines()}", file=sys.stderr)
            wait_for(process, 3 * clips // 5)
            process.send_signal(signal.SIGKILL)
            print(f"killed the driver at {lines()}", file=sys.stderr)
        before = Path("out.jsonl").read_bytes()
        again = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    finally:
        nodes.shutdown()
    after = Path("out.jsonl").read_bytes()
    records = [json.loads(line) for line in after.splitlines()]
    return {
        "clips": clips,
        "exit_code": again.returncode,
        "before_the_driver_was_killed": before.count(b"\n"),
        "records": len(records),
        "keys": len({record["key"] for record in records}),
        "errors": sum("error" in record for record in records),
        "kept": after.startswith(before[: before.rindex(b"\n") + 1]),
    }


def lines() -> int:
    """Records in the file."""
    return Path("out.jsonl").read_bytes().count(b"\n") if os.path.exists("out.jsonl") else 0


def wait_for(process: subprocess.Popen[bytes], count: int) -> None:
    """Waits until the file has so many records."""
    while lines() < count:
        if process.poll() is not None:
            raise SystemExit(f"it ended with {process.returncode} at {lines()}")
        time.sleep(0.05)


def command_of(process: psutil.Process) -> list[str]:
    """The words that started a process."""
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:  # it has ended
        return []
    return words


if __name__ == "__main__":
    main()
