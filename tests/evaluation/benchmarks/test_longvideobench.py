import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scoring import all_scored, problems

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import Protocol, find_benchmark
from dynfocus_cli.evaluation.item import Item

BENCHMARK = find_benchmark("longvideobench")
FOUR = ["a lamp", "a chair", "a desk", "a bed"]


def row(id: str, choice: int = 2, **changes: Any) -> dict[str, Any]:
    return {
        "video_id": "86CxyhFV9MI",
        "video_path": "86CxyhFV9MI.mp4",
        "id": id,
        "question": "When the subtitle says so, what is there?",
        "candidates": FOUR,
        "correct_choice": choice,
        "question_category": "T2O",
        "duration_group": 15,
        "starting_timestamp_for_subtitles": 10.0,
        "duration": 12.0,
        "subtitle_path": "86CxyhFV9MI_en.json",
    } | changes


def write(data: Path, rows: list[dict[str, Any]], name: str = "lvb_val.json") -> Path:
    (data / name).write_text(json.dumps(rows))
    return data


@pytest.fixture
def items(put: Callable[..., Path]) -> tuple[Item, ...]:
    data = put("videos/86CxyhFV9MI.mp4", "videos/other.webm")
    (data / "subtitles").mkdir()
    lines = [
        {"start": "00:00:11.000", "end": "00:00:13.000", "line": "Hello\nthere."},
        {"start": "00:00:15.000", "end": "00:00:15.200", "line": "Short."},
    ]
    (data / "subtitles" / "86CxyhFV9MI_en.json").write_text(json.dumps(lines))
    rows = [
        row("86_0"),
        row("86_1", 0, question_category="SSS", duration_group=3600),
        row("other_0", 4, candidates=[*FOUR, "a cat"], video_path="other.mp4", subtitle_path="none.json"),
    ]
    dataset = BENCHMARK.read(write(data, rows), "val")
    assert not dataset.problems
    return dataset.items


def test_items(items: tuple[Item, ...]) -> None:
    assert [(item.id, item.answer, item.duration) for item in items] == [
        ("86_0", "C", "15"),
        ("86_1", "A", "3600"),
        ("other_0", "E", "15"),
    ]
    assert items[2].video.name == "other.webm"


def test_cues_count_from_the_beginning_of_the_cut(items: tuple[Item, ...]) -> None:
    cues = [(cue.start_s, cue.end_s, cue.text) for cue in BENCHMARK.cues(items[0])]
    assert cues == [(1.0, 3.0, "Hello there."), (pytest.approx(4.6), pytest.approx(5.6), "Short.")]
    assert BENCHMARK.cues(items[2]) == ()


def test_the_other_form_of_subtitles(items: tuple[Item, ...]) -> None:
    path = items[0].subtitles
    assert path
    path.write_text(
        json.dumps([{"timestamp": [11.0, 13.0], "text": "Hi."}, {"timestamp": [14.0, None], "text": "Ho."}])
    )
    cues = [(cue.start_s, cue.end_s, cue.text) for cue in BENCHMARK.cues(items[0])]
    assert cues == [(1.0, 3.0, "Hi."), (4.0, 12.0, "Ho.")]
    path.write_text('[{"begin": 1}]')
    with pytest.raises(
        UsageError, match="is of another version: expected are lines with start, end and line"
    ):
        BENCHMARK.cues(items[0])


