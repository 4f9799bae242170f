"""Whole videos are held back, the same ones each time."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from dynfocus_cli.errors import UsageError
from dynfocus_cli.training.example_items import Example
from dynfocus_cli.training.split import split, split_by_video

EXAMPLES = [Example(f"/data/{video}.mp4", f"q{q}", "a", "") for video in range(20) for q in range(3)]


def videos(examples: list[Example]) -> set[str]:
    return {example.video for example in examples}


@pytest.mark.parametrize(("share", "count"), [(0.1, 2), (0.01, 1), (0.5, 10), (0.99, 19)])
def test_no_video_is_on_both_sides(share: float, count: int) -> None:
    train, validation = split_by_video(EXAMPLES, share, seed=0)
    assert len(videos(validation)) == count
    assert not videos(train) & videos(validation)
    assert len(train) + len(validation) == len(EXAMPLES)


def test_the_split_is_the_same_in_any_order_and_place_and_another_for_each_seed() -> None:
    shuffled = random.Random(0).sample(EXAMPLES, len(EXAMPLES))
    assert videos(split_by_video(shuffled, 0.3, 0)[1]) == videos(split_by_video(EXAMPLES, 0.3, 0)[1])
    moved = [Example(f"/mnt{one.video}", one.question, one.answer, "") for one in EXAMPLES]
    assert {f"/mnt{video}" for video in videos(split_by_video(EXAMPLES, 0.3, 0)[1])} == videos(
        split_by_video(moved, 0.3, 0)[1]
    )
    assert videos(split_by_video(EXAMPLES, 0.3, 1)[1]) != videos(split_by_video(EXAMPLES, 0.3, 0)[1])


def test_files_of_one_name_are_divided_alike_by_every_process() -> None:
    """Python gives the texts of a set another order in each."""
    program = (
        "from dynfocus_cli.training.examples import Example; "
        "from dynfocus_cli.training.split import split_by_video; "
        "examples = [Example(f'/data/p{n}/clips/video.mp4', 'q', 'a', '') for n in range(10)]; "
        "print([one.video for one in split_by_video(examples, 0.3, 0)[1]])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert len(said) == 1


def test_one_name_for_a_video_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    twice = [Example(str(tmp_path / name), "q", "a", "") for name in ("a.mp4", "link.mp4", "./a.mp4")]
    with pytest.raises(UsageError, match="a single video"):
        split_by_video(twice, 0.5, 0)
    assert split_by_video(twice, 0, 0) == (twice, [])


def test_a_file_of_its_own(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    file = tmp_path / "val.jsonl"
    file.write_text(json.dumps({"video": "a.mp4", "question": "q", "answer": "x"}))
    examples = [Example(str(tmp_path / name), "q", "a", name) for name in ("a.mp4", "b.mp4")]
    train, validation, problems = split(examples, str(file), None, 0)
    assert [one.where for one in train] == ["b.mp4"]
    assert [one.answer for one in validation] == ["x"]
    assert [problem.where for problem in problems] == ["a.mp4"]
    with pytest.raises(UsageError, match="nothing is left to train on"):
        split(examples[:1], str(file), None, 0)


def test_a_folder_of_its_own_with_folders_below(tmp_path: Path) -> None:
    below = tmp_path / "held" / "back"
    below.mkdir(parents=True)
    (below / "b.mp4").touch()
    (below / "b.txt").write_text("A dog.")
    examples = [Example(str(tmp_path / "a.mp4"), "q", "a", "a")]
    with pytest.raises(UsageError, match="with `recursive`"):
        split(examples, str(tmp_path / "held"), None, 0)
    train, validation, _ = split(examples, str(tmp_path / "held"), None, 0, recursive=True)
    assert train == examples
    assert [one.answer for one in validation] == ["A dog."]


@pytest.mark.parametrize("wanted", ["1", "-0.1", "nan", "2", "gone.json", ""])
def test_what_is_no_split(wanted: str) -> None:
    with pytest.raises(UsageError, match="`validation` must be a share"):
        split(EXAMPLES, wanted, None, 0)
