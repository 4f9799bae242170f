"""The split into training and validation examples: by whole videos, always the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from dynfocus_cli.errors import UsageError
from dynfocus_cli.training.example_items import Example, Problem
from dynfocus_cli.training.examples import read_examples


def split(
    examples: Sequence[Example], validation: str, media: Path | None, seed: int, *, recursive: bool = False
) -> tuple[list[Example], list[Example], tuple[Problem, ...]]:
    """Training examples, validation examples, and the problems of the latter.

    Args:
        validation: a share of the videos (0 for none of them), or a data file or folder.
        media, recursive: of that file or folder, as `read_examples` has them.

    Raises:
        UsageError: `validation` is neither, or one of the two sides would be empty.
    """
    share = parse_share(validation)
    if share is not None:
        return *split_by_video(examples, share, seed), ()
    file = Path(validation)
    read = read_examples(file, media, recursive=recursive)
    videos = {example.identity for example in read.usable}
    train = [example for example in examples if example.identity not in videos]
    if not train:
        raise UsageError(f"Every video is also in {file}: nothing is left to train on.")
    on_both_sides = tuple(
        Problem(example.where, f"its video is also in {file}.")
        for example in examples
        if example.identity in videos
    )
    return train, list(read.usable), (*read.problems, *on_both_sides)


def parse_share(validation: str) -> float | None:
    """The share that `validation` names; None where it names a file.

    Raises:
        UsageError: it is neither.
    """
    try:
        share = float(validation)
    except ValueError:
        if not validation or not Path(validation).exists():
            raise UsageError(
                f"`validation` must be a share like 0.1, or a data file, got {validation!r}."
            ) from None
        return None
    if not 0 <= share < 1:
        raise UsageError(f"`validation` must be a share from 0 to below 1, or a data file, got {validation}.")
    return share


def split_by_video(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """Splits off about `share` of the videos, at least one where `share` is above 0, with all their examples.

    A video's side depends on its rank among the others in an order drawn by `seed`, and not on the order
    that the examples come in.

    Raises:
        UsageError: there is a single video and it cannot be on both sides.
    """
    if share == 0:
        return list(examples), []
    # Files of one name in folders of one name are drawn alike, and follow each other by their whole paths.
    videos = sorted({example.identity for example in examples}, key=lambda name: (_drawn(seed, name), name))
    if len(videos) < 2:
        raise UsageError(
            "There is a single video, and what a model learned from cannot tell how well it learned: give "
            "more, or a file with others as `validation`, or `validation=0`."
        )
    validation = set(videos[: min(len(videos) - 1, max(1, round(share * len(videos))))])
    return (
        [example for example in examples if example.identity not in validation],
        [example for example in examples if example.identity in validation],
    )


def _drawn(seed: int, video: str) -> str:
    # By the file's name and its folder's: a moved data set keeps its split.
    name = "/".join(Path(video).parts[-2:])
    return hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogateescape")).hexdigest()
