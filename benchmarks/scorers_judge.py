"""MLVU's scripts that have answers in words judged, run on our submission files for `scorers.py`.

In place of the library `openai` they get a stand-in that asks nobody: it keeps what it was asked, and answers
with a fixed verdict. What it was asked is held against our prompts for a judge.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dynfocus_cli.evaluation.benchmark import find_benchmark
from dynfocus_cli.evaluation.item import Prediction, Scored

SCRIPTS = {"subplot_all.json": "evaluate_ssc.py", "summary_all.json": "evaluate_summary.py"}
RESPONSES = ("A man with a hat.", 'He says "no",\nthen leaves.', "")
STAND_IN = """
import json, runpy, sys, types
def create(**request):
    with open("asked.jsonl", "a") as file:
        file.write(json.dumps(request["messages"]) + "\\n")
    return {"choices": [{"message": {"content": "{'score': 1}"}}]}
openai = types.ModuleType("openai")
openai.ChatCompletion = types.SimpleNamespace(create=create)
sys.modules["openai"] = openai
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def judge_verdicts(python: Path, checkout: Path) -> list[dict[str, Any]]:
    """Of each script, whether it takes our file, and asks of each answer what we ask."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_words(folder / "MLVU_all")
        benchmark = find_benchmark("mlvu")
        items = benchmark.read(folder / "MLVU_all", "dev").items
        ours = [
            Scored(Prediction(item, "even", RESPONSES[number % 3], 320, 1.0), "", None)
            for number, item in enumerate(items)
        ]
        files = benchmark.submission(ours)
        rows = []
        for file, script in SCRIPTS.items():
            task = "summary" if "summary" in file else "sub_scene"
            prompts = benchmark.judge_prompts(
                [one.prediction for one in ours if one.prediction.item.task == task]
            )
            expected = sorted([prompt.system.split(), prompt.user.split()] for prompt in prompts)
            asked = run_script(folder, python, checkout, script, files[file])
            rows.append(
                {
                    "file": file,
                    "by": f"MLVU/evaluation/generation_evaluation/{script}, without a judge",
                    "asked": len(asked),
                    "equal": bool(asked) and sorted(asked) == expected,
                }
            )
        return rows


def run_script(folder: Path, python: Path, checkout: Path, script: str, content: bytes) -> list[Any]:
    """The words of the two messages about each answer; the script's indentation aside."""
    (folder / "predictions.json").write_bytes(content)
    (folder / "asked.jsonl").unlink(missing_ok=True)
    path = checkout / "evaluation/generation_evaluation" / script
    options = [
        "--pred_path",
        "predictions.json",
        "--output_dir",
        f"out_{script}",
        "--output_json",
        "out.json",
    ]
    done = subprocess.run(
        [python, "-c", STAND_IN, path, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        sys.exit(done.stderr)
    lines = (folder / "asked.jsonl").read_text().splitlines()
    return [[message["content"].split() for message in json.loads(line)] for line in lines]


def write_words(data: Path) -> None:
    """The dev set with two kinds of answers in words, and no other questions."""
    names = ("plotQA", "needle", "ego", "count", "order", "anomaly_reco", "topic_reasoning")
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (*names, "sub_scene", "summary")}
    for number in range(3):
        row = {"video": "clip.mp4", "duration": 60, "question": f"What happens in scene {number}?"}
        row["answer"] = "A man takes off his hat."
        rows["sub_scene"].append(row | {"scoring_points": ["a man", "a hat's brim"]})
        rows["summary"].append(row)
    (data / "json").mkdir(parents=True)
    for number, (name, entries) in enumerate(rows.items(), start=1):
        (data / "json" / f"{number}_{name}.json").write_text(json.dumps(entries))
    (data / "clip.mp4").touch()
