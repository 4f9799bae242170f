"""Hypothesis: `dynfocus --help` costs at most five times what starting Python costs.

Both sides in one run, interleaved; then `ask` on the demo clip after one run to warm the disk's cache.

    python benchmarks/startup.py [--rounds 15] [--out benchmarks/results/startup.json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

from provenance import provenance

DEMO = Path(__file__).parent.parent / "examples" / "demo.mp4"
QUESTION = "What flashes up briefly?"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()
    dynfocus = str(Path(sysconfig.get_path("scripts")) / "dynfocus")
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "help": [dynfocus, "--help"],
        "ask_help": [dynfocus, "ask", "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(arguments.rounds):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    for name in ("help", "ask_help"):
        print(f"{name}: {median[name] / median['python']:.2f} x `python -c pass`")
    stages = []
    for _ in range(4):
        asked = [dynfocus, "ask", str(DEMO), QUESTION, "--json", "--no-cache"]
        output = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        stages.append(json.loads(output)["timings_s"])
    warm = {stage: statistics.median(run[stage] for run in stages[1:]) for stage in stages[0]}
    print("ask, seconds a stage: " + ", ".join(f"{stage} {value:.3f}" for stage, value in warm.items()))
    result = {
        "help_ratio": round(median["help"] / median["python"], 2),
        "ask_help_ratio": round(median["ask_help"] / median["python"], 2),
        "ask_stages_s": warm,
        "measured": provenance("dynfocus-tiny"),
    }
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
