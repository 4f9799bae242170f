"""VCG-Bench: three files, five aspects, and answers to two wordings of a question."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from official_folders import ids, vcg_bench, write_json
from scoring import all_scored

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import find_benchmark

BENCHMARK = find_benchmark("vcg-bench")


def test_reading(tmp_path: Path) -> None:
    dataset = BENCHMARK.read(vcg_bench(tmp_path), "test")
    assert dataset.problems == ()
    assert ids(dataset) == [
        "generic-0",
        "generic-1",
        "temporal-0",
        "consistency-0-Q1",
        "consistency-0-Q2",
        "consistency-1-Q1",
        "consistency-1-Q2",
    ]
    assert dataset.items[4].question == "Which person swims?"
    assert BENCHMARK.prompt(dataset.items[4], "official").text == "Which person swims?"
    assert dataset.items[3].group == dataset.items[4].group


def test_judgements_figures_and_submission(tmp_path: Path) -> None:
    items = BENCHMARK.read(vcg_bench(tmp_path), "test").items
    scored = all_scored(BENCHMARK, items, [f"answer {number}" for number in range(len(items))])
    assert [one.score for one in scored] == [None] * 7
    assert BENCHMARK.summarise(scored, "official") == {}
    prompts = BENCHMARK.judge_prompts([one.prediction for one in scored])
    assert [prompt.items for prompt in prompts] == [
        *[("generic-0",)] * 3,
        *[("generic-1",)] * 3,
        ("temporal-0",),
        ("consistency-0-Q1", "consistency-0-Q2"),
        ("consistency-1-Q1", "consistency-1-Q2"),
    ]
    assert "Predicted Answer to Question 2: answer 6\n" in prompts[-1].user
    grades = {
        "generic-0": {"correctness": 4.0, "detail": 3.0, "context": 5.0},
        "temporal-0": {"temporal": 2.0},
        "consistency-0-Q1": {"consistency": 1.0},
        "consistency-0-Q2": {"consistency": 1.0},
    }
    judged = [replace(one, grades=grades.get(one.prediction.item.id, {})) for one in scored]
    figures = BENCHMARK.summarise(judged, "official")
    assert figures == {
        "Score": 3.0,
        "Correctness": 4.0,
        "Detail": 3.0,
        "Context": 5.0,
        "Temporal": 2.0,
        "Consistency": 1.0,
    }
    assert "Score" not in BENCHMARK.summarise(judged[:3], "official")
    assert BENCHMARK.judged_score(items[0], grades["generic-0"]) == 0.8
    files = {name: json.loads(content) for name, content in BENCHMARK.submission(scored).items()}
    assert files["generic.json"][1] == {
        "Q": "Where?",
        "A": "In a lake.",
        "video_name": "v_b",
        "pred": "answer 1",
    }
    assert len(files["temporal.json"]) == 1
    assert files["consistency.json"][0] == {
        "Q1": "Who swims?",
        "Q2": "Which person swims?",
        "A": "A man.",
        "video_name": "v_a",
        "pred1": "answer 3",
        "pred2": "answer 4",
    }


def test_one_wording_alone_is_not_judged(tmp_path: Path) -> None:
    items = BENCHMARK.read(vcg_bench(tmp_path), "test").items[3:4]
    scored = all_scored(BENCHMARK, items, ["a man"])
    assert BENCHMARK.judge_prompts([one.prediction for one in scored]) == []
    assert BENCHMARK.submission(scored) == {}


def test_a_missing_video(tmp_path: Path) -> None:
    vcg_bench(tmp_path)
    (tmp_path / "Test_Videos" / "v_b.mkv").unlink()
    (problem,) = BENCHMARK.read(tmp_path, "test").problems
    assert (problem.id, "no video v_b" in problem.message) == ("generic-1", True)


def test_missing_questions_and_answers_are_problems(tmp_path: Path) -> None:
    path = vcg_bench(tmp_path) / "Benchmarking_QA" / "generic_qa.json"
    write_json(
        path, [{"Q": None, "A": "A man.", "video_name": "v_a"}, {"Q": "?", "A": None, "video_name": "v_a"}]
    )
    assert [(one.id, one.message) for one in BENCHMARK.read(tmp_path, "test").problems] == [
        ("generic-0", "It has no question."),
        ("generic-1", "It has no answer."),
    ]


def test_files_that_are_missing_or_of_another_version(tmp_path: Path) -> None:
    vcg_bench(tmp_path)
    write_json(
        tmp_path / "Benchmarking_QA" / "consistency_qa.json", [{"Q": "?", "A": "!", "video_name": "v"}]
    )
    with pytest.raises(UsageError, match="Q1, Q2"):
        BENCHMARK.read(tmp_path, "test")
    (tmp_path / "Benchmarking_QA" / "temporal_qa.json").unlink()
    with pytest.raises(UsageError, match=r"temporal_qa\.json"):
        BENCHMARK.read(tmp_path, "test")


def test_rows_of_the_poster() -> None:
    assert [row.figures["Score"] for row in BENCHMARK.published] == [2.57, 2.65, 2.85, 2.38, 2.21, 2.81]
