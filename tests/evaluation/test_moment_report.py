"""From stored retrievals to a report: measures, pairs, page and record."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from stored_runs import failure, write_run

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.comparison import compare_runs, comparison_record
from dynfocus_cli.evaluation.page import report_page
from dynfocus_cli.evaluation.report import Report
from dynfocus_cli.evaluation.report_record import report_record
from dynfocus_cli.evaluation.retrieval import overlap
from dynfocus_cli.evaluation.scoring import score_run
from dynfocus_cli.evaluation.summary import comparison_lines, summary_lines
from strict_schema import validate

ARMS = ("find", "windows")


def retrieval(number: int, arm: str, right: list[Any] | None, found: list[Any]) -> dict[str, Any]:
    """The record of one query: two a video."""
    return {
        "schema": "dynfocus.retrieval/1",
        "key": f"{number:024x}{sum(arm.encode()):08x}",
        "settings": f"eval arm={arm}",
        "benchmark": "synth-moments",
        "split": "test",
        "protocol": "official",
        "scoring": "moments",
        "id": f"{number:03d}",
        "arm": arm,
        "video": f"clips/{number // 2:03d}.mp4",
        "question": f"a dog, number {number}",
        "task": "thing" if right else "no color",
        "duration": "",
        "group": "",
        "spans_s": right,
        "official": {},
        "moments": [{"start_s": start, "end_s": end, "score": 0.9} for start, end in found],
        "clip_scores": [],
        "frames": 24,
        "frames_refined": 7,
        "timings_s": {"decode": 0.1, "encode": 0.2, "select": 0.05, "generate": 0.0, "total": 0.45},
        "peak_memory": None,
        "warnings": [],
    }


def retrievals(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Every third query is for what is never shown; `find` is nearer to the moments than windows are."""
    draw = random.Random(seed)
    records = []
    for number in range(count):
        right = [] if number % 3 == 0 else [[10.0, 20.0]]
        for arm, spread in (("find", 1.5), ("windows", 6.0)):
            found = [[10 + draw.uniform(-spread, spread), 20 + draw.uniform(-spread, spread)]]
            records.append(retrieval(number, arm, right, found if right or draw.random() < 0.2 else []))
    return records


def made(folder: Path, records: list[dict[str, Any]]) -> Path:
    return write_run(folder, records, benchmark="synth-moments", arms=list(ARMS), scoring="moments")


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return score_run(made(tmp_path / "run", retrievals(120)))


def test_measures_are_means_over_the_queries_that_have_them(report: Report) -> None:
    find = [one for one in retrievals(120) if one["arm"] == "find"]
    shares = [
        overlap((one["moments"][0]["start_s"], one["moments"][0]["end_s"]), (10, 20))
        for one in find
        if one["spans_s"]
    ]
    arm = report.arm("find")
    for iou in (0.3, 0.5, 0.7):
        value = sum(share >= iou for share in shares) / 80
        assert arm.measures[f"R@1 at IoU {iou}"].value == pytest.approx(value)
    assert arm.measures["mIoU"].value == pytest.approx(sum(shares) / 80)
    alarms = [bool(one["moments"]) for one in find if not one["spans_s"]]
    assert arm.measures["false alarms"].value == pytest.approx(sum(alarms) / 40)
    assert [arm.measures[name].count for name in ("mIoU", "false alarms")] == [80, 40]
    assert all(estimate.low is not None for estimate in arm.measures.values())
    assert arm.accuracy == arm.measures["R@1 at IoU 0.5"]
    errors = [abs(one["moments"][0]["start_s"] - 10) for one in find if one["spans_s"]]
    assert arm.figures["median error of starts, s"] == pytest.approx(median(errors))
    assert (arm.questions, arm.scored, arm.unparsed) == (120, 120, 0)


def test_arms_are_compared_on_what_is_shown_alone(report: Report) -> None:
    pair = report.pair("find", "windows")
    assert pair is not None
    assert pair.difference.gain.count == 80
    assert pair.difference.p is not None
    assert pair.difference.gain.value > 0
    assert all(one.answer == "10.0 to 20.0 s" for one in report.disagreements)


def test_the_table_has_all_measures_in_80_columns(report: Report) -> None:
    lines = summary_lines(report)
    assert max(map(len, lines[1:])) <= 80
    assert lines[0].startswith("Find ")
    assert "R@1 at IoU 0.5: +" in lines[0]
    (alarms,) = [line for line in lines if line.startswith("false alarms")]
    value = report.arm("find").measures["false alarms"].value
    assert f" {100 * value:.1f} (" in alarms
    assert "120 queries about 60 videos." in lines
    assert not any("not scored" in line for line in lines)


def test_record_and_page(report: Report, tmp_path: Path) -> None:
    record = report_record(report)
    validate(record)
    assert record["metric"] == "recall"
    assert list(record["arms"][0]["measures"]) == list(report.arm("find").measures)
    assert record["disagreements"][0]["arms"][0]["tokens"] is None
    page = report_page(report, tmp_path)
    for words in ("All measures", "false alarms", "Queries on which the arms disagree", "Find finds"):
        assert words in page
    assert "None" not in page
    assert "key frames" not in page
    assert " tokens" not in page


def test_failures_withheld_moments_and_shards(tmp_path: Path) -> None:
    records = [*retrievals(6), retrieval(7, "find", None, [[1.0, 2.0]]), failure(8, "find")]
    report = score_run(made(tmp_path / "run", records))
    assert report.arm("find").questions == 7
    assert report.arm("find").scored == 6
    assert report.arm("find").failed == 1
    assert any("1 answer not scored" in line for line in summary_lines(report))
    parts = {f"predictions-{n}-of-2.jsonl": retrievals(6)[n - 1 :: 2] for n in (1, 2)}
    split = score_run(write_run(tmp_path / "parts", [], parts, benchmark="synth-moments", arms=list(ARMS)))
    whole = score_run(made(tmp_path / "whole", retrievals(6)))
    assert [arm.measures for arm in split.arms] == [arm.measures for arm in whole.arms]


def test_runs_are_compared(tmp_path: Path) -> None:
    runs = [made(tmp_path / name, retrievals(30, seed)) for seed, name in ((1, "a"), (2, "b"))]
    comparison = compare_runs(runs)
    assert comparison.questions == 30
    assert {pair.second.arm for pair in comparison.pairs} == set(ARMS)
    assert comparison.pairs[0].difference.gain.count == 20
    assert "R@1 at IoU 0.5" in comparison_lines(comparison)[0]
    record = comparison_record(comparison)
    validate(record)
    assert record["pairs"][0]["tokens"] is None


def test_a_record_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    torn = retrieval(0, "find", [[1.0, 2.0]], [[1.0, 2.0]])
    del torn["moments"]
    with pytest.raises(UsageError, match="line 1, is no prediction: moments"):
        score_run(made(tmp_path / "run", [torn]))
