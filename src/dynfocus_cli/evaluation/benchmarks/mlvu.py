"""MLVU: long videos, nine tasks in the dev set, eleven in the test set, two of which are answered in words.

What is answered in words is judged by a language model; everything else is a choice of four options (dev) or
six (test).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, ClassVar

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.accuracy import accuracy, accuracy_by
from dynfocus_cli.evaluation.benchmark import Protocol, PublishedRow, QuestionBenchmark
from dynfocus_cli.evaluation.extractors import inferred_letter, likely_letter
from dynfocus_cli.evaluation.item import Dataset, Item, Prediction, Prompt, Scored
from dynfocus_cli.evaluation.item_reader import ItemReader, letter_of
from dynfocus_cli.evaluation.judge_prompt import JudgePrompt
from dynfocus_cli.evaluation.official_files import (
    as_list,
    find_file,
    json_bytes,
    official_file,
    read_json_rows,
    require_fields,
)
from dynfocus_cli.evaluation.official_prompts import MLVU_GRADES, sub_scene_prompt, summary_prompt
from dynfocus_cli.evaluation.video_folder import VideoFolder

DEV_FILES = {
    "1_plotQA": "plotQA",
    "2_needle": "needle",
    "3_ego": "ego",
    "4_count": "count",
    "5_order": "order",
    "6_anomaly_reco": "anomaly_reco",
    "7_topic_reasoning": "topic_reasoning",
    "8_sub_scene": "sub_scene",
    "9_summary": "summary",
}
"""A file of the dev set, and the folder of its videos -> the task."""

TEST_FILES = ("test_mcq_gt.json", "test_multi_choice_tasks.json", "test_question.json")
"""The test set with its answers, or as it was before they were published."""
TEST_WORDS_FILES = {"test_ssc_gt.json": "sub_scene", "test_vs_gt.json": "summary"}

# The abbreviations of JUNJIE99/MLVU, README.md, "MLVU-Test Leaderboard".
ABBREVIATIONS = {
    "topic_reasoning": "TR",
    "anomaly_reco": "AR",
    "needle": "NQA",
    "needleQA": "NQA",
    "ego": "ER",
    "plotQA": "PQA",
    "sportsQA": "SQA",
    "order": "AO",
    "count": "AC",
    "tutorialQA": "TQA",
    "sub_scene": "SSC",
    "summary": "VS",
}

# lmms-eval 0.7.3, lmms_eval/tasks/mlvu/utils.py, `TASK_TYPES` in the two `mlvu_aggregate_results_...`.
CHOICE_TASKS = {"dev": 7, "test": 9}

# JUNJIE99/MLVU, evaluation/multiple_choice_evaluation/choice_bench.py and evaluation_test/test_bench.py.
CHOICE_SYSTEM = (
    "Carefully watch this video and pay attention to every detail. Based on your observations, select the"
    " best option that accurately addresses the question."
)
CHOICE_INSTRUCTION = "\nOnly give the best option."
CHOICE_PREFIX = "Best Option: ("
# JUNJIE99/MLVU, evaluation/generation_evaluation/open_bench.py.
WORDS_SYSTEM = (
    "Carefully watch this video and pay attention to every detail. Based on your observations, answer the"
    " given questions."
)
# lmms-eval 0.7.3, lmms_eval/tasks/mlvu/mlvu_dev.yaml; mlvu_test.yaml has nothing after the question.
LMMS_EVAL_INSTRUCTION = "\nOnly give the best option.\nBest option: ("


def _row(model: str, *figures: float) -> PublishedRow:
    names = ("TR", "AR", "VS", "NQA", "ER", "PQA", "SSC", "AO", "AC", "G-Avg")
    return PublishedRow("DynFocus poster, MLVU (dev)", model, dict(zip(names, figures, strict=True)))


class MLVU(QuestionBenchmark):
    name = "mlvu"
    title = "MLVU: multiple choice and answers in words on long videos, 2,593 questions (dev) and 502 (test)"
    url = "https://huggingface.co/datasets/MLVU/MVLU and https://huggingface.co/datasets/MLVU/MLVU_Test"
    marks = ("1_plotQA.json", *TEST_FILES)
    splits = ("dev", "test")
    protocols = ("official", "lmms-eval", "vlmevalkit")
    judged = True
    published: ClassVar = (
        _row("VideoChat, 16 frames", 33.0, 32.0, 2.31, 27.0, 32.1, 27.6, 5.01, 24.3, 28.6, 3.66),
        _row("Video-ChatGPT, 100 frames", 26.9, 24.0, 2.31, 40.3, 42.0, 29.9, 5.48, 25.1, 31.1, 3.90),
        _row("Video-LLaMA2, 16 frames", 54.5, 41.5, 2.34, 39.4, 33.5, 35.4, 5.22, 18.5, 25.7, 3.78),
        _row("VideoChat2, 16 frames", 74.6, 51.5, 2.57, 42.0, 47.4, 43.8, 5.04, 22.8, 29.6, 4.45),
        _row("Video-LLaVA, 8 frames", 71.6, 57.0, 2.43, 53.2, 45.2, 48.4, 5.25, 20.1, 35.9, 4.73),
        _row("MovieChat, 2,048 frames", 29.5, 25.0, 2.33, 24.2, 24.7, 25.8, 3.23, 28.6, 22.8, 2.78),
        _row("Movie-LLM, 1 frame a second", 30.0, 29.0, 2.88, 29.6, 24.7, 24.1, 5.00, 20.5, 24.8, 3.94),
        _row("TimeChat, 96 frames", 23.1, 27.0, 2.54, 24.5, 28.4, 25.8, 4.29, 24.7, 32.0, 3.42),
        _row("LLaMA-VID, 1 frame a second", 50.8, 34.5, 3.22, 30.1, 32.7, 32.5, 5.22, 23.9, 27.8, 3.32),
        _row("MA-LMM, 1,000 frames", 51.9, 35.5, 2.12, 43.1, 38.9, 35.8, 4.80, 25.1, 24.3, 3.64),
        _row("MiniGPT4-Video, 90 frames", 70.9, 52.5, 2.64, 49.0, 48.6, 44.5, 4.07, 23.2, 23.0, 4.45),
        _row(
            "DynFocus, 16 frames, L = 25, K/L = 0.8",
            *(75.4, 60.5, 3.36, 50.6, 42.3, 50.5, 5.34, 26.2, 32.6, 4.35),
        ),
        _row(
            "DynFocus, 32 frames, L = 25, K/L = 0.8",
            *(76.2, 60.9, 3.36, 55.5, 41.5, 54.0, 5.39, 26.8, 32.8, 4.38),
        ),
        _row("GPT-4o, 0.5 frames a second", 87.4, 74.5, 4.90, 64.8, 57.1, 65.1, 6.69, 56.7, 46.3, 5.80),
    )

    def read(self, data: Path, split: str) -> Dataset:
        return self._read_test(data) if split == "test" else self._read_dev(data)

    def _read_dev(self, data: Path) -> Dataset:
        folder = official_file(self, data, "1_plotQA.json").parent
        files = [folder / f"{name}.json" for name in DEV_FILES]
        missing = [path.name for path in files if not path.is_file()]
        if missing:
            raise UsageError(f"{folder} holds 1_plotQA.json, but no {', '.join(missing)}.")
        reader = ItemReader(VideoFolder(data), "ABCD")
        for path, (name, task) in zip(files, DEV_FILES.items(), strict=True):
            for number, row in enumerate(_rows(path, task)):
                _add(reader, f"{task}_{number}", row, "dev", task, folder=name)
        return reader.dataset(*files)

    def _read_test(self, data: Path) -> Dataset:
        choices = official_file(self, data, *TEST_FILES)
        reader, files = ItemReader(VideoFolder(data), "ABCDEF"), [choices]
        for number, row in enumerate(_rows(choices, "", ("question_type",))):
            task = str(row["question_type"])
            _add(reader, str(row.get("question_id", f"{task}_{number}")), row, "test", task)
        for name, task in TEST_WORDS_FILES.items():
            path = find_file(data, name)
            if path:
                files.append(path)
                for number, row in enumerate(_rows(path, task)):
                    _add(reader, str(row.get("question_id", f"{task}_{number}")), row, "test", task)
        return reader.dataset(*files)

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        lines_above = "".join(f"{line}\n" for line in subtitles or ())
        if not item.options:
            return Prompt(f"{WORDS_SYSTEM}\n{lines_above}{item.question}")
        options = "".join(f"({option.letter}) {option.text}\n" for option in item.options)
        if protocol == "lmms-eval":
            # The question of lmms-eval's own data set ends with the options, each on a line.
            instruction = LMMS_EVAL_INSTRUCTION if item.official["split"] == "dev" else ""
            return Prompt(f"{lines_above}{item.question}\n{options}{instruction}")
        question = f"Question: {item.question}\nOptions:\n{options}".rstrip()
        prefix = CHOICE_PREFIX if protocol == "official" else ""
        return Prompt(f"{CHOICE_SYSTEM}\n{lines_above}{question}{CHOICE_INSTRUCTION}", prefix)

    def extract(self, item: Item, response: str, protocol: Protocol) -> str | None:
        if not item.options:
            return response.strip() or None
        if protocol == "lmms-eval":
            # lmms_eval/tasks/mlvu/utils.py, `extract_characters_regex`: also where there are six options.
            return likely_letter(response, "ABCD")
        letter = letter_before_parenthesis(response)
        if protocol == "vlmevalkit" and letter != item.answer:
            # VLMEvalKit e8e78f05, vlmeval/dataset/utils/mlvu.py, `check_ans_with_model`: another way where
            # the first does not come to the right answer.
            letter = inferred_letter(response, item.options) or letter
        return letter if letter in {option.letter for option in item.options} else None

    def summarise(self, scored: Sequence[Scored], protocol: Protocol) -> dict[str, float]:
        choices = [one for one in scored if one.prediction.item.options and one.score is not None]
        tasks = accuracy_by(choices, lambda item: (item.task,))
        totals = _totals(scored)
        figures = {}
        if choices:
            split = str(choices[0].prediction.item.official["split"])
            figures["M-Avg"] = {
                "official": mean(tasks.values()),
                "lmms-eval": sum(tasks.values()) / CHOICE_TASKS[split],
                "vlmevalkit": accuracy(choices),
            }[protocol]
        if totals:
            each = [total for totals_of_task in totals.values() for total in totals_of_task]
            means = {task: mean(values) for task, values in totals.items()}
            figures["G-Avg"] = mean(each) if protocol == "vlmevalkit" else mean(means.values())
            tasks |= means
        order = list(ABBREVIATIONS)
        for task in sorted(
            tasks, key=lambda task: (task not in order, order.index(task) if task in order else 0)
        ):
            figures[ABBREVIATIONS.get(task, task)] = tasks[task]
        return figures

    def judge_prompts(self, predictions: Sequence[Prediction]) -> Sequence[JudgePrompt]:
        prompts = []
        for prediction in predictions:
            item = prediction.item
            if item.options:
                continue
            if item.task == "summary":
                prompts.append(summary_prompt(item.id, str(item.answer), prediction.response))
            else:
                points = item.official["scoring_points"]
                prompts.append(sub_scene_prompt(item.id, item.question, points, prediction.response))
        return prompts

    def judged_score(self, item: Item, grades: Mapping[str, float]) -> float:
        return sum(grades[name] for name in MLVU_GRADES[item.task]) / 10

    def submission(self, scored: Sequence[Scored]) -> dict[str, bytes]:
        """`test_res.json` is what the makers' server takes of the test set; the other two are what
        evaluation/generation_evaluation/evaluate_ssc.py and evaluate_summary.py take."""
        files = {}
        choices = [
            {
                "question_id": one.prediction.item.id,
                "question_type": one.prediction.item.task,
                "option": one.prediction.response.split(")")[0].strip(),
            }
            for one in scored
            if one.prediction.item.options and one.prediction.item.official["split"] == "test"
        ]
        if choices:
            files["test_res.json"] = json_bytes(choices)
        for task, name in (("sub_scene", "subplot_all.json"), ("summary", "summary_all.json")):
            answers = [
                {
                    "video_name": one.prediction.item.official["video"],
                    "Q": one.prediction.item.question,
                    "A": one.prediction.item.answer,
                    "pred": one.prediction.response,
                }
                for one in scored
                if one.prediction.item.task == task
            ]
            if answers:
                files[name] = json_bytes(answers)
        return files


# JUNJIE99/MLVU, evaluation/multiple_choice_evaluation/choice_bench.py, `check_ans`.
def letter_before_parenthesis(response: str) -> str:
    """The character before the first `)`; the whole response where there is none."""
    text = response.strip()
    before, parenthesis, _ = text.partition(")")
    return before[-1:] if parenthesis else text


def _rows(path: Path, task: str, more: tuple[str, ...] = ()) -> list[Mapping[str, Any]]:
    rows = read_json_rows(path)
    words = {"sub_scene": ("answer", "scoring_points"), "summary": ("answer",)}
    require_fields(path, rows, ("video", "question", *words.get(task, ("candidates",)), *more))
    return rows


def _add(
    reader: ItemReader, id: str, row: Mapping[str, Any], split: str, task: str, *, folder: str = ""
) -> None:
    options = None if task in MLVU_GRADES else as_list(row["candidates"])
    answer = row.get("answer")
    reader.add(
        id,
        str(row["video"]),
        row["question"],
        letter_of(answer, options) if options and answer is not None else answer,
        options,
        needs_answer=task == "summary",
        folder=folder,
        task=task,
        official={"split": split, "video": row["video"], "scoring_points": row.get("scoring_points", [])},
    )


def _totals(scored: Sequence[Scored]) -> dict[str, list[float]]:
    """Task -> the sums of the two grades that a judge gave each answer in words."""
    totals: dict[str, list[float]] = {}
    for one in scored:
        task = one.prediction.item.task
        if task in MLVU_GRADES and one.grades:
            totals.setdefault(task, []).append(sum(one.grades[name] for name in MLVU_GRADES[task]))
    return totals
