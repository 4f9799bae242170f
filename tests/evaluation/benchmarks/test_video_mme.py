import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from scoring import all_scored, problems

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import Protocol, find_benchmark
from dynfocus_cli.evaluation.item import Item

BENCHMARK = find_benchmark("video-mme")
OPTIONS = ["A. Apples.", "B. Candles.", "C. Berries.", "D. The three kinds."]
SRT = '1\n00:00:00,500 --> 00:00:01,500\n<font color="white" size=".72c">Hello there.</font>\n'
INSTRUCTION = (
    "Select the best answer to the following multiple-choice question based on the video. Respond with only "
    "the letter (A, B, C, or D) of the correct option."
)
QUESTION = "How many?\nA. Apples.\nB. Candles.\nC. Berries.\nD. The three kinds."


def row(id: str, video: str = "fFjv93ACGo8", answer: str = "C", **changes: Any) -> dict[str, Any]:
    return {
        "video_id": id.split("-")[0],
        "duration": "short",
        "domain": "Knowledge",
        "sub_category": "Humanity & History",
        "url": f"https://www.youtube.com/watch?v={video}",
        "videoID": video,
        "question_id": id,
        "task_type": "Counting Problem",
        "question": "How many?",
        "options": OPTIONS,
        "answer": answer,
    } | changes


def write(data: Path, rows: list[dict[str, Any]]) -> Path:
    path = data / "videomme" / "test-00000-of-00001.parquet"
    path.parent.mkdir()
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return data


@pytest.fixture
def items(put: Callable[..., Path]) -> tuple[Item, ...]:
    data = put("data/fFjv93ACGo8.mp4", "data/-long_1.mkv")
    (data / "subtitle").mkdir()
    (data / "subtitle" / "fFjv93ACGo8.srt").write_text(SRT)
    rows = [
        row("001-1"),
        row("001-2", answer="A"),
        row("601-1", "-long_1", "D", duration="long", domain="Multilingual", task_type="OCR Problems"),
        row("601-2", "-long_1", "B", duration="long", domain="Multilingual"),
    ]
    dataset = BENCHMARK.read(write(data, rows), "test")
    assert not dataset.problems
    return dataset.items


def test_items(items: tuple[Item, ...]) -> None:
    assert [(item.id, item.duration, item.answer) for item in items] == [
        ("001-1", "short", "C"),
        ("001-2", "short", "A"),
        ("601-1", "long", "D"),
        ("601-2", "long", "B"),
    ]
    assert [option.text for option in items[0].options][:2] == ["Apples.", "Candles."]
    assert items[2].video.name == "-long_1.mkv"
    assert items[2].subtitles is None
    assert [cue.text for cue in BENCHMARK.cues(items[0])] == ["Hello there."]
    assert BENCHMARK.cues(items[2]) == ()


def test_official_prompt(items: tuple[Item, ...]) -> None:
    text = f"{INSTRUCTION}\n{QUESTION}\nThe best answer is:"
    assert BENCHMARK.prompt(items[0], "official").text == text
    assert BENCHMARK.prompt(items[0], "official", []).text == text
    shown = BENCHMARK.prompt(items[0], "official", ["Hi guys,", "I'm going."]).text
    assert shown == f"This video's subtitles are listed below:\nHi guys,\nI'm going.\n{text}"


def test_lmms_eval_prompt(items: tuple[Item, ...]) -> None:
    instruction = INSTRUCTION.replace("the video.", "the video and the subtitles.")
    ending = "\nAnswer with the option's letter from the given choices directly."
    assert BENCHMARK.prompt(items[0], "lmms-eval").text == f"{instruction}\n{QUESTION}\n{ending}"
    head = "This video's subtitles are listed below: \n"
    asked = f"\n{instruction}\n{QUESTION}\nThe best answer is:"
    assert BENCHMARK.prompt(items[0], "lmms-eval", ["Hi.", "Ho."]).text == f"{head}Hi.\nHo.{asked}"
    assert BENCHMARK.prompt(items[0], "lmms-eval", []).text == f"{head}{asked}"
    assert BENCHMARK.prompt(items[2], "lmms-eval", []).text == f"{head}No subtitles available{asked}"


def test_vlmevalkit_prompt(items: tuple[Item, ...]) -> None:
    frames = "\nThese are the frames of a video. "
    asked = f"{INSTRUCTION}\nQuestion: {QUESTION}\nAnswer: "
    assert BENCHMARK.prompt(items[0], "vlmevalkit").text == f"{frames}{asked}"
    shown = f"{frames}This video's subtitles are listed below:\nHi.\n{asked}"
    assert BENCHMARK.prompt(items[0], "vlmevalkit", ["Hi."]).text == shown


