"""What lmms-eval, VLMEvalKit and the makers' scripts make of responses. Run by `scorers.py` in an environment
that has lmms-eval 0.7.3, which is not ours.

    python scorers_reference.py CHECKOUTS < requests.json > outcomes.json

A request has a benchmark, the documents as lmms-eval has them, and a response to each. Of lmms-eval the task
modules are imported; its package of all tasks and the libraries that decode videos are stood in for by empty
modules. Of the other checkouts the named functions are compiled out of their files, whose imports are heavy.
"""

from __future__ import annotations

import ast
import copy
import importlib
import json
import os
import random
import re
import string
import sys
import types
from pathlib import Path
from typing import Any


def main() -> None:
    checkouts = Path(sys.argv[1])
    random.choice = lambda choices: ""  # type: ignore[assignment]  # an unparsed answer stays one
    outcomes = [outcome(checkouts, request) for request in json.load(sys.stdin)]
    json.dump(outcomes, sys.stdout)


def outcome(checkouts: Path, request: dict[str, Any]) -> dict[str, Any]:
    scorer = getattr(sys.modules[__name__], request["scorer"])
    result: dict[str, Any] = scorer(checkouts, request["documents"], request["responses"])
    return result


def lmms_eval_mlvu_dev(_: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    return _lmms_eval_mlvu("mlvu_dev.yaml", "mlvu_aggregate_results_dev", documents, responses)


def lmms_eval_mlvu_test(_: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    return _lmms_eval_mlvu("mlvu_test.yaml", "mlvu_aggregate_results_test", documents, responses)


def _lmms_eval_mlvu(yaml: str, aggregate: str, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    task = _task("mlvu")
    rows = [
        task.mlvu_process_results(document, [response])["mlvu_percetion_score"]
        for document, response in zip(documents, responses, strict=True)
    ]
    return {
        "letters": [row["pred_answer"] for row in rows],
        "right": [row["pred_answer"] == row["answer"] for row in rows],
        "prompts": [task.mlvu_doc_to_text(document, _options(task, yaml)) for document in documents],
        "figures": {"M-Avg": getattr(task, aggregate)(rows)},
    }


def lmms_eval_lvbench(_: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    task = _task("lvbench")
    right = [
        bool(task.lvbench_process_results(document, [response])["lvbench_score"])
        for document, response in zip(documents, responses, strict=True)
    ]
    return {
        "letters": [task.extract_characters_regex(response) for response in responses],
        "right": right,
        "prompts": [
            task.lvbench_doc_to_text(document, _options(task, "lvbench.yaml")) for document in documents
        ],
        "figures": {"Overall": 100 * sum(right) / len(right)},
    }


def lmms_eval_video_mme(_: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    task = _task("videomme")
    rows = [
        task.videomme_process_results(document, [response])["videomme_perception_score"]
        for document, response in zip(documents, responses, strict=True)
    ]
    return {
        "letters": [row["pred_answer"] for row in rows],
        "right": [bool(row["score"]) for row in rows],
        "prompts": [
            task.videomme_doc_to_text(document, _options(task, "videomme.yaml")) for document in documents
        ],
        "figures": {"overall": task.videomme_aggregate_results(rows)},
    }


def lmms_eval_video_mme_v2(_: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    task = _task("videomme_v2")
    rows = [
        task.videomme_v2_process_results(document, [response])["videomme_v2_overall_score"]
        for document, response in zip(documents, responses, strict=True)
    ]
    figures = task._compute_all_subscores(rows)
    names = {"total": "overall", "relevance": "relevance", "logic": "logic"}
    names |= {f"level {level}": f"level_{level}" for level in (1, 2, 3)}
    return {
        "letters": ["" if row["pred_answer"] == "Z" else row["pred_answer"] for row in rows],
        "right": [bool(row["score"]) for row in rows],
        "prompts": [
            task.videomme_v2_doc_to_text(document, _options(task, "videomme_v2.yaml"))
            for document in documents
        ],
        "figures": {ours: figures[f"{theirs}_score"] for ours, theirs in names.items()}
        | {"accuracy": figures["overall_acc"]},
    }


def lmms_eval_longvideobench(_: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    task = _task("longvideobench")
    rows = [
        task.longvideobench_process_results(document, [response])["lvb_acc"]
        for document, response in zip(documents, responses, strict=True)
    ]
    overall = 100 * task.longvideobench_aggregate_results(rows)
    return {
        "letters": [row["parsed_pred"] for row in rows],
        "right": [row["parsed_pred"] == row["answer"] for row in rows],
        "prompts": [
            task.longvideobench_doc_to_text(document, _options(task, "longvideobench_val_v.yaml"))
            for document in documents
        ],
        # With a random choice that chooses nothing.
        "figures": {"overall, unparsed counted as wrong": overall},
    }


def vlmevalkit_video_mme(checkouts: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    return _vlmevalkit(checkouts, "videomme.py", "extract_characters_regex", documents, responses)


def vlmevalkit_video_mme_v2(checkouts: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    return _vlmevalkit(checkouts, "videomme.py", "extract_characters_regex_v2", documents, responses)


def vlmevalkit_longvideobench(checkouts: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    return _vlmevalkit(checkouts, "longvideobench.py", "extract_characters_regex", documents, responses)


def _vlmevalkit(
    checkouts: Path, file: str, name: str, documents: list[Any], responses: list[str]
) -> dict[str, Any]:
    extract = _functions(checkouts / "VLMEvalKit/vlmeval/dataset/utils" / file, name)[name]
    letters = [extract(response) for response in responses]
    return {
        "letters": letters,
        "right": [letter == document["answer"] for letter, document in zip(letters, documents, strict=True)],
    }


def vlmevalkit_mlvu(checkouts: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    folder = checkouts / "VLMEvalKit/vlmeval"
    matching = _functions(
        folder / "utils/matching_util.py", "can_infer", "can_infer_option", "can_infer_text"
    )
    check = _functions(folder / "dataset/utils/mlvu.py", "check_ans_with_model")
    # With the policy `exact_matching`, which asks no language model.
    check["extract_answer_from_item"] = lambda model, item, name: {
        "opt": matching["can_infer"](item["prediction"], dict(item["choices"])) or "Z"
    }
    right = []
    for document, response in zip(documents, responses, strict=True):
        choices = dict(zip("ABCD", document["candidates"], strict=True))
        item = {"prediction": response, "answer": document["answer"], "choices": choices}
        answer = f"({document['answer']}) {choices[document['answer']]}"
        right.append(bool(check["check_ans_with_model"](response, answer, None, item)))
    return {"right": right, "figures": {"M-Avg": 100 * sum(right) / len(right)}}


def official_mlvu(checkouts: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    path = checkouts / "MLVU/evaluation/multiple_choice_evaluation/choice_bench.py"
    check = _functions(path, "check_ans")["check_ans"]
    right, tasks = [], dict[str, list[bool]]()
    for document, response in zip(documents, responses, strict=True):
        right.append(bool(check(response.strip(), f"({document['answer']}) a text")))
        tasks.setdefault(document["task_type"], []).append(right[-1])
    means = [100 * sum(values) / len(values) for values in tasks.values()]
    return {"right": right, "figures": {"M-Avg": sum(means) / len(means)}}


def official_video_mme(checkouts: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    path = checkouts / "parse_answer/eval_your_results.py"
    extract = _functions(path, "extract_characters_regex")["extract_characters_regex"]
    letters = [extract(response) for response in responses]
    return {
        "letters": letters,
        "right": [letter == document["answer"] for letter, document in zip(letters, documents, strict=True)],
    }


def official_video_mme_v2(checkouts: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    path = checkouts / "Video-MME-v2/evaluation/test_video_mme_v2.py"
    extract = _functions(path, "extract_characters_regex_v2")["extract_characters_regex_v2"]
    letters = [extract(response) for response in responses]
    return {
        "letters": letters,
        "right": [letter == document["answer"] for letter, document in zip(letters, documents, strict=True)],
    }


def official_lvbench(checkouts: Path, documents: list[Any], responses: list[str]) -> dict[str, Any]:
    polish = _functions(checkouts / "LVBench/lvbench/utils/answer_util.py", "polish_answer")["polish_answer"]
    letters = [polish(response) for response in responses]
    return {
        "letters": letters,
        "right": [letter == document["answer"] for letter, document in zip(letters, documents, strict=True)],
    }


def _functions(path: Path, *names: str) -> dict[str, Any]:
    """The named functions of a file, and the assignments to names in capitals that they may read."""
    body = [
        node
        for node in ast.parse(path.read_text()).body
        if (isinstance(node, ast.FunctionDef) and node.name in names)
        or (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id.strip("_").isupper()
        )
    ]
    logger = types.SimpleNamespace(info=print, warning=print)
    space: dict[str, Any] = {"re": re, "os": os, "cp": copy, "string": string, "logger": logger}
    exec(compile(ast.Module(body, []), str(path), "exec"), space)
    return space


def _task(name: str) -> Any:
    """The module of a task of lmms-eval."""
    import datasets  # noqa: F401  # before torch is stood in for, which it looks for
    import lmms_eval

    for module in ("torch", "decord", "transformers"):
        if module not in sys.modules:
            stand_in = types.ModuleType(module)
            stand_in.__getattr__ = lambda name: type(name, (), {})  # type: ignore[method-assign]
            sys.modules[module] = stand_in
    if "lmms_eval.tasks" not in sys.modules:
        package = types.ModuleType("lmms_eval.tasks")
        package.__path__ = [str(Path(lmms_eval.__file__).with_name("tasks"))]
        sys.modules["lmms_eval.tasks"] = package
    from loguru import logger

    logger.remove()
    return importlib.import_module(f"lmms_eval.tasks.{name}.utils")


def _options(task: Any, yaml: str) -> dict[str, str]:
    """`lmms_eval_specific_kwargs` of a task, which has none where models decide."""
    import yaml as reader

    lines = Path(task.__file__).with_name(yaml).read_text().splitlines()
    content = reader.safe_load("\n".join(line for line in lines if "!function" not in line))
    options: dict[str, str] = content.get("lmms_eval_specific_kwargs", {}).get("default", {})
    return options


if __name__ == "__main__":
    main()
