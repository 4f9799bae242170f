"""Which questions are asked of which video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dynfocus_cli.batch.questions import Query, QuestionFile
from dynfocus_cli.batch.video_questions import VideoQuestions

ANY, A, B, GONE = (
    Query("any"),
    Query("a", video="a.mp4"),
    Query("b", video="in/b.mp4"),
    Query("gone", video="gone.mp4"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data/a.mp4", "clips/a.mp4", "clips/in/b.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def texts(queries: Sequence[Query | None]) -> list[str | None]:
    return [None if query is None else query.text for query in queries]


def test_without_videos_of_their_own_all_are_asked_of_each() -> None:
    assert texts(VideoQuestions(QuestionFile((ANY, Query("two")), ())).of("x.mp4")) == ["any", "two"]
    assert VideoQuestions(QuestionFile((), ())).of("x.mp4") == (None,)


def test_the_folder_of_the_file_counts_first_then_those_that_were_given() -> None:
    shared_out = VideoQuestions(QuestionFile((ANY, A, B), (), "data"), ["clips"])
    assert texts(shared_out.of("clips/a.mp4")) == ["any"]
    assert texts(shared_out.of("data/a.mp4")) == ["any", "a"]
    assert texts(shared_out.of("./clips/../clips/in/b.mp4")) == ["any", "b"]
    assert (shared_out.missing, shared_out.passed_over) == ([], [])


def test_a_video_that_was_given_by_itself_and_the_working_directory() -> None:
    assert texts(VideoQuestions(QuestionFile((A,), (), "."), ["clips/a.mp4"]).of("clips/a.mp4")) == ["a"]
    named = VideoQuestions(QuestionFile((Query("b", video="clips/in/b.mp4"),), (), "data"))
    assert texts(named.of("clips/in/b.mp4")) == ["b"]


def test_what_is_nowhere_and_what_was_not_named() -> None:
    shared_out = VideoQuestions(QuestionFile((A, B, GONE), (), "clips"))
    assert shared_out.missing == ["clips/gone.mp4"]
    assert texts(shared_out.of("clips/gone.mp4")) == ["gone"]
    assert texts(shared_out.of("clips/a.mp4")) == ["a"]
    assert shared_out.passed_over == ["in/b.mp4"]
