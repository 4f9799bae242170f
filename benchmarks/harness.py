"""Hypothesis: `lmms_eval --model dynfocus` gives the answers of `dynfocus ask`, in words, rounds and choices.

Run it by the Python of an environment with dynfocus and lmms-eval in it:

    python benchmarks/harness.py --clips 2 --out benchmarks/results/harness.json

It writes generated clips and four tasks about them into a temporary folder, has lmms-eval run the tasks with
`dynfocus-tiny` in a process of its own, and compares each answer that lmms-eval stored with that of `ask`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dynfocus_cli import load
from dynfocus_cli.synth.write import QUESTIONS_FILE, write_clips
from provenance import provenance

TASKS = """
def doc_to_visual(doc):
    return [doc["path"]]

def doc_to_choice(doc):
    return doc["choices"]

def doc_to_target(doc):
    return doc["choices"].index(doc["answer"])

def rounds(doc, previous_output=None, round_idx=None, previous_round_info=None, **_):
    if not round_idx:
        return doc["question"]
    return [], doc["question"] + " " * round_idx, round_idx == 2, previous_output, round_idx

def right(doc, results):
    last = results[0][-1] if isinstance(results[0], list) else results[0]
    return {"right": float(last.strip() == doc["answer"])}
"""

COMMON = """
dataset_path: json
dataset_kwargs:
  data_files:
    test: {documents}
test_split: test
doc_to_visual: !function tasks.doc_to_visual
task: {task}
output_type: {kind}
"""

GENERATION = """
doc_to_target: answer
process_results: !function tasks.right
generation_kwargs:
  max_new_tokens: 64
metric_list:
  - metric: right
    aggregation: mean
    higher_is_better: true
"""

CHOICES = """
doc_to_text: question
doc_to_choice: !function tasks.doc_to_choice
doc_to_target: !function tasks.doc_to_target
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""

KINDS = {
    "dynfocus_open": ("generate_until", "doc_to_text: question\n" + GENERATION, ()),
    "dynfocus_open_simple": ("generate_until", "doc_to_text: question\n" + GENERATION, ("--force_simple",)),
    "dynfocus_rounds": (
        "generate_until_multi_round",
        "doc_to_text: !function tasks.rounds\n" + GENERATION,
        (),
    ),
    "dynfocus_choices": ("multiple_choice", CHOICES, ("--force_simple",)),
}
"""Task -> lmms-eval's kind of it, the rest of its file, and options of the command."""


def write_documents(folder: Path, clips: int) -> list[dict[str, Any]]:
    """Generated clips and questions about them, each with four answers to choose from."""
    list(write_clips(folder / "clips", clips, seed=7))
    lines = (folder / "clips" / QUESTIONS_FILE).read_text().splitlines()
    questions = [json.loads(line) for line in lines]
    answers = sorted({question["answer"] for question in questions})
    documents = []
    for number, question in enumerate(questions):
        others = [answer for answer in answers[number:] + answers[:number] if answer != question["answer"]]
        documents.append(
            {
                "path": str(folder / "clips" / question["video"]),
                "question": question["question"],
                "answer": question["answer"],
                "choices": sorted([question["answer"], *others[:3]]),
            }
        )
    (folder / "documents.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents))
    return documents


def write_task(folder: Path, task: str) -> Sequence[str]:
    """The files of one task; returns the options that lmms-eval runs it with."""
    kind, rest, options = KINDS[task]
    common = COMMON.format(documents=folder / "documents.jsonl", task=task, kind=kind)
    (folder / "tasks.py").write_text(TASKS)
    (folder / f"{task}.yaml").write_text(common + rest)
    return options


def run_task(folder: Path, task: str, options: Sequence[str]) -> list[dict[str, Any]]:
    """What lmms-eval stored of each question, in the documents' order."""
    output = folder / "output" / task
    command = [sys.executable, "-m", "lmms_eval", "--model", "dynfocus"]
    command += ["--model_args", "pretrained=dynfocus-tiny", "--include_path", str(folder), "--tasks", task]
    command += ["--log_samples", "--output_path", str(output), "--batch_size", "1", *options]
    environment = {**os.environ, "HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    samples = sorted(output.rglob(f"*samples_{task}.jsonl"))
    if done.returncode or not samples:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    records = [json.loads(line) for line in samples[-1].read_text().splitlines()]
    return sorted(records, key=lambda record: record["doc_id"])


def stored(record: Mapping[str, Any]) -> Any:
    """The answer in a record, or those of all rounds, out of the lists of one that lmms-eval keeps it in."""
    answer = record["filtered_resps"]
    while isinstance(answer, list) and len(answer) == 1:
        (answer,) = answer
    return answer


def likeliest(record: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The choice that lmms-eval takes: that of the least loss."""
    losses = [float(pair[0]) for pair in record["filtered_resps"]]
    return str(document["choices"][losses.index(min(losses))])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--clips", type=int, default=2)
    arguments.add_argument("--out", type=Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        documents = write_documents(folder, given.clips)
        records = {task: run_task(folder, task, write_task(folder, task)) for task in KINDS}
        model = load("dynfocus-tiny")
        equal = dict.fromkeys(KINDS, 0)
        right = 0
        for number, document in enumerate(documents):
            path, question = document["path"], document["question"]
            words = model.ask(path, question).answer
            right += words == document["answer"]
            for task in ("dynfocus_open", "dynfocus_open_simple"):
                equal[task] += stored(records[task][number]) == words
            equal["dynfocus_rounds"] += stored(records["dynfocus_rounds"][number]) == [words] * 2
            letter = model.ask(path, question, choices=document["choices"]).answer
            chosen = document["choices"]["ABCD".index(letter)]
            equal["dynfocus_choices"] += likeliest(records["dynfocus_choices"][number], document) == chosen
        for task, count in equal.items():
            print(f"{task:24} {count} of {len(documents)} answers are those of `ask`")
    result = {
        "hypothesis": (__doc__ or "").partition("\n\n")[0].removeprefix("Hypothesis: "),
        "lmms_eval": version("lmms_eval"),
        "questions": len(documents),
        "right": right,
        "equal": equal,
        "provenance": provenance(),
    }
    if given.out:
        given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({"questions": len(documents), "right": right, "equal": equal}))
    if set(equal.values()) != {len(documents)}:
        sys.exit(1)


if __name__ == "__main__":
    main()
