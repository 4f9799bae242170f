"""What a run over many videos keeps of those that failed."""

from __future__ import annotations

import weakref
from pathlib import Path

import pytest

from dynfocus_cli.batch.questions import QuestionFile
from dynfocus_cli.batch.video_questions import VideoQuestions
from dynfocus_cli.cli.job import Job, for_each
from dynfocus_cli.errors import DynFocusError, OutOfMemory, SomeVideosFailed
from dynfocus_cli.options import RunOptions


class Features:
    """Something large."""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    paths = [str(tmp_path / f"{number}.mp4") for number in range(4)]
    for path in paths:
        Path(path).touch()
    return Job(paths, True, VideoQuestions(QuestionFile((), ())), RunOptions(), "jsonl", quiet=True)


def test_the_features_of_videos_that_failed_are_let_go(job: Job) -> None:
    made: list[weakref.ref[Features]] = []
    alive: list[int] = []

    def encode() -> None:
        features = Features()
        made.append(weakref.ref(features))
        raise MemoryError

    def work(*_: object) -> None:
        alive.append(sum(each() is not None for each in made))
        try:
            encode()
        except MemoryError as error:
            raise OutOfMemory("Nothing fits.") from error

    with pytest.raises(SomeVideosFailed):
        for_each(job, object, work, lambda *_: None)
    assert len(alive) == 4
    assert max(alive) == 0


def test_what_was_begun_of_a_video_that_is_refused_is_stopped(job: Job) -> None:
    stopped: list[str] = []

    class Begun:
        def __init__(self, video: str) -> None:
            self.video = video

        def close(self) -> None:
            stopped.append(self.video)

    def work(*_: object) -> None:
        raise DynFocusError("No.")

    def begin(video: str, query: object, loaded: object) -> Begun:
        return Begun(video)

    with pytest.raises(SomeVideosFailed):
        for_each(job, object, work, lambda *_: None, prefetch=begin)  # type: ignore[arg-type]
    assert set(stopped) >= set(list(job.paths)[1:])
