"""Charades-STA: sentences about what somebody does indoors, each with one moment (Gao et al., ICCV 2017)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.item import Dataset
from dynfocus_cli.evaluation.item_reader import ItemReader
from dynfocus_cli.evaluation.moment_benchmark import MomentBenchmark
from dynfocus_cli.evaluation.official_files import official_file
from dynfocus_cli.evaluation.video_folder import VideoFolder
from dynfocus_cli.files import reason

FILE = "charades_sta_{}.txt"
LINE = re.compile(r"(\S+) ([\d.]+) ([\d.]+)##(.*)")
"""Video, start and end in seconds, sentence: `3MSZA 24.3 30.4##person turn a light on.`"""


class CharadesSTA(MomentBenchmark):
    name = "charades-sta"
    title = "Charades-STA: 3,720 queries with one moment each, about 1,334 videos of half a minute (test)"
    url = "https://github.com/jiyanggao/TALL"
    marks = (FILE.format("test"), FILE.format("train"))
    splits: ClassVar[tuple[str, ...]] = ("test", "train")

    def read(self, data: Path, split: str) -> Dataset:
        path = official_file(self, data, FILE.format(split))
        reader = ItemReader(VideoFolder(data))
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read as text ({reason(error)}).") from error
        if not any(LINE.fullmatch(line.strip()) for line in lines):
            raise UsageError(
                f"{path} is not Charades-STA's: its lines are `VIDEO START END##SENTENCE`, as in "
                "`3MSZA 24.3 30.4##person turn a light on.`"
            )
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            match = LINE.fullmatch(line.strip())
            if match is None:
                reader.problem(f"line {number}", "It is not `VIDEO START END##SENTENCE`.")
                continue
            video, start, end, sentence = match.groups()
            reader.add(str(number), video, sentence.strip(), None, spans_s=[_times(start, end)])
        return reader.dataset(path)


def _times(*texts: str) -> tuple[float | str, ...]:
    """As numbers, or as they are where they are none."""
    try:
        return tuple(float(text) for text in texts)
    except ValueError:
        return texts
