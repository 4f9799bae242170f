"""ActivityNet-QA: short answers about videos of people doing something, of three minutes at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from dynfocus_cli.evaluation.ablation import ablation_rows
from dynfocus_cli.evaluation.benchmark import Protocol
from dynfocus_cli.evaluation.item import Item, Prompt
from dynfocus_cli.evaluation.short_answers import Question, ShortAnswers, other_data_set

# lmms-eval 0.7.3, lmms_eval/tasks/activitynetqa/_default_template_yaml, `post_prompt`.
INSTRUCTION = " Answer the question using a single word or phrase."


class ActivityNetQA(ShortAnswers):
    name = "activitynet-qa"
    title = "ActivityNet-QA: short answers, judged, about 800 videos of up to 3 min, 8,000 questions"
    url = "https://github.com/MILVLG/activitynet-qa"
    protocols = ("official", "lmms-eval")
    published: ClassVar = ablation_rows("activitynet-qa")

    # MILVLG/activitynet-qa, dataset/README.md.
    types: ClassVar = {
        "0": "motion",
        "1": "spatial relationship",
        "2": "temporal relationship",
        "3": "yes or no",
        "4": "color",
        "5": "object",
        "6": "location",
        "7": "number",
        "8": "other",
    }

    def other_benchmark(self, questions: Sequence[Question]) -> str:
        return other_data_set(questions, "msvd-qa", "msrvtt-qa")

    def video_names(self, data: Path) -> Callable[[str], Sequence[str]]:
        """ActivityNet's files are called `v_` and the id at YouTube."""
        return lambda video: (f"v_{video}", video)

    def prompt(self, item: Item, protocol: Protocol, subtitles: Sequence[str] | None = None) -> Prompt:
        prompt = super().prompt(item, protocol, subtitles)
        if protocol != "lmms-eval":
            return prompt
        # lmms-eval 0.7.3, lmms_eval/tasks/activitynetqa/utils.py, `activitynetqa_doc_to_text`.
        question = str(item.official["question"])
        return Prompt(f"{prompt.text.removesuffix(question)}{question.capitalize()}?{INSTRUCTION}")
