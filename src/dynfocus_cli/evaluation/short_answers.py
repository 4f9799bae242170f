"""Data sets of short answers in words, which Video-ChatGPT's scripts have a language model judge.

MSVD-QA, MSRVTT-QA and ActivityNet-QA came with exact match as their measure. Since language models answer in
sentences, their answers are judged: right or wrong, and by a score from 0 to 5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import Protocol, QuestionBenchmark
from dynfocus_cli.evaluation.item import Dataset, Item, Prediction, Prompt, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.judge_prompt import JudgePrompt
from dynfocus_cli.evaluation.official_files import (
    as_text,
    find_file,
    json_bytes,
    official_file,
    read_json_rows,
    require_fields,
)
from dynfocus_cli.evaluation.official_prompts import question_answer_prompt
from dynfocus_cli.evaluation.video_folder import VideoFolder


@dataclass(frozen=True, slots=True)
class Question:
    """An entry of the official files, whichever of the two layouts they have."""

    id: Any
    """As the file gives it, a number or a text."""
    video: str
    question: str | None
    answer: str | None
    type: str = ""


class ShortAnswers(QuestionBenchmark):
    """A data set in `test_qa.json`, or in `test_q.json` and `test_a.json`."""

    url = "https://github.com/mbzuai-oryx/Video-ChatGPT/blob/main/quantitative_evaluation/README.md"
    judged = True

    types: ClassVar[Mapping[str, str]] = {}
    """Types of questions, as the answers' file numbers them -> what the report calls them."""

    def other_benchmark(self, questions: Sequence[Question]) -> str:
        """The name of the benchmark whose files these are instead; empty where they are this one's."""
        raise NotImplementedError

    def video_names(self, data: Path) -> Callable[[str], Sequence[str]]:
        """What a video may be called, by the name that the official file has for it."""
        raise NotImplementedError

    def read(self, data: Path, split: str) -> Dataset:
        files, questions = self._questions(data)
        other = self.other_benchmark(questions)
        if other:
            raise UsageError(f"{files[0]} is of {other}, and not of {self.name}.")
        videos, names = VideoFolder(data), self.video_names(data)
        reader = ItemReader(videos)
        for question in questions:
            candidates = [name for name in names(question.video) if videos.paths(name)]
            reader.add(
                str(question.id),
                candidates[0] if candidates else question.video,
                question.question,
                question.answer,
                needs_answer=True,
                task=self.types.get(question.type, question.type),
                official={"id": question.id, "video": question.video, "question": question.question},
            )
        return reader.dataset(*files)

    def _questions(self, data: Path) -> tuple[list[Path], list[Question]]:
        together = find_file(data, "test_qa.json")
        if together:
            rows = read_json_rows(together)
            require_fields(together, rows, ("id", "video_id", "question", "answer"))
            return [together], [
                Question(row["id"], str(row["video_id"]), as_text(row["question"]), as_text(row["answer"]))
                for row in rows
            ]
        question_file = official_file(self, data, "test_qa.json", "test_q.json")
        answer_file = official_file(self, question_file.parent, "test_a.json")
        rows, answers = read_json_rows(question_file), read_json_rows(answer_file)
        require_fields(question_file, rows, ("video_name", "question", "question_id"))
        require_fields(answer_file, answers, ("answer",))
        return [question_file, answer_file], [
            Question(
                row["question_id"],
                str(row["video_name"]),
                as_text(row["question"]),
                as_text(answer["answer"]),
                str(answer.get("type", "")),
            )
            for row, answer in _joined(question_file, rows, answer_file, answers)
        ]

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        """The question alone, as Video-ChatGPT's run_inference_activitynet_qa.py asks it."""
        lines = "".join(f"{line}\n" for line in subtitles or ())
        return Prompt(f"{lines}{item.official['question']}")

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        return response.strip() or None

    def judge_prompts(self, predictions: Sequence[Prediction]) -> Sequence[JudgePrompt]:
        return [
            question_answer_prompt(
                one.item.id, one.item.official["question"], one.item.answer or "", one.response
            )
            for one in predictions
        ]

    def judged_score(self, item: Item, grades: Mapping[str, float]) -> float:
        return grades["correct"]

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """Accuracy in per cent and score from 0 to 5 over what is judged; exact match over all."""
        figures: dict[str, float] = {}
        judged = [one.grades for one in scored if one.grades]
        if judged:
            figures["Accuracy"] = 100 * sum(grades["correct"] for grades in judged) / len(judged)
            figures["Score"] = sum(grades["score"] for grades in judged) / len(judged)
        if scored:
            figures["Exact match"] = 100 * sum(map(_matches, scored)) / len(scored)
        return figures

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """`predictions.jsonl` is what LLaMA-VID's eval_msvd_qa.py and Video-LLaVA's eval_video_qa.py take,
        `video_chatgpt.json` what Video-ChatGPT's evaluate_activitynet_qa.py does."""
        lines, rows = [], []
        for one in scored:
            item, response = one.prediction.item, one.prediction.response
            question = item.official["question"]
            fields = {"question": question, "answer": item.answer, "pred": response}
            lines.append(json.dumps({"id": item.official["id"], **fields}) + "\n")
            rows.append(
                {"video_name": item.official["video"], "Q": question, "A": item.answer, "pred": response}
            )
        return {"predictions.jsonl": "".join(lines).encode(), "video_chatgpt.json": json_bytes(rows)}


def other_data_set(questions: Sequence[Question], *others: str) -> str:
    """Which of the other data sets the questions are of, told by their ids; empty where of none.

    ActivityNet-QA: question `v_1QIUV7WYKXg_3`. MSRVTT-QA: video 7010 or `video7010`, up to 9999. MSVD-QA:
    video 1451, `vid1451` or a clip's name `-4wsuPCjDBc_5_15`.
    """
    signs = {
        "activitynet-qa": lambda one: str(one.id).startswith("v_"),
        "msrvtt-qa": lambda one: re.fullmatch(r"(video)?[7-9]\d{3}", one.video),
        "msvd-qa": lambda one: re.fullmatch(r"(vid)?1\d{3}|.+_\d+_\d+", one.video),
    }
    return next((name for name in others if questions and all(map(signs[name], questions))), "")


def _matches(scored: Scored) -> bool:
    """Whether the answer is the right one, letter for letter but for capitals and a full stop."""
    answer = scored.prediction.item.answer or ""
    return scored.prediction.response.strip().rstrip(".").lower() == answer.strip().lower()


def _joined(
    question_file: Path,
    rows: Sequence[Mapping[str, Any]],
    answer_file: Path,
    answers: Sequence[Mapping[str, Any]],
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Each question with its answer: that of the same place, as the official scripts join them.

    Raises:
        UsageError: the files do not belong together.
    """
    if len(rows) != len(answers):
        raise UsageError(
            f"{question_file} has {len(rows)} questions and {answer_file} {len(answers)} answers: they do "
            "not belong together."
        )
    for row, answer in zip(rows, answers, strict=True):
        if answer.get("question_id", row["question_id"]) != row["question_id"]:
            raise UsageError(
                f"{question_file} and {answer_file} do not belong together: the answer in place of that to "
                f"{row['question_id']} is one to {answer['question_id']}."
            )
    return list(zip(rows, answers, strict=True))
