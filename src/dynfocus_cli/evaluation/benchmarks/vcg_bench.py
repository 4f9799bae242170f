"""VCG-Bench: answers in sentences about 500 videos of ActivityNet, judged in five aspects.

It is the benchmark of Video-ChatGPT: its makers call it video-based generative performance benchmarking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from dynfocus_cli.evaluation.ablation import ablation_rows
from dynfocus_cli.evaluation.benchmark import Protocol, QuestionBenchmark
from dynfocus_cli.evaluation.item import Dataset, Item, Prediction, Prompt, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.judge_prompt import JudgePrompt
from dynfocus_cli.evaluation.official_files import (
    as_text,
    json_bytes,
    official_file,
    read_json_rows,
    require_fields,
)
from dynfocus_cli.evaluation.official_prompts import (
    VIDEO_CHATGPT_ASPECTS,
    aspect_prompt,
    consistency_prompt,
)
from dynfocus_cli.evaluation.video_folder import VideoFolder

FILES = {
    "generic": ("generic_qa.json", ("Q",)),
    "temporal": ("temporal_qa.json", ("Q",)),
    "consistency": ("consistency_qa.json", ("Q1", "Q2")),
}
"""Part of the benchmark -> its file, and that file's questions."""

JUDGED_ALONE = {"generic": ("correctness", "detail", "context"), "temporal": ("temporal",)}
"""Part of the benchmark -> aspects that each of its answers is judged in."""


class VcgBench(QuestionBenchmark):
    name = "vcg-bench"
    title = "VCG-Bench: answers in sentences, judged in five aspects, about 500 videos, about 3,000 questions"
    url = "https://github.com/mbzuai-oryx/Video-ChatGPT/blob/main/quantitative_evaluation/README.md"
    marks = ("generic_qa.json", "consistency_qa.json")
    judged = True
    published: ClassVar = ablation_rows("vcg-bench")

    def read(self, data: Path, split: str) -> Dataset:
        files = {part: official_file(self, data, name) for part, (name, _) in FILES.items()}
        reader = ItemReader(VideoFolder(data))
        for part, file in files.items():
            questions = FILES[part][1]
            rows = read_json_rows(file)
            require_fields(file, rows, ("video_name", *questions, "A"))
            for number, row in enumerate(rows):
                for question in questions:
                    reader.add(
                        f"{part}-{number}" if len(questions) == 1 else f"{part}-{number}-{question}",
                        row["video_name"],
                        as_text(row[question]),
                        as_text(row["A"]),
                        needs_answer=True,
                        task=part,
                        group=f"{part}-{number}",
                        official={"asked": question, "row": dict(row)},
                    )
        return reader.dataset(*files.values())

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        """The question alone, as Video-ChatGPT's run_inference_benchmark_general.py asks it."""
        lines = "".join(f"{line}\n" for line in subtitles or ())
        return Prompt(f"{lines}{_question(item)}")

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        return response.strip() or None

    def judge_prompts(self, predictions: Sequence[Prediction]) -> Sequence[JudgePrompt]:
        prompts = [
            aspect_prompt(aspect, one.item.id, _question(one.item), one.item.answer or "", one.response)
            for one in predictions
            for aspect in JUDGED_ALONE.get(one.item.task, ())
        ]
        for first, second in _wordings(predictions):
            prompts.append(
                consistency_prompt(
                    (first.item.id, second.item.id),
                    (_question(first.item), _question(second.item)),
                    first.item.answer or "",
                    (first.response, second.response),
                )
            )
        return prompts

    def judged_score(self, item: Item, grades: Mapping[str, float]) -> float:
        return sum(grades.values()) / len(grades) / 5

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        """The mean of each aspect, from 0 to 5, over what is judged; `Score` is the mean of all five."""
        means = {}
        for aspect in VIDEO_CHATGPT_ASPECTS:
            values = [one.grades[aspect] for one in scored if aspect in one.grades]
            if values:
                means[aspect.capitalize()] = sum(values) / len(values)
        complete = len(means) == len(VIDEO_CHATGPT_ASPECTS)
        return ({"Score": sum(means.values()) / len(means)} if complete else {}) | means

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """What Video-ChatGPT's evaluate_benchmark_*.py take: the first three `generic.json`."""
        predictions = [one.prediction for one in scored]
        parts: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for one in predictions:
            if one.item.task in JUDGED_ALONE:
                parts[one.item.task].append({**one.item.official["row"], "pred": one.response})
        for first, second in _wordings(predictions):
            answers = {"pred1": first.response, "pred2": second.response}
            parts["consistency"].append({**first.item.official["row"], **answers})
        return {f"{part}.json": json_bytes(rows) for part, rows in parts.items()}


def _question(item: Item) -> str:
    return str(item.official["row"][item.official["asked"]])


def _wordings(predictions: Sequence[Prediction]) -> list[tuple[Prediction, Prediction]]:
    """The answers to both wordings of a question, of those that have both."""
    groups: dict[str, dict[str, Prediction]] = defaultdict(dict)
    for one in predictions:
        if one.item.task == "consistency":
            groups[one.item.group][one.item.official["asked"]] = one
    return [(pair["Q1"], pair["Q2"]) for pair in groups.values() if len(pair) == 2]
