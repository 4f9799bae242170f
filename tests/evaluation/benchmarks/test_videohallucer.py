"""VideoHallucer: pairs from five folders, both sides of which have to be right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from official_folders import ids, videohallucer, write_json
from scoring import all_scored

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import find_benchmark
from dynfocus_cli.evaluation.benchmarks.videohallucer import KINDS, PUBLISHED

BENCHMARK = find_benchmark("videohallucer")


def test_reading(tmp_path: Path) -> None:
    dataset = BENCHMARK.read(videohallucer(tmp_path), "test")
    assert dataset.problems == ()
    assert len(dataset.items) == 20
    assert ids(dataset)[:3] == [
        "object_relation-0-basic",
        "object_relation-0-hallucination",
        "object_relation-1-basic",
    ]
    assert len(dataset.files) == 5
    first, second = dataset.items[:2]
    assert (first.answer, second.answer) == ("yes", "no")
    assert first.group == second.group
    for item in dataset.items:  # videos of equal names stay apart
        assert item.video.parent == tmp_path / item.task / "videos"


def test_the_prompt(tmp_path: Path) -> None:
    item = BENCHMARK.read(videohallucer(tmp_path), "test").items[0]
    assert BENCHMARK.prompt(item, "official").text == (
        "Is there a object_relation 0?\nAnswer the question using 'yes' or 'no'."
    )


@pytest.mark.parametrize(
    ("response", "extracted"),
    [
        ("Yes.", "yes"),
        ("No, there is none", "no"),
        ("yes and no", "yes and no"),
        ("I do not know", None),
        ("nobody, yesterday", None),
        ("", None),
    ],
)
def test_extraction(response: str, extracted: str | None, tmp_path: Path) -> None:
    item = BENCHMARK.read(videohallucer(tmp_path), "test").items[0]
    assert BENCHMARK.extract(item, response, "official") == extracted


def test_a_response_with_both_words_is_right_for_either(tmp_path: Path) -> None:
    basic, hallucinated = BENCHMARK.read(videohallucer(tmp_path), "test").items[:2]
    assert BENCHMARK.is_right(basic, "yes and no")
    assert BENCHMARK.is_right(hallucinated, "yes and no")
    assert not BENCHMARK.is_right(hallucinated, "yes")


def test_figures_and_submission(tmp_path: Path) -> None:
    items = BENCHMARK.read(videohallucer(tmp_path), "test").items
    responses = ["yes", "no", "yes", "yes"] + ["yes", "yes"] * 8
    scored = all_scored(BENCHMARK, items, responses)
    figures = BENCHMARK.summarise(scored, "official")
    assert next(iter(figures)) == "Overall"
    assert figures["Overall"] == 10
    assert (figures["Overall basic"], figures["Overall hallucinated"]) == (100, 10)
    kinds = [figures[f"Object-relation{side}"] for side in ("", " basic", " hallucinated")]
    assert kinds == [50, 100, 50]
    files = BENCHMARK.submission(scored)
    assert sorted(files) == [
        f"{name}_dynfocus.json" for name in ("fact", "nonfact", "obj_rel", "semantic", "temporal")
    ]
    assert json.loads(files["obj_rel_dynfocus.json"])[1] == {
        "basic": {
            "video": "1.mp4",
            "question": "Is there a object_relation 1?",
            "answer": "yes",
            "predict": "yes",
        },
        "hallucination": {
            "video": "1.mp4",
            "question": "Is there no object_relation?",
            "answer": "no",
            "predict": "yes",
        },
        "type": "subject",
    }


def test_half_a_pair_counts_for_nothing(tmp_path: Path) -> None:
    items = BENCHMARK.read(videohallucer(tmp_path), "test").items
    scored = all_scored(BENCHMARK, items[:3], ["yes", "no", "no"])
    assert BENCHMARK.summarise(scored, "official")["Object-relation basic"] == 100
    assert len(json.loads(BENCHMARK.submission(scored)["obj_rel_dynfocus.json"])) == 1
    assert BENCHMARK.summarise([], "official") == {}


def test_odd_entries_are_problems(tmp_path: Path) -> None:
    videohallucer(tmp_path)
    (tmp_path / "temporal" / "videos" / "1.mp4").unlink()
    path = tmp_path / "object_relation" / "object_relation.json"
    rows = json.loads(path.read_text())
    rows[0]["hallucination"]["answer"] = "perhaps"
    write_json(path, rows)
    dataset = BENCHMARK.read(tmp_path, "test")
    assert [problem.id for problem in dataset.problems] == [
        "object_relation-0-hallucination",
        "temporal-1-basic",
        "temporal-1-hallucination",
    ]
    assert "neither yes nor no" in dataset.problems[0].message
    assert len(dataset.items) == 17


def test_videos_that_are_no_text(tmp_path: Path) -> None:
    path = videohallucer(tmp_path) / "temporal" / "temporal.json"
    rows = json.loads(path.read_text())
    rows[0]["basic"]["video"], rows[1]["basic"]["video"] = None, 1
    write_json(path, rows)
    dataset = BENCHMARK.read(tmp_path, "test")
    assert [(one.id, one.message) for one in dataset.problems] == [
        ("temporal-0-basic", "Its video None is no text.")
    ]
    (item,) = [item for item in dataset.items if item.id == "temporal-1-basic"]
    assert item.video.name == "1.mp4"


def test_a_folder_without_one_of_the_kinds(tmp_path: Path) -> None:
    videohallucer(tmp_path)
    (tmp_path / "temporal" / "temporal.json").unlink()
    with pytest.raises(UsageError, match=r"temporal/temporal\.json"):
        BENCHMARK.read(tmp_path, "test")


def test_a_file_of_another_version(tmp_path: Path) -> None:
    videohallucer(tmp_path)
    write_json(tmp_path / "temporal" / "temporal.json", [{"basic": {}, "hallucination": {}}])
    with pytest.raises(UsageError, match="video, question, answer"):
        BENCHMARK.read(tmp_path, "test")


def test_published_overall_figures_are_means_of_the_kinds() -> None:
    """But for two rows, which are printed so on the poster."""
    for row in PUBLISHED:
        if "Overall" in row.figures and row.model not in ("LLaMA-VID 7B", "LLaMA-VID 13B"):
            mean = sum(row.figures[kind] for kind in KINDS.values()) / 5
            assert abs(mean - row.figures["Overall"]) < 0.15, row.model