@pytest.mark.parametrize(
    ("response", "official", "lmms_eval", "vlmevalkit"),
    [
        ("C", "C", "C", "C"),
        ("C. Berries.", "C", "C", "C"),
        ("Answer: C. Jade.", "C", "C", "C"),
        ("Best answer: C", "B", "C", "B"),
        ("Best option: C", "B", "C", "B"),
        ("The best option is C", "C", "C", "C"),
        ("The correct answer: C", "C", "C", "C"),
        ("(B) because", "B", "B", "B"),
        ("I Believe it is (C)", "B", "C", "B"),
        ("The answer is B, not A", "B", "A", "B"),
        ("答案是C", "C", "C", "C"),
        ("berries", None, None, None),
        ("c", None, None, None),
        ("E", None, None, None),
        ("", None, None, None),
    ],
)
def test_extract(
    items: tuple[Item, ...],
    response: str,
    official: str | None,
    lmms_eval: str | None,
    vlmevalkit: str | None,
) -> None:
    protocols: tuple[Protocol, ...] = ("official", "lmms-eval", "vlmevalkit")
    letters = [BENCHMARK.extract(items[0], response, protocol) for protocol in protocols]
    assert letters == [official, lmms_eval, vlmevalkit]


def test_both_denominators(items: tuple[Item, ...]) -> None:
    responses = ["C", "berries", "D", "A"]
    figures = BENCHMARK.summarise(all_scored(BENCHMARK, items, responses), "official")
    assert list(figures.items()) == [
        ("overall", pytest.approx(200 / 3)),
        ("short", 100.0),
        ("long", 50.0),
        ("overall, unparsed counted as wrong", 50.0),
        ("domain: Knowledge", 100.0),
        ("domain: Multilingual", 50.0),
        ("task: Counting Problem", 50.0),
        ("task: OCR Problems", 100.0),
    ]
    figures = BENCHMARK.summarise(all_scored(BENCHMARK, items, responses, "lmms-eval"), "lmms-eval")
    assert figures["overall"] == 50.0
    assert figures["overall, unparsed left out"] == pytest.approx(200 / 3)
    assert BENCHMARK.summarise([], "official") == {}


def test_submission_is_the_makers_template(items: tuple[Item, ...]) -> None:
    files = BENCHMARK.submission(all_scored(BENCHMARK, items, ["C. Berries.", "", "D", "A"]))
    videos = json.loads(files["output.json"])
    assert [video["video_id"] for video in videos] == ["001", "601"]
    assert videos[0] == {
        "video_id": "001",
        "duration": "short",
        "domain": "Knowledge",
        "sub_category": "Humanity & History",
        "missing": False,
        "questions": [
            {
                "question_id": "001-1",
                "task_type": "Counting Problem",
                "question": "How many?",
                "options": OPTIONS,
                "answer": "C",
                "response": "C. Berries.",
            },
            {
                "question_id": "001-2",
                "task_type": "Counting Problem",
                "question": "How many?",
                "options": OPTIONS,
                "answer": "A",
                "response": "",
            },
        ],
    }


def test_bad_entries_are_problems(put: Callable[..., Path]) -> None:
    data = put("data/a.mp4", "data/b.mp4", "video/b.mp4")
    rows = [
        row("1-1", "a"),
        row("1-1", "a"),
        row("1-2", "a", answer="E"),
        row("1-3", "a", options=[*OPTIONS, "E. None."]),
        row("1-4", "a", options=None),
        row("2-1", "b"),
        row("3-1", "gone"),
    ]
    dataset = BENCHMARK.read(write(data, rows), "test")
    assert [item.id for item in dataset.items] == ["1-1"]
    assert problems(dataset) == {
        "1-1": "The id 1-1 occurs twice; the first entry is asked.",
        "1-2": "Its answer 'E' is none of its options.",
        "1-3": "It has 5 options, and 2 to 4 (A to D) are expected.",
        "1-4": "It has 0 options, and 2 to 4 (A to D) are expected.",
        "2-1": "The video b is ambiguous: data/b.mp4, video/b.mp4.",
        "3-1": f"There is no video gone in {data}.",
    }


def test_half_of_the_videos(put: Callable[..., Path]) -> None:
    rows = [row(f"{number:03}-1", f"v{number}") for number in range(10)]
    data = write(put(*(f"data/v{number}.mp4" for number in range(0, 10, 2))), rows)
    dataset = BENCHMARK.read(data, "test")
    assert (len(dataset.items), len(dataset.problems)) == (5, 5)


def test_a_parquet_of_another_version(put: Callable[..., Path]) -> None:
    old = {name: value for name, value in row("1-1").items() if name != "task_type"}
    with pytest.raises(UsageError, match=r"no column task_type\. Expected are video_id, duration"):
        BENCHMARK.read(write(put("data/a.mp4"), [old]), "test")


def test_another_benchmarks_folder_is_recognised(put: Callable[..., Path]) -> None:
    data = put("videos/a.mp4")
    (data / "1_plotQA.json").write_text("[]")
    with pytest.raises(UsageError, match=r"holds no videomme/test-\*\.parquet.* the folder of mlvu\."):
        BENCHMARK.read(data, "test")


def test_published_rows_have_our_names() -> None:
    names = {"overall", "short", "medium", "long"}
    assert all(set(row.figures) <= names for row in BENCHMARK.published)
    (ours, with_subtitles) = (row for row in BENCHMARK.published if row.model.startswith("DynFocus"))
    assert (ours.figures["overall"], with_subtitles.figures["overall"]) == (44.1, 47.8)
