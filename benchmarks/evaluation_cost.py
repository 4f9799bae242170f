"""Hypothesis: `dynfocus eval` adds at most 10 % to what `ask` takes for the same questions, and makes
features once a video, however many questions and arms there are.

Both commands answer the same questions about the same generated clips, each in a process of its own and with
an empty cache, in turn; the processor's seconds of both are compared, since those of the clock depend on
what else the machine does. Then three arms are run, whose features are those of one.

    python benchmarks/evaluation_cost.py [--clips 6] [--questions 8] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from dynfocus_cli.synth.write import QUESTIONS_FILE, write_clips
from provenance import provenance

SEED = 21
BUDGET = "320"


class Cost(NamedTuple):
    """Of a process."""

    processor_s: float
    clock_s: float
    encoded: int = 0
    """Results for which frames went through the encoder; a time that a question names has frames of its own,
    so that this is more than one a video."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--questions", type=int, default=8, help="on each clip")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None, help="write the result here as JSON too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        clips = list(
            write_clips(work / "clips", arguments.clips, SEED, questions_per_clip=arguments.questions)
        )
        questions = work / "clips" / QUESTIONS_FILE
        count = len(questions.read_text(encoding="utf-8").splitlines())
        asks, evals, alls = list[Cost](), list[Cost](), list[Cost]()
        for _ in range(arguments.repeats):
            asks.append(ask(work, clips, questions))
            evals.append(evaluate(work, questions, "dynfocus"))
            alls.append(evaluate(work, questions, "dynfocus,even,key"))
    result = {
        "questions": count,
        "clips": len(clips),
        "ask_processor_s": median(asks),
        "eval_processor_s": median(evals),
        "eval_over_ask": round(median(evals) / median(asks), 3),
        "three_arms_over_one": round(median(alls) / median(evals), 3),
        "encoder_runs": {"ask": asks[0].encoded, "eval": evals[0].encoded, "three arms": alls[0].encoded},
        "clock_s": {"ask": [one.clock_s for one in asks], "eval": [one.clock_s for one in evals]},
        "measured": provenance(),
    }
    print(f"{count} questions about {len(clips)} clips, processor seconds (median of {arguments.repeats}):")
    print(f"  ask             {result['ask_processor_s']:7.2f}")
    print(f"  eval, one arm   {result['eval_processor_s']:7.2f}  {result['eval_over_ask']:.2f} of ask")
    print(f"  eval, 3 arms    {median(alls):7.2f}  {result['three_arms_over_one']:.2f} of one arm")
    print(f"  frames went through the encoder for {result['encoder_runs']} results")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


def ask(work: Path, clips: list[Path], questions: Path) -> Cost:
    """All questions by `ask`, into a file of results."""
    output = work / "answers.jsonl"
    output.unlink(missing_ok=True)
    flags = ["--questions", str(questions), "--output", str(output), "--budget", BUDGET, "--quiet"]
    cost = timed(work, ["ask", *map(str, clips), *flags])
    lines = output.read_text(encoding="utf-8").splitlines()
    return cost._replace(encoded=sum(json.loads(line)["cache"]["features"] != "hit" for line in lines))


def evaluate(work: Path, questions: Path, arms: str) -> Cost:
    """All questions by `eval run`."""
    output = work / "run"
    shutil.rmtree(output, ignore_errors=True)
    cost = timed(work, ["eval", "run", str(questions), "--arms", arms, "--output", str(output), "--quiet"])
    lines = (output / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    # Frames that are in the cache take no time in the encoder.
    return cost._replace(encoded=sum(json.loads(line)["timings_s"]["encode"] > 0.02 for line in lines))


def timed(work: Path, arguments: list[str]) -> Cost:
    """A command with an empty cache."""
    cache = work / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    command = [sys.executable, "-c", "from dynfocus_cli.cli.app import main; main()", *arguments]
    environment = {**os.environ, "DYNFOCUS_CACHE_DIR": str(cache), "DYNFOCUS_MODEL": "dynfocus-tiny"}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(round(processor, 2), round(time.monotonic() - begun, 2))


def median(costs: list[Cost]) -> float:
    return round(statistics.median(cost.processor_s for cost in costs), 2)


if __name__ == "__main__":
    main()
