"""MSRVTT-QA: short answers about clips from the web."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dynfocus_cli.evaluation.short_answers import Question, ShortAnswers, other_data_set


class MsrvttQA(ShortAnswers):
    name = "msrvtt-qa"
    title = "MSRVTT-QA: short answers, judged, about 2,990 clips of 10 to 30 s, 72,821 questions"

    def other_benchmark(self, questions: Sequence[Question]) -> str:
        return other_data_set(questions, "activitynet-qa", "msvd-qa")

    def video_names(self, data: Path) -> Callable[[str], Sequence[str]]:
        """By the name itself, or by `video` and the number."""
        return lambda video: (video, f"video{video}")
