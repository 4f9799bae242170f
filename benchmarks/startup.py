"""Hypotheses: `dynfocus --help` costs at most five times what starting Python costs; a question about a clip
with cached features at most 0.7 times the processor time of `from transformers import LlamaForCausalLM`,
and on busy cores at most 1.1 times what it costs on quiet ones.

All sides in one run, interleaved; medians. Cores are made busy by an endless loop on each.

    python benchmarks/startup.py [--rounds 15] [--ask-rounds 5] [--before OLD_DYNFOCUS]
        [--out benchmarks/results/startup.json]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provenance import provenance

DEMO = Path(__file__).parent.parent / "examples" / "demo.mp4"
QUESTION = "What flashes up briefly?"
IMPORT = [sys.executable, "-c", "from transformers import LlamaForCausalLM"]
DYNFOCUS = str(Path(sysconfig.get_path("scripts")) / "dynfocus")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--ask-rounds", type=int, default=5)
    parser.add_argument("--before", help="the command of an older installation, to be compared with")
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()
    median = help_seconds(arguments.rounds)
    for name in ("help", "ask_help"):
        print(f"{name}: {median[name] / median['python']:.2f} x `python -c pass`")
    stages = ask_stages()
    print("ask, seconds a stage: " + ", ".join(f"{stage} {value:.3f}" for stage, value in stages.items()))
    commands = {"after": [DYNFOCUS]} | ({"before": [arguments.before]} if arguments.before else {})
    asks = {name: [*command, "ask", str(DEMO), QUESTION, "--json"] for name, command in commands.items()}
    seconds = {
        state: processor_seconds(asks | {"import": IMPORT}, loops, arguments.ask_rounds)
        for state, loops in {"quiet": 0, "busy": os.cpu_count() or 1}.items()
    }
    result = {
        "help_ratio": round(median["help"] / median["python"], 2),
        "ask_help_ratio": round(median["ask_help"] / median["python"], 2),
        "ask_stages_s": stages,
        "processor_s": seconds,
        "load_average_before": round(os.getloadavg()[2], 1),
    }
    for name in asks:
        ratio = round(seconds["quiet"][name] / seconds["quiet"]["import"], 2)
        busy = round(seconds["busy"][name] / seconds["quiet"][name], 2)
        print(f"ask, {name}: {ratio} x the import; on busy cores {busy} x as on quiet ones")
        result[f"ask_to_import_{name}"], result[f"ask_busy_to_quiet_{name}"] = ratio, busy
    result["measured"] = provenance("dynfocus-tiny")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def help_seconds(rounds: int) -> dict[str, float]:
    """Of help pages, and of Python doing nothing."""
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "help": [DYNFOCUS, "--help"],
        "ask_help": [DYNFOCUS, "ask", "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def ask_stages() -> dict[str, float]:
    """Seconds of each stage of a question, after one to warm the disk's cache; features are not cached."""
    stages = []
    for _ in range(4):
        ask = [DYNFOCUS, "ask", str(DEMO), QUESTION, "--json", "--no-cache"]
        output = subprocess.run(ask, check=True, capture_output=True, text=True).stdout
        stages.append(json.loads(output)["timings_s"])
    return {stage: statistics.median(run[stage] for run in stages[1:]) for stage in stages[0]}


def processor_seconds(commands: dict[str, list[str]], loops: int, rounds: int) -> dict[str, float]:
    """Of each command, user's and system's, beside so many endless loops; the first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    with busy(loops):
        for _ in range(rounds + 1):
            for name, command in commands.items():
                began = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                ended = resource.getrusage(resource.RUSAGE_CHILDREN)
                seconds[name].append(ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime)
    return {name: round(statistics.median(values[1:]), 2) for name, values in seconds.items()}


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Endless loops beside what runs within."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


if __name__ == "__main__":
    main()
