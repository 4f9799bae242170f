"""MSVD-QA: short answers about short clips from YouTube."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.ablation import ablation_rows
from dynfocus_cli.evaluation.official_files import find_file
from dynfocus_cli.evaluation.short_answers import Question, ShortAnswers, other_data_set
from dynfocus_cli.files import reason

MAPPING = "youtube_mapping.txt"
"""A line a clip: its file's name and the number that the questions have for it, `-4wsuPCjDBc_5_15 vid1`."""


class MsvdQA(ShortAnswers):
    name = "msvd-qa"
    title = "MSVD-QA: short answers, judged, about 520 clips of some seconds, 13,157 questions"
    marks = (MAPPING,)
    published: ClassVar = ablation_rows("msvd-qa")

    def other_benchmark(self, questions: Sequence[Question]) -> str:
        return other_data_set(questions, "activitynet-qa", "msrvtt-qa")

    def video_names(self, data: Path) -> Callable[[str], Sequence[str]]:
        """By the name itself, by `vid` and the number, or as the mapping of the original data set has it."""
        path = find_file(data, MAPPING)
        clips = {} if path is None else _read_mapping(path)
        return lambda video: (video, f"vid{video}", clips.get(f"vid{video}", ""), clips.get(video, ""))


def _read_mapping(path: Path) -> dict[str, str]:
    """`vid1` -> `-4wsuPCjDBc_5_15`. Raises UsageError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({reason(error)}).") from error
    pairs = [re.fullmatch(r"(\S+)\s+(vid\d+)", line.strip()) for line in lines]
    return {pair[2]: pair[1] for pair in pairs if pair}
