from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from scoring import problems

from dynfocus_cli.evaluation.item_reader import ItemReader, letter_of
from dynfocus_cli.evaluation.video_folder import VideoFolder

FOUR = ["red", "green", "blue", "white"]


@pytest.fixture
def reader(put: Callable[..., Path]) -> ItemReader:
    return ItemReader(VideoFolder(put("a.mp4", "b.mp4", "b.mkv")))


@pytest.mark.parametrize(
    ("question", "answer", "options", "message"),
    [
        ("", "A", FOUR, "It has no question."),
        ("What?", "A", [*FOUR, "black"], "It has 5 options, and 2 to 4 (A to D) are expected."),
        ("What?", "A", ["red"], "It has 1 options, and 2 to 4 (A to D) are expected."),
        ("What?", "A", ["red", " "], "One of its options has no text."),
        ("What?", "E", FOUR, "Its answer 'E' is none of its options."),
        ("What?", "C", FOUR[:2], "Its answer 'C' is none of its options."),
        ("What?", "", FOUR, "Its answer '' is none of its options."),
    ],
)
def test_what_cannot_be_asked_is_a_problem(
    reader: ItemReader, question: str, answer: str, options: Sequence[str], message: str
) -> None:
    reader.add("1", "a.mp4", question, answer, options)
    dataset = reader.dataset()
    assert not dataset.items
    (problem,) = dataset.problems
    assert (problem.id, problem.message) == ("1", message)
    assert problem.video == reader.videos.data / "a.mp4"


def test_videos_and_ids(reader: ItemReader) -> None:
    reader.add("1", "a.mp4", "What?", "A", FOUR)
    reader.add("1", "a.mp4", "Who?", "A", FOUR)
    reader.add("2", "none.mp4", "What?", "A", FOUR)
    reader.add("3", "b", "What?", "A", FOUR)
    reader.add("4", "a.mp4", "What?", None, FOUR)
    reader.add("5", "a.mp4", "What?", "in words")
    dataset = reader.dataset(Path("x.json"))
    assert [item.id for item in dataset.items] == ["1", "4", "5"]
    assert [option.letter for option in dataset.items[0].options] == ["A", "B", "C", "D"]
    assert dataset.files == (Path("x.json"),)
    data = reader.videos.data
    assert problems(dataset) == {
        "1": "The id 1 occurs twice; the first entry is asked.",
        "2": f"There is no video none.mp4 in {data}.",
        "3": "The video b is ambiguous: b.mkv, b.mp4.",
    }


@pytest.mark.parametrize("video", [None, True, ["a.mp4"], {}])
def test_a_video_that_is_no_text_is_a_problem(reader: ItemReader, video: object) -> None:
    reader.add("1", video, "What?", "A", FOUR)
    assert problems(reader.dataset()) == {"1": f"Its video {video!r} is no text."}


def test_a_video_may_be_called_by_a_number(put: Callable[..., Path]) -> None:
    reader = ItemReader(VideoFolder(put("7.mp4")))
    reader.add("1", 7, "What?", "A", FOUR)
    assert [item.video.name for item in reader.dataset().items] == ["7.mp4"]


def test_an_answer_that_is_needed(reader: ItemReader) -> None:
    for id, answer in (("1", "a dog"), ("2", None), ("3", " ")):
        reader.add(id, "a.mp4", "What?", answer, needs_answer=True)
    assert problems(reader.dataset()) == {"2": "It has no answer.", "3": "It has no answer."}


def test_the_last_of_equal_options_is_the_answer() -> None:
    assert letter_of("blue", ["blue", "red", "blue"]) == "C"
    assert letter_of("black", ["blue", "red"]) == "black"
