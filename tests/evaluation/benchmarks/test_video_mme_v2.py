import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from scoring import all_scored, problems

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import Protocol, find_benchmark
from dynfocus_cli.evaluation.benchmarks.video_mme_v2 import group_score
from dynfocus_cli.evaluation.item import Item

BENCHMARK = find_benchmark("video-mme-v2")
TEXTS = ("Malaysian.", "British.", "Thai.", "German.", "Canadian.", "Chinese.", "Dutch.", "Cannot say.")
OPTIONS = "\n".join(f"{letter}. {text}" for letter, text in zip("ABCDEFGH", TEXTS, strict=True))


def row(id: str, kind: str = "relevance", structure: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "video_id": id.split("-")[0],
        "url": "https://www.youtube.com/watch?v=x",
        "group_type": kind,
        "group_structure": structure,
        "question_id": id,
        "question": "Where from?",
        "options": OPTIONS,
        "answer": "H",
        "level": "1",
        "second_head": "Frames Only",
        "third_head": "People",
    } | changes


def write(data: Path, rows: list[dict[str, Any]]) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), data / "test.parquet")
    return data


def group(
    video: str, kind: str = "relevance", structure: str | None = None, **last: Any
) -> list[dict[str, Any]]:
    rows = [row(f"{video}-{number}", kind, structure) for number in range(1, 5)]
    rows[-1] |= last
    return rows


@pytest.fixture
def items(put: Callable[..., Path]) -> tuple[Item, ...]:
    data = put("video/001.mp4", "video/002.mp4")
    (data / "subtitle").mkdir()
    words = [("Hello", 0.5, 0.8), ("there.", 0.8, 1.1), ("Next", 1.3, 1.5), ("one", 3, 4)]
    lines = [json.dumps({"text": text, "start_time": start, "end_time": end}) for text, start, end in words]
    (data / "subtitle" / "001.jsonl").write_text("\n".join(lines))
    rows = [*group("001", level="2"), *group("002", "logic", "[1,[2,3],4]", level="3")]
    dataset = BENCHMARK.read(write(data, rows), "test")
    assert not dataset.problems
    return dataset.items


def test_items(items: tuple[Item, ...]) -> None:
    assert [item.group for item in items] == ["001"] * 4 + ["002"] * 4
    assert [option.text for option in items[0].options] == list(TEXTS)
    assert [(cue.start_s, cue.end_s, cue.text) for cue in BENCHMARK.cues(items[0])] == [
        (0.5, 1.1, "Hello there."),
        (1.3, 1.5, "Next"),
        (3, 4, "one"),
    ]
    assert BENCHMARK.cues(items[4]) == ()


def test_prompts(items: tuple[Item, ...]) -> None:
    question = (
        f"Question: Where from?\n{OPTIONS}\n"
        "Select the best answer to the following multiple-choice question based on the video. Respond with "
        "only the letter (A, B, C, D, E, F, G, or H) of the correct option."
    )
    frames, said = "These are the frames of a video.", "This video's subtitles are listed below:\n"
    for protocol in ("official", "vlmevalkit"):
        assert BENCHMARK.prompt(items[0], protocol).text == f"{frames}\n{question}"
        shown = BENCHMARK.prompt(items[0], protocol, ["Hello there.", "Next"]).text
        assert shown == f"{frames} {said}Hello there. Next\n{question}"
    assert BENCHMARK.prompt(items[0], "lmms-eval").text == question
    assert BENCHMARK.prompt(items[0], "lmms-eval", ["Hi."]).text == f"{said}Hi.\n\n{question}"
    assert BENCHMARK.prompt(items[0], "lmms-eval", []).text == question


@pytest.mark.parametrize(
    ("response", "official", "lmms_eval"),
    [
        ("H", "H", "H"),
        ("h", None, "H"),
        ("**G**", "G", "G"),
        ("Final Answer: E", "E", "E"),
        ("Best answer: C", "C", "C"),
        ("I think so.\nF", "F", "F"),
        ("Because of Dutch.\n**C.**", "B", "C"),
        ("The answer would be C", "C", "C"),
        ("He said the answer is b, then the answer is c!", "H", "C"),
        ("F) for sure", "F", "F"),
        ("Thai", None, "C"),
        ("thai or dutch", None, None),
        ("答案是C", "C", None),
        ("(B) because", "B", None),
        ("", None, None),
    ],
)
def test_extract(items: tuple[Item, ...], response: str, official: str | None, lmms_eval: str | None) -> None:
    protocols: tuple[Protocol, ...] = ("official", "lmms-eval", "vlmevalkit")
    letters = [BENCHMARK.extract(items[0], response, protocol) for protocol in protocols]
    assert letters == [official, lmms_eval, official]


def scores_of(items: Sequence[Item], rights: str) -> list[str]:
    """`1` is a right response, `0` a wrong one, `?` one without an answer."""
    return [{"1": "H", "0": "A", "?": ""}[right] for right in rights]


