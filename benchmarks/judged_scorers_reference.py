"""The other side of `judged_scorers.py`: others' scorers, each run on our submission files.

It needs lmms-eval and torch, and nothing of dynfocus. The makers' scripts were written for a version of
OpenAI's client that is gone: the one call that they make goes to the judge directly.

    python judged_scorers_reference.py SCORER CHECKOUTS DATA JUDGE_URL
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import runpy
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

KINDS = {
    "obj_rel": ("object_relation", "Object-relation"),
    "temporal": ("temporal", "Temporal"),
    "semantic": ("semantic_detail", "Semantic detail"),
    "fact": ("external_factual", "Factual"),
    "nonfact": ("external_nonfactual", "Non-factual"),
}


def videohallucer(checkouts: Path, data: Path, url: str) -> dict[str, float]:
    """`evaluate` of the makers' script, which scores the results that it finds; then its overall means."""
    sys.path.insert(0, str(checkouts / "VideoHallucer" / "evaluations"))
    evaluate = importlib.import_module("evaluation_utils").evaluate
    figures, totals = {}, {"accuracy": 0.0, "basic_accuracy": 0.0, "halluc_accuracy": 0.0}
    names = {"accuracy": "", "basic_accuracy": " basic", "halluc_accuracy": " hallucinated"}
    for kind, (folder, name) in KINDS.items():
        scores = evaluate(
            model=None,
            model_name="dynfocus",
            qa_path=str(data / folder / f"{folder}.json"),
            qa_type=kind,
            video_dir_path=str(data / folder / "videos"),
            output_dir_path=str(data / "submission"),
        )
        for score, end in names.items():
            figures[name + end] = 100 * scores[score]
            totals[score] += 100 * scores[score] / len(KINDS)
    return figures | {f"Overall{end}": totals[score] for score, end in names.items()}


