import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from scoring import all_scored, problems, scored

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import find_benchmark
from dynfocus_cli.evaluation.item import Item

BENCHMARK = find_benchmark("lvbench")


def qa(uid: str, answer: str = "A", types: Sequence[str] = ("reasoning",), **changes: Any) -> dict[str, Any]:
    question = f"What is said in {uid}?\n(A) 1636\n(B) one (or two)\n(C) 1363\n(D) 1633"
    return {
        "uid": uid,
        "question": question,
        "answer": answer,
        "question_type": list(types),
        "time_reference": "00:10-00:20",
    } | changes


def write(data: Path, *videos: dict[str, Any]) -> Path:
    path = data / "data" / "video_info.meta.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(video) + "\n" for video in videos))
    return data


@pytest.fixture
def items(put: Callable[..., Path]) -> tuple[Item, ...]:
    data = write(
        put("videos/Cm73ma6Ibcs.mp4", "videos/-x_1.webm"),
        {
            "key": "Cm73ma6Ibcs",
            "type": "cartoon",
            "qa": [qa("0"), qa("1", "B", ["entity recognition", "reasoning"])],
        },
        {"key": "-x_1", "qa": [qa("2", "C", ["summarization"]), qa("3", "D")]},
    )
    dataset = BENCHMARK.read(data, "test")
    assert not dataset.problems
    assert dataset.files == (data / "data" / "video_info.meta.jsonl",)
    return dataset.items


def test_items(items: tuple[Item, ...]) -> None:
    assert [item.id for item in items] == ["0", "1", "2", "3"]
    assert items[0].question == "What is said in 0?"
    assert [option.text for option in items[0].options] == ["1636", "one (or two)", "1363", "1633"]
    assert items[1].task == "entity recognition, reasoning"
    assert items[2].video.name == "-x_1.webm"


def test_prompt(items: tuple[Item, ...]) -> None:
    question = "What is said in 0?\n(A) 1636\n(B) one (or two)\n(C) 1363\n(D) 1633"
    text = f"{question}\nAnswer the question with the option letter"
    assert BENCHMARK.prompt(items[0], "official").text == text
    assert BENCHMARK.prompt(items[0], "official", ["Hello."]).text == "Hello.\n" + text


@pytest.mark.parametrize(
    ("response", "official", "lmms_eval"),
    [
        ("B", "B", "B"),
        ("(B) because", "B", "B"),
        ("B) because", "B", "B"),
        ("B because (A) is wrong", "A", "B"),
        ("((B))", None, "B"),
        ("The answer is D.", None, "D"),
        ("Best answer: C", "B", "C"),
        ("E", None, None),
        ("b", None, None),
        ("", None, None),
        ("答案是C", None, "C"),
    ],
)
def test_extract(items: tuple[Item, ...], response: str, official: str | None, lmms_eval: str | None) -> None:
    assert BENCHMARK.extract(items[0], response, "official") == official
    assert BENCHMARK.extract(items[0], response, "lmms-eval") == lmms_eval


def test_figures_and_submission(items: tuple[Item, ...]) -> None:
    responses = ["A", "(B) one", "The answer is C.", ""]
    outcome = all_scored(BENCHMARK, items, responses)
    figures = BENCHMARK.summarise(outcome, "official")
    assert figures == {"Overall": 50.0, "ER": 100.0, "Rea": pytest.approx(200 / 3), "Sum": 0.0}
    assert next(iter(figures)) == "Overall"
    files = BENCHMARK.submission(outcome)
    assert json.loads(files["answers.json"]) == {"0": "A", "1": "B", "2": "T", "3": ""}
    assert json.loads(files["result.json"])["Overall"] == 0.5
    assert (
        BENCHMARK.summarise(all_scored(BENCHMARK, items, responses, "lmms-eval"), "lmms-eval")["Sum"] == 100.0
    )
    assert BENCHMARK.summarise([], "official") == {}


def test_bad_entries_are_problems(put: Callable[..., Path]) -> None:
    data = write(
        put("videos/a.mp4", "videos/b.mp4", "videos/b.mkv"),
        {
            "key": "a",
            "qa": [
                qa("1"),
                qa("1"),
                qa("2", "E"),
                qa("3", question="What?"),
                qa("4", question="What?\n(A) 1\n(C) 2"),
                qa("5", question="What?\n(A) 1\n(B) 2\n(C) 3\n(D) 4\n(E) 5"),
            ],
        },
        {"key": "b", "qa": [qa("6")]},
        {"key": "gone", "qa": [qa("7")]},
    )
    dataset = BENCHMARK.read(data, "test")
    assert [item.id for item in dataset.items] == ["1"]
    unreadable = "Its options cannot be read: they should be lines that begin with (A), (B) ..."
    assert problems(dataset) == {
        "1": "The id 1 occurs twice; the first entry is asked.",
        "2": "Its answer 'E' is none of its options.",
        "3": unreadable,
        "4": unreadable,
        "5": "It has 5 options, and 2 to 4 (A to D) are expected.",
        "6": "The video b is ambiguous: videos/b.mkv, videos/b.mp4.",
        "7": f"There is no video gone in {data}.",
    }


def test_an_ability_alone_need_not_be_a_list(put: Callable[..., Path]) -> None:
    data = write(put("a.mp4"), {"key": "a", "qa": [qa("0", question_type="reasoning")]})
    (item,) = BENCHMARK.read(data, "test").items
    assert (item.task, item.official["abilities"]) == ("reasoning", ["reasoning"])


def test_a_json_file_beside_a_video_may_be_anything(put: Callable[..., Path]) -> None:
    data = write(put("a.mp4"), {"key": "a", "qa": [qa("0")]})
    (data / "1.json").write_text("[" * 200_000)
    assert len(BENCHMARK.read(data, "test").items) == 1


def test_videos_of_the_makers_download_script(put: Callable[..., Path]) -> None:
    data = write(put("scripts/videos/00000/000000007.mp4"), {"key": "Cm73ma6Ibcs", "qa": [qa("0")]})
    beside = data / "scripts/videos/00000/000000007.json"
    beside.write_text(json.dumps({"url": "https://www.youtube.com/watch?v=Cm73ma6Ibcs", "key": "000000007"}))
    (item,) = BENCHMARK.read(data, "test").items
    assert item.video.name == "000000007.mp4"


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ({"video": "a", "qa": []}, "entry 1 has no key. Expected are the fields key, qa"),
        (
            {"key": "a", "qa": [{"uid": "1", "question": "?"}]},
            "entry 1 has no answer, question_type. Expected are the fields uid, question, answer",
        ),
    ],
)
def test_another_version(put: Callable[..., Path], video: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BENCHMARK.read(write(put("a.mp4"), video), "test")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no video_info\.meta\.jsonl"):
        BENCHMARK.read(tmp_path, "test")


def test_published_rows_have_our_names(items: tuple[Item, ...]) -> None:
    names = set(BENCHMARK.summarise([scored(BENCHMARK, items[0], "A")], "official"))
    assert all(names <= set(row.figures) for row in BENCHMARK.published)
