"""Questions of one's own: how they are read, asked and scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dynfocus_cli import UsageError
from dynfocus_cli.evaluation.benchmarks.file import OwnQuestions, bare
from dynfocus_cli.evaluation.item import Dataset

OPEN = {"video": "a.mp4", "question": "Who wins?", "answer": "the dog"}
CHOICE = {**OPEN, "choices": ["a dog", "a cat"], "answer": "B"}


def read(folder: Path, *lines: Any, data: Path | None = None) -> Dataset:
    (folder / "a.mp4").touch()
    path = folder / "own.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return OwnQuestions(path).read(data or folder, "test")


def test_ids_types_and_answers_are_read(tmp_path: Path) -> None:
    dataset = read(
        tmp_path, OPEN, {**CHOICE, "type": "who", "id": 7}, {**CHOICE, "answer": "a cat", "id": "x"}
    )
    assert [item.id for item in dataset.items] == ["1", "7", "x"]
    assert [item.answer for item in dataset.items] == ["the dog", "B", "B"]
    assert [item.task for item in dataset.items] == ["", "who", ""]
    assert dataset.problems == ()


def test_a_question_without_an_id_gets_one_that_is_free(tmp_path: Path) -> None:
    dataset = read(
        tmp_path, {**OPEN, "id": "2"}, OPEN, {**OPEN, "id": 4}, OPEN, {**OPEN, "id": "line 4"}, OPEN
    )
    assert [item.id for item in dataset.items] == ["2", "line 2", "4", "line 4, 2", "line 4", "6"]
    assert dataset.problems == ()


@pytest.mark.parametrize(
    ("choices", "answer", "letter"),
    [
        (["-5", "5"], "-5", "A"),
        (["3.5", "35"], "3.5", "A"),
        (["35", "3.5"], 3.5, "B"),
        (["C++", "C"], "c++", "A"),
        (["C++", "C"], "C.", "B"),
        (["1:30", "130"], "1:30", "A"),
        (["It's", "its"], "It's", "A"),
        ({"a": "dog", "b": "cat"}, "B", "b"),
        ({"a": "dog", "b": "cat"}, "(B)", "b"),
        ({"A": "dog", "B": "cat"}, "b", "B"),
        ({"A": "b", "B": "a"}, "a", "B"),
    ],
)
def test_the_right_choice_is_the_one_that_the_answer_names_most_exactly(
    tmp_path: Path, choices: Any, answer: Any, letter: str
) -> None:
    dataset = read(tmp_path, {**OPEN, "choices": choices, "answer": answer})
    assert [item.answer for item in dataset.items] == [letter]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            {**OPEN, "choices": ["a cat", "the cat"], "answer": "cat"},
            "Its answer 'cat' is several of its choices: give a letter (A, B).",
        ),
        ({**OPEN, "answer": ["dog"]}, 'Its "answer" must be a text'),
        ({**CHOICE, "answer": "C"}, "Its answer 'C' is none of its choices (A, B)."),
        ({**OPEN, "video": "b.mp4"}, "There is no video b.mp4 in "),
        ({**OPEN, "video": "."}, "Its video . is a folder."),
        ({"question": "Who?", "answer": "a"}, 'It names no "video"'),
        ({**OPEN, "question": " "}, "The question is empty."),
        ("text", "It is no JSON object"),
    ],
)
def test_what_cannot_be_asked_is_a_problem(tmp_path: Path, line: Any, said: str) -> None:
    dataset = read(tmp_path, OPEN, line)
    assert len(dataset.items) == 1
    assert said in dataset.problems[0].message
    assert dataset.problems[0].id == "line 2"


def test_a_missing_video_names_the_current_folder_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = read(Path("."), OPEN, {**OPEN, "video": "b.mp4"})
    assert dataset.problems[0].message == f"There is no video b.mp4 in {tmp_path}."


def test_a_file_without_any_record_is_an_error_and_no_list_of_its_lines(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"\x00\xff\n" * 1000)
    with pytest.raises(UsageError, match=r"a\.mp4 holds no question \(line 1: It is no text.*\); its lines"):
        OwnQuestions(video).read(tmp_path, "test")
    with pytest.raises(UsageError, match=r"holds no question \(line 1: It is no JSON object"):
        read(tmp_path, "text", "another")


def test_an_unknown_answer_is_asked_and_not_scored(tmp_path: Path) -> None:
    (item,) = read(tmp_path, {"video": "a.mp4", "question": "Who?"}).items
    assert item.answer is None
    assert not OwnQuestions().is_right(item, "a dog")


def test_videos_are_looked_for_in_the_data_folder_first(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.mp4").touch()
    assert read(tmp_path, OPEN, data=data).items[0].video == data / "a.mp4"


def test_subtitles_beside_the_video_come_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n", encoding="utf-8")
    (item,) = read(tmp_path, OPEN).items
    assert item.subtitles == tmp_path / "a.srt"
    assert [cue.text for cue in OwnQuestions().cues(item)] == ["Hello."]


def test_no_file_and_an_empty_one_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name a file of questions"):
        OwnQuestions().read(tmp_path, "test")
    with pytest.raises(UsageError, match="holds no question"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("response", "extracted"),
    [("B", "B"), ("(B) a cat", "B"), ("A cat.", "B"), ("The answer is A", "A"), ("who knows", None)],
)
def test_a_letter_is_found_in_the_models_words(tmp_path: Path, response: str, extracted: str | None) -> None:
    (item,) = read(tmp_path, CHOICE).items
    assert OwnQuestions().extract(item, response, "official") == extracted


@pytest.mark.parametrize(
    ("choices", "response", "extracted"),
    [
        (["-5", "5"], "5", "B"),
        (["35", "3.5"], "3.5.", "B"),
        (["C", "C++"], "C++", "B"),
        (["1:30", "130"], "130", "B"),
        (["a cat", "the cat"], "cat!", None),
        ({"a": "dog", "b": "cat"}, "B", "b"),
        ({"a": "dog", "b": "cat"}, "The answer is B", "b"),
        ({"a": "dog", "b": "cat"}, "the answer is b.", "b"),
        ({"a": "dog", "b": "cat"}, "(b) because", "b"),
        ({"a": "dog", "b": "cat"}, "it is a bird", None),
        ({"a": "dog", "b": "cat"}, "maybe", None),
        ({"a": "dog", "A": "cat"}, "A", "A"),
        ({"a": "dog", "A": "cat"}, "a", "a"),
        ({"one": "dog", "two": "cat"}, "the answer is two", None),
    ],
)
def test_a_response_is_the_choice_that_it_names_most_exactly(
    tmp_path: Path, choices: Any, response: str, extracted: str | None
) -> None:
    (item,) = read(tmp_path, {"video": "a.mp4", "question": "Which?", "choices": choices}).items
    assert OwnQuestions().extract(item, response, "official") == extracted


@pytest.mark.parametrize(
    ("answer", "other"),
    [("3.5", "35"), ("-5", "5"), (".5", "5"), ("1:30", "130"), ("1/2", "12"), ("3-2", "32"), ("C#", "C")],
)
def test_marks_of_numbers_and_names_make_another_answer(tmp_path: Path, answer: str, other: str) -> None:
    (item,) = read(tmp_path, {**OPEN, "answer": answer}).items
    own = OwnQuestions()
    assert own.is_right(item, f"{answer}.")
    assert own.is_right(item, f"({answer})")
    assert not own.is_right(item, other)
    assert bare("\N{MINUS SIGN}1,000") == "-1000"
    assert bare("A+") == "a+"
    assert bare("well-known: 5!") == "wellknown 5"


def test_words_are_compared_without_what_makes_no_difference(tmp_path: Path) -> None:
    (item,) = read(tmp_path, OPEN).items
    own = OwnQuestions()
    assert own.is_right(item, "Dog.")
    assert own.is_right(item, "A  dog")
    assert not own.is_right(item, "the dogs")
    assert own.extract(item, "  ", "official") is None
    assert bare("The") == "the"
    assert bare("!") == "!"