def run_script(script: Path, url: str, **options: object) -> str:
    """What a script of Video-ChatGPT's kind prints, with OpenAI's old client in place."""

    def create(messages: list[dict[str, str]], model: str, **_: object) -> Any:
        body = json.dumps({"model": model, "messages": messages}).encode()
        request = urllib.request.Request(
            f"{url}/chat/completions", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    client = ModuleType("openai")
    client.ChatCompletion = SimpleNamespace(create=create)  # type: ignore[attr-defined]
    sys.modules["openai"] = client
    given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    sys.argv = [str(script), *given, "--api_key", "none", "--num_tasks", "1"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(str(script), run_name="__main__")
    return printed.getvalue()


def figure(printed: str, beginning: str) -> float:
    """`Accuracy: 0.5` -> 0.5"""
    (line,) = [line for line in printed.splitlines() if line.startswith(beginning)]
    return float(line.rpartition(":")[2])


def judged_qa(script: Path, predictions: Path, data: Path, url: str) -> dict[str, float]:
    output = {"output_dir": data / script.stem, "output_json": data / f"{script.stem}.json"}
    printed = run_script(script, url, pred_path=predictions, **output)
    return {"Accuracy": 100 * figure(printed, "Accuracy"), "Score": figure(printed, "Average score")}


def video_chatgpt_qa(checkouts: Path, data: Path, url: str) -> dict[str, float]:
    script = checkouts / "Video-ChatGPT" / "quantitative_evaluation" / "evaluate_activitynet_qa.py"
    return judged_qa(script, data / "submission" / "video_chatgpt.json", data, url)


def llama_vid_qa(checkouts: Path, data: Path, url: str) -> dict[str, float]:
    script = checkouts / "LLaMA-VID" / "llamavid" / "eval" / "eval_msvd_qa.py"
    return judged_qa(script, data / "submission" / "predictions.jsonl", data, url)


ASPECTS = {
    "Correctness": ("evaluate_benchmark_1_correctness.py", "generic"),
    "Detail": ("evaluate_benchmark_2_detailed_orientation.py", "generic"),
    "Context": ("evaluate_benchmark_3_context.py", "generic"),
    "Temporal": ("evaluate_benchmark_4_temporal.py", "temporal"),
    "Consistency": ("evaluate_benchmark_5_consistency.py", "consistency"),
}


def video_chatgpt_vcg(checkouts: Path, data: Path, url: str) -> dict[str, float]:
    figures = {}
    for aspect, (name, part) in ASPECTS.items():
        printed = run_script(
            checkouts / "Video-ChatGPT" / "quantitative_evaluation" / name,
            url,
            pred_path=data / "submission" / f"{part}.json",
            output_dir=data / aspect,
            output_json=data / f"{aspect}.json",
        )
        figures[aspect] = figure(printed, "Average score")
    return figures


def lmms_eval_utils(task: str, data: Path, url: str) -> Any:
    """The module of a task, which reads its judge from the environment."""
    os.environ |= {
        "HF_HOME": str(data),
        "OPENAI_API_URL": f"{url}/chat/completions",
        "OPENAI_API_KEY": "none",
        "MODEL_VERSION": "judge",
    }
    return importlib.import_module(f"lmms_eval.tasks.{task}.utils")


def lmms_eval_activitynet_qa(checkouts: Path, data: Path, url: str) -> dict[str, float]:
    utils = lmms_eval_utils("activitynetqa", data, url)
    answers = json.loads((data / "test_a.json").read_text())
    rows = json.loads((data / "submission" / "video_chatgpt.json").read_text())
    results = [
        utils.activitynetqa_process_results(
            {**answer, "question": row["Q"], "video_name": row["video_name"]}, [row["pred"]]
        )
        for row, answer in zip(rows, answers, strict=True)
    ]
    return {
        "Accuracy": utils.activitynetqa_aggregate_accuracy(
            [one["gpt_eval_accuracy"] for one in results], None
        ),
        "Score": utils.activitynetqa_aggregate_score([one["gpt_eval_score"] for one in results], None),
    }


def lmms_eval_vcg(checkouts: Path, data: Path, url: str) -> dict[str, float]:
    utils = lmms_eval_utils("videochatgpt", data, url)
    rows = {
        part: json.loads((data / "submission" / f"{part}.json").read_text())
        for part in ("generic", "temporal", "consistency")
    }

    def mean(part: str, process: Callable[..., Any], score: str) -> float:
        results = [
            process(
                {"video_name": row["video_name"], "question": row["Q"], "answer": row["A"]}, [row["pred"]]
            )
            for row in rows[part]
        ]
        return float(
            utils.videochatgpt_aggregate_score([one[f"gpt_eval_score_{score}"] for one in results], None)
        )

    generic, temporal = (
        utils.videochatgpt_process_results_generic,
        utils.videochatgpt_process_results_temporal,
    )
    pairs = []
    for row in rows["consistency"]:
        document = {"video_name": row["video_name"], "answer": row["A"]}
        for first, second, response in (
            (row["Q1"], "None", row["pred1"]),
            ("None", row["Q2"], row["pred2"]),
        ):
            both = {**document, "question_1": first, "question_2": second}
            pairs.append(utils.videochatgpt_process_results_consistency(both, [response]))
    arguments = SimpleNamespace(output_path=str(data / "lmms_eval"))
    consistency = [one["gpt_eval_score_consistency"] for one in pairs]
    return {
        "Correctness": mean("generic", generic, "correctness"),
        "Detail": mean("generic", generic, "detailed_orientation"),
        "Context": mean("generic", generic, "context"),
        "Temporal": mean("temporal", temporal, "temporal"),
        "Consistency": utils.videochatgpt_aggregate_consistency(consistency, arguments),
    }


if __name__ == "__main__":
    scorer, checkouts, data, url = sys.argv[1:]
    functions = {
        one.__name__: one
        for one in (
            videohallucer,
            video_chatgpt_qa,
            llama_vid_qa,
            video_chatgpt_vcg,
            lmms_eval_activitynet_qa,
            lmms_eval_vcg,
        )
    }
    with contextlib.redirect_stdout(sys.stderr):
        figures = functions[scorer](Path(checkouts), Path(data), url)
    print(json.dumps(figures))