def test_prompts(items: tuple[Item, ...]) -> None:
    text = (
        "When the subtitle says so, what is there?\nA. a lamp\nB. a chair\nC. a desk\nD. a bed\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert BENCHMARK.prompt(items[0], "official").text == f"Question: {text}"
    assert BENCHMARK.prompt(items[0], "lmms-eval").text == f"{text}\n"
    assert BENCHMARK.prompt(items[0], "vlmevalkit").text == text
    assert BENCHMARK.prompt(items[0], "official", ["Hi.", "Ho."]).text == f"Hi.\nHo.\nQuestion: {text}"


@pytest.mark.parametrize(
    ("response", "official", "vlmevalkit"),
    [
        ("C", "C", "C"),
        ("E", "E", "E"),
        ("Answer: C", "A", "C"),
        ("Best answer: C", "C", "B"),
        ("Best option: C", "C", "B"),
        ("The best option is C", "C", "C"),
        ("(B) because", "B", "B"),
        ("Definitely C", "D", "D"),
        ("答案是C", "C", "C"),
        ("a desk", None, None),
        ("c", None, None),
        ("", None, None),
    ],
)
def test_extract(
    items: tuple[Item, ...], response: str, official: str | None, vlmevalkit: str | None
) -> None:
    protocols: tuple[Protocol, ...] = ("official", "lmms-eval", "vlmevalkit")
    letters = [BENCHMARK.extract(items[0], response, protocol) for protocol in protocols]
    assert letters == [official, official, vlmevalkit]


def test_unparsed_answers_count_as_guesses(items: tuple[Item, ...]) -> None:
    outcome = all_scored(BENCHMARK, items, ["C", "B", "a cat"])
    figures = BENCHMARK.summarise(outcome, "official")
    assert list(figures.items()) == [
        ("overall", pytest.approx(40)),
        ("15 s", pytest.approx(60)),
        ("3600 s", 0),
        ("overall, unparsed counted as wrong", pytest.approx(100 / 3)),
        ("overall, unparsed left out", 50),
        ("SSS", 0),
        ("T2O", pytest.approx(60)),
    ]
    strict = BENCHMARK.summarise(outcome, "vlmevalkit")
    assert (strict["overall"], strict["15 s"], strict["T2O"]) == (pytest.approx(100 / 3), 50, 50)


def test_the_test_set_has_no_answers(put: Callable[..., Path]) -> None:
    hidden = row("1")
    del hidden["correct_choice"]
    data = write(put("videos/86CxyhFV9MI.mp4"), [hidden], "lvb_test_wo_gt.json")
    (item,) = BENCHMARK.read(data, "test").items
    assert item.answer is None
    outcome = all_scored(BENCHMARK, [item], ["C. a desk"])
    assert BENCHMARK.summarise(outcome, "official") == {}
    files = BENCHMARK.submission(outcome)
    assert json.loads(files["longvideobench_test_for_submission.json"]) == {"1": "C. a desk"}
    with pytest.raises(UsageError, match=r"holds no lvb_val\.json"):
        BENCHMARK.read(data, "val")


def test_bad_entries_are_problems(put: Callable[..., Path]) -> None:
    data = put("videos/86CxyhFV9MI.mp4", "videos/b.mp4", "old/b.mp4")
    rows = [
        row("1"),
        row("1"),
        row("2", 4),
        row("3", -1),
        row("4", candidates=[*FOUR, "a cat", "a dog"]),
        row("5", candidates=None),
        row("6", video_path="b.mp4"),
        row("7", video_path="gone.mp4"),
    ]
    dataset = BENCHMARK.read(write(data, rows), "val")
    assert [item.id for item in dataset.items] == ["1"]
    assert problems(dataset) == {
        "1": "The id 1 occurs twice; the first entry is asked.",
        "2": "Its answer 'E' is none of its options.",
        "3": "Its answer '-1' is none of its options.",
        "4": "It has 6 options, and 2 to 5 (A to E) are expected.",
        "5": "It has 0 options, and 2 to 5 (A to E) are expected.",
        "6": "The video b.mp4 is ambiguous: old/b.mp4, videos/b.mp4.",
        "7": f"There is no video gone.mp4 in {data}.",
    }


def test_another_version(put: Callable[..., Path]) -> None:
    old = row("1")
    del old["question_category"]
    with pytest.raises(UsageError, match="entry 1 has no question_category"):
        BENCHMARK.read(write(put("videos/a.mp4"), [old]), "val")
