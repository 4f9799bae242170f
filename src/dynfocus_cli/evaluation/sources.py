"""Where the questions of a run come from: a benchmark by its name, or a file of one's own by its path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dynfocus_cli.errors import UsageError, VideoUnreadable
from dynfocus_cli.evaluation.benchmark import Benchmark, benchmark_names, find_benchmark
from dynfocus_cli.evaluation.item import Dataset
from dynfocus_cli.progress import Progress

SUFFIXES = (".jsonl", ".ndjson", ".json")
"""Of files of questions."""

CLIPS = "clips"
"""The folder in that of a run where a benchmark makes its videos."""


def open_benchmark(name_or_path: str) -> Benchmark:
    """The benchmark of that name, or the questions of a file.

    Raises:
        UsageError: there is neither.
    """
    if name_or_path in benchmark_names():
        return find_benchmark(name_or_path)
    path = Path(name_or_path)
    if path.is_file() or name_or_path.lower().endswith(SUFFIXES) or os.sep in name_or_path:
        from dynfocus_cli.evaluation.benchmarks.file import OwnQuestions

        return OwnQuestions(path)
    raise UsageError(
        f"There is no benchmark {name_or_path!r}, and no such file: take one of "
        f"{', '.join(benchmark_names())}, or the path of a file of questions (JSON Lines)."
    )


def read_split(benchmark: Benchmark, data: Path | None, split: str | None, folder: Path) -> Dataset:
    """The items of a split.

    Args:
        data: the folder of official files and videos.
        split: None takes the first one.
        folder: where a run writes to; a benchmark that makes its own videos puts them there where no `data`
            is named.

    Raises:
        UsageError: there is no such split, no folder is named or it is none, or its files cannot be used.
    """
    split = split or benchmark.splits[0]
    if split not in benchmark.splits:
        splits = ", ".join(benchmark.splits)
        raise UsageError(f"{benchmark.name} has no split {split!r}: take one of {splits}.")
    if data is not None and not data.is_dir() and (data.exists() or not benchmark.makes_videos):
        raise UsageError(f"`data={data}` is no folder.")
    if benchmark.makes_videos:
        return benchmark.read(folder / CLIPS if data is None else data, split)
    data = benchmark.data if data is None else data
    if data is None:
        where = f" They are at {benchmark.url}." if benchmark.url else ""
        raise UsageError(f"{benchmark.name} needs `data`, the folder of its files and videos.{where}")
    return benchmark.read(data, split)


def unreadable_videos(dataset: Dataset, progress: Progress) -> Iterator[str]:
    """Of each video that no frame can be read of, a sentence that names it and says why."""
    from dynfocus_cli.video import probe

    videos = list(dict.fromkeys(item.video for item in dataset.items))
    progress.stage("check", len(videos))
    for video in videos:
        try:
            probe(video)
        except VideoUnreadable as error:
            yield str(error)
        progress.advance(1)