@pytest.mark.parametrize(
    ("rights", "unparsed", "relevance", "logic"),
    [
        ("1111", 0, 100, 100),
        ("1110", 0, 56.25, 100 * 7 / 12),
        ("1011", 0, 56.25, 100 * 4 / 12),
        ("1001", 0, 25, 100 / 12),
        ("0111", 0, 56.25, 0),
        ("0000", 0, 0, 0),
        ("111?", 0, 56.25, 100 * 7 / 12),
        ("111?", -1, 25, 100),
        ("?111", -1, 25, 100),
        ("?000", -1, 0, 100 / 12),
        ("????", -1, 0, 100),
    ],
)
def test_group_score(
    items: tuple[Item, ...], rights: str, unparsed: int, relevance: float, logic: float
) -> None:
    responses = scores_of(items, rights)
    assert group_score(all_scored(BENCHMARK, items[:4], responses), unparsed) == relevance
    assert group_score(all_scored(BENCHMARK, items[4:], responses), unparsed) == pytest.approx(logic)


@pytest.mark.parametrize(
    ("structure", "rights", "score"),
    [
        ("[1, 2, 3, 4]", "1110", 56.25),
        ("[1, 2, 3, 4]", "1011", 6.25),
        ("[[1, 2], 3, 4]", "0111", 10),
        ("[[1, 2], 3, 4]", "1100", 20),
        ("[[1, 2], 3, 4]", "1110", 50),
        ("[[1, 2], 3, 4]", "0011", 0),
    ],
)
def test_other_chains(put: Callable[..., Path], structure: str, rights: str, score: float) -> None:
    items = BENCHMARK.read(write(put("001.mp4"), group("001", "logic", structure)), "test").items
    assert group_score(all_scored(BENCHMARK, items, scores_of(items, rights)), 0) == pytest.approx(score)


def test_figures(items: tuple[Item, ...]) -> None:
    responses = scores_of(items, "111?1110")
    figures = BENCHMARK.summarise(all_scored(BENCHMARK, items, responses), "official")
    assert list(figures.items()) == [
        ("total", pytest.approx((25 + 700 / 12) / 2)),
        ("logic", pytest.approx(700 / 12)),
        ("relevance", 25),
        ("level 2", 25),
        ("level 3", pytest.approx(700 / 12)),
        ("total, unparsed counted as wrong", pytest.approx((56.25 + 700 / 12) / 2)),
        ("accuracy", 75),
        ("accuracy, unparsed left out", pytest.approx(600 / 7)),
    ]
    figures = BENCHMARK.summarise(all_scored(BENCHMARK, items, responses, "lmms-eval"), "lmms-eval")
    assert figures["total"] == pytest.approx((56.25 + 700 / 12) / 2)
    part = BENCHMARK.summarise(all_scored(BENCHMARK, items[:2], responses[:2]), "official")
    assert part == {"accuracy": 100, "accuracy, unparsed left out": 100}
    assert BENCHMARK.summarise([], "official") == {}


def test_submission(items: tuple[Item, ...]) -> None:
    responses = ["H", 'a "quoted"\tone\nwith lines', *"ABCDE", ""]
    files = BENCHMARK.submission(all_scored(BENCHMARK, items, responses))
    rows = list(csv.DictReader(io.StringIO(files["predictions.tsv"].decode()), delimiter="\t"))
    assert [row["prediction"] for row in rows] == [*(f" {response}" for response in responses[:-1]), "-"]
    assert [row["index"] for row in rows] == [str(number) for number in range(8)]
    assert rows[0]["options"] == OPTIONS


def test_bad_entries_are_problems(put: Callable[..., Path]) -> None:
    rows = [
        row("001-1"),
        row("001-1"),
        row("001-2", answer="I"),
        row("001-3", options=f"{OPTIONS}\nI. None."),
        row("001-4", "logic", "[[1, 2, 3], 4]"),
        row("002-1"),
    ]
    data = write(put("001.mp4"), rows)
    dataset = BENCHMARK.read(data, "test")
    assert [item.id for item in dataset.items] == ["001-1"]
    assert problems(dataset) == {
        "001-1": "The id 001-1 occurs twice; the first entry is asked.",
        "001-2": "Its answer 'I' is none of its options.",
        "001-3": "It has 9 options, and 2 to 8 (A to H) are expected.",
        "001-4": "Its group has an unknown structure [[1, 2, 3], 4].",
        "002-1": f"There is no video 002 in {data}.",
    }


def test_a_parquet_of_another_version(put: Callable[..., Path]) -> None:
    rows = [{name: value for name, value in row("001-1").items() if not name.startswith("group")}]
    with pytest.raises(UsageError, match="has no column group_type, group_structure"):
        BENCHMARK.read(write(put("001.mp4"), rows), "test")


@pytest.mark.parametrize("line", ['{"text": "Hi"}', '{"text": "Hi", "start_time": "x", "end_time": 1}', "no"])
def test_broken_subtitles(items: tuple[Item, ...], line: str) -> None:
    path = items[0].subtitles
    assert path
    path.write_text(line)
    with pytest.raises(UsageError):
        BENCHMARK.cues(items[0])
