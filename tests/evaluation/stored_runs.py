"""RUN folders as a runner leaves them, of a small benchmark."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dynfocus_cli.evaluation.benchmark import Protocol, PublishedRow, QuestionBenchmark
from dynfocus_cli.evaluation.item import Dataset, Item, Prediction, Prompt, Scored
from dynfocus_cli.evaluation.judge_prompt import JudgePrompt

ARMS = ("dynfocus", "even", "key")


class Colours(QuestionBenchmark):
    """Questions with one word for an answer; a response in brackets is none."""

    name = "colours"
    title = "Colours: one word, made up"
    published = (PublishedRow("Table 1 of a paper", "Another model", {"total": 44.1}),)

    def read(self, data: Path, split: str) -> Dataset:
        raise NotImplementedError

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] = ()) -> Prompt:
        return Prompt(item.question)

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        return None if response.startswith("(") else response.strip().lower()

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        scores = [one.score for one in scored if one.score is not None]
        return {"total": 100 * sum(scores) / len(scores)}

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        answers = {one.prediction.item.id: one.extracted for one in scored}
        return {"answers.json": json.dumps(answers).encode()}


class JudgedColours(Colours):
    """The same with a judge for the questions about what moves."""

    judged = True

    def judge_prompts(self, predictions: Sequence[Prediction]) -> Sequence[JudgePrompt]:
        return [
            JudgePrompt((one.item.id,), "Give a grade from 0 to 5.", f"{one.item.id}: {one.response}", _grade)
            for one in predictions
            if one.item.task == "motion"
        ]

    def judged_score(self, item: Item, grades: Mapping[str, float]) -> float:
        return grades["grade"] / 5


def _grade(verdict: str) -> Mapping[str, float] | None:
    return {"grade": float(verdict)} if verdict else None


def prediction(number: int, arm: str, response: str, **fields: Any) -> dict[str, Any]:
    """The record of one answer: two questions a video, every third one about what moves."""
    tokens = {"dynfocus": 288, "even": 320, "key": 300}.get(arm, 320)
    return {
        "schema": "dynfocus.prediction/1",
        "key": f"{number:024x}{sum(arm.encode()):08x}",
        "settings": f"eval arm={arm}",
        "benchmark": "colours",
        "split": "test",
        "protocol": "official",
        "scoring": "generate",
        "id": f"{number:03d}",
        "video": f"clips/{number // 2:03d}.mp4",
        "question": f"What color is the ball at 00:{number % 60:02d}?",
        "task": "motion" if number % 3 == 0 else "color",
        "duration": "short" if number % 4 < 2 else "long",
        "group": "",
        "arm": arm,
        "options": {},
        "answer": "red",
        "official": {},
        "response": response,
        "tokens": {"video": tokens, "limit": 320, "prompt": 12, "generated": 1},
        "frames": 24,
        "key_frames": [{"time_s": 1.0}, {"time_s": 4.5}],
        "selection": {"scorer": "question"},
        "timings_s": {"decode": 0.1, "encode": 0.2, "select": 0.05, "generate": 0.1, "total": 0.45},
        "peak_memory": 1 << 30,
        "warnings": [],
        **fields,
    }


def failure(number: int, arm: str) -> dict[str, Any]:
    """The record of a question that an arm could not answer."""
    return {
        "schema": "dynfocus.error/1",
        "key": f"f{number:023x}{sum(arm.encode()):08x}",
        "settings": f"eval arm={arm}",
        "benchmark": "colours",
        "id": f"{number:03d}",
        "arm": arm,
        "video": f"clips/{number // 2:03d}.mp4",
        "error": {"code": 3, "kind": "VideoUnreadable", "message": "It ends early."},
    }


def predictions(count: int, shares: Mapping[str, float], seed: int = 1) -> list[dict[str, Any]]:
    """Answers of each arm, of which such a share is right; hard questions are hard for all arms."""
    draw = random.Random(seed)
    records = []
    for number in range(count):
        ease = draw.random()
        for arm, share in shares.items():
            right = ease * 0.8 + draw.random() * 0.2 < share
            records.append(prediction(number, arm, "red" if right else draw.choice(["blue", "green"])))
    return records


def write_run(
    folder: Path,
    records: Iterable[Mapping[str, Any]],
    shards: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    **settings: Any,
) -> Path:
    """A RUN folder with these records in predictions.jsonl, or with these in each of several files."""
    folder.mkdir(parents=True, exist_ok=True)
    run = {
        "schema": "dynfocus.run/1",
        "benchmark": "colours",
        "split": "test",
        "protocol": "official",
        "scoring": "generate",
        "arms": list(ARMS),
        "tokens": 320,
        "model": {"name": "dynfocus-tiny", "revision": "abc", "quantization": "none"},
        "files": {"colours.json": "0" * 64},
        "prompt": "What color is the ball at 00:00?",
        "version": "0.1.0",
        **settings,
    }
    (folder / "run.json").write_text(json.dumps(run))
    for name, part in (shards or {"predictions.jsonl": list(records)}).items():
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in part))
    return folder
