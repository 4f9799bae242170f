"""What the makers of benchmarks ask their judges, letter for letter, and how their verdicts are read.

A file in `prompts/` is a message. In place of the question, the answers and the like it has their names in
braces; all else is as in

    prompts/video_chatgpt/  mbzuai-oryx/Video-ChatGPT at 659e04b, quantitative_evaluation/evaluate_*.py
    prompts/mlvu/           JUNJIE99/MLVU at fd060c1, evaluation/generation_evaluation/evaluate_*.py
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dynfocus_cli.evaluation.judge_prompt import Grades, JudgePrompt

PROMPTS = Path(__file__).with_name("prompts")

VIDEO_CHATGPT_ASPECTS = ("correctness", "detail", "context", "temporal", "consistency")
"""What Video-ChatGPT's benchmark has judged, each by a grade from 0 to 5."""

MLVU_GRADES = {"sub_scene": ("accuracy", "relevance"), "summary": ("completeness", "reliability")}
"""The two tasks of MLVU that are answered in words -> the grades that each is given, from 1 to 5."""


def question_answer_prompt(item: str, question: str, answer: str, prediction: str) -> JudgePrompt:
    """Whether a short answer is right: the grades are `correct`, 0 or 1, and `score`, 0 to 5."""
    texts = {"question": question, "answer": answer, "prediction": prediction}
    system, user = _messages("video_chatgpt/qa", texts)
    return JudgePrompt((item,), system, user, read_question_answer)


def aspect_prompt(aspect: str, item: str, question: str, answer: str, prediction: str) -> JudgePrompt:
    """How good a long answer is in one of Video-ChatGPT's aspects, but for consistency."""
    texts = {"question": question, "answer": answer, "prediction": prediction}
    system, user = _messages(f"video_chatgpt/{aspect}", texts)
    return JudgePrompt((item,), system, user, lambda text: read_aspect(aspect, text))


def consistency_prompt(
    items: tuple[str, str], questions: tuple[str, str], answer: str, predictions: tuple[str, str]
) -> JudgePrompt:
    """How well the answers to two wordings of one question go together."""
    texts = {
        "first_question": questions[0],
        "second_question": questions[1],
        "answer": answer,
        "first_prediction": predictions[0],
        "second_prediction": predictions[1],
    }
    system, user = _messages("video_chatgpt/consistency", texts)
    return JudgePrompt(items, system, user, lambda text: read_aspect("consistency", text))


def sub_scene_prompt(item: str, question: str, scoring_points: object, prediction: str) -> JudgePrompt:
    """MLVU's sub-scene captioning. `scoring_points` are written as Python writes them, a list as a list."""
    texts = {
        "question": question.replace("\n", ""),
        "scoring_points": str(scoring_points),
        "prediction": prediction,
    }
    system, user = _messages("mlvu/sub_scene", texts)
    return JudgePrompt((item,), system, user, lambda text: read_mlvu("sub_scene", text))


def summary_prompt(item: str, answer: str, prediction: str) -> JudgePrompt:
    """MLVU's video summary."""
    system, user = _messages("mlvu/summary", {"answer": answer, "prediction": prediction})
    return JudgePrompt((item,), system, user, lambda text: read_mlvu("summary", text))


def read_question_answer(verdict: str) -> Grades | None:
    """
    `{'pred': 'yes', 'score': 4.8}` -> `{"correct": 1.0, "score": 4.0}`
    """
    record = _dictionary(verdict)
    # LLaMA-VID's eval_msvd_qa.py reads `predicted` too.
    said = str(record.get("pred", record.get("predicted", ""))).lower()
    score = _whole_number(record.get("score"))
    if score is None or not ("yes" in said or "no" in said):
        return None
    return {"correct": float("yes" in said), "score": score}


def read_aspect(aspect: str, verdict: str) -> Grades | None:
    """
    `{'score': 4.8}` -> `{aspect: 4.0}`
    """
    score = _whole_number(_dictionary(verdict).get("score"))
    return None if score is None else {aspect: score}


def read_mlvu(task: str, verdict: str) -> Grades | None:
    """
    `... {'score_accuracy': 3.5, 'score_relevance': 5, 'total_score': 8.5}` -> `{"accuracy": 3.5, ...}`

    A judge reasons before it gives its scores, so of several the last ones count.
    """
    grades = {}
    for name in MLVU_GRADES[task]:
        values = re.findall(rf"score_{name}['\"]?\s*:\s*(\d+(?:\.\d+)?)", verdict)
        score = _number(float(values[-1]), 1, 5) if values else None
        if score is None:
            return None
        grades[name] = score
    return grades


def _messages(name: str, texts: dict[str, str]) -> Sequence[str]:
    """The system's and the user's message, with the texts in their places."""
    places = re.compile("{(" + "|".join(texts) + ")}")
    return [
        places.sub(lambda place: texts[place[1]], _template(f"{name}.{part}.txt"))
        for part in ("system", "user")
    ]


@cache
def _template(name: str) -> str:
    return (PROMPTS / name).read_text(encoding="utf-8")


def _dictionary(verdict: str) -> dict[str, Any]:
    """The first dictionary in a verdict, written as in Python; empty where there is none."""
    _, opening, rest = verdict.partition("{")
    inside, closing, _ = rest.partition("}")
    try:
        record = ast.literal_eval(opening + inside + closing)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _whole_number(value: object) -> float | None:
    """A score from 0 to 5, cut down to a whole number, as the scripts do with it."""
    number = _number(value, 0, 6)
    return None if number is None or number == 6 else float(int(number))


def _number(value: object, low: float, high: float) -> float | None:
    """A number between these, also one that is written as text; None for anything else."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if low <= number <= high else None
