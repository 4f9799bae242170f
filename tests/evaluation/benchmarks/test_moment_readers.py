"""Benchmarks of moments: their files in the official layouts, odd entries among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from scoring import problems

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import Benchmark, find_benchmark
from dynfocus_cli.evaluation.item import Item, Prediction, RankedSpan, Scored
from dynfocus_cli.types import Span

Put = Callable[..., Path]


def scored(
    benchmark: Benchmark, item: Item, spans: Sequence[Span], clip_scores: Sequence[float] = ()
) -> Scored:
    """One query whose moments are these, the best first."""
    moments = tuple(RankedSpan(start, end, 0.9 - place / 10) for place, (start, end) in enumerate(spans))
    prediction = Prediction(item, "find", "", 0, 1.0, moments, tuple(clip_scores))
    return benchmark.score(prediction, "official", "moments")


def test_charades_sta(put: Put) -> None:
    data = put("Charades_v1/3MSZA.mp4", "Charades_v1/AMT7R.mp4")
    lines = [
        "3MSZA 24.3 30.4##person turn a light on.",
        "3MSZA 0.0 7.5##person flipped the light switch near the door.",
        "",
        "GONE1 0.0 7.5##person sits.",
        "AMT7R 9.0 9.0##person is gone.",
        "AMT7R 1.2.3 9.0##person is gone.",
        "no line of the file",
    ]
    (data / "charades_sta_test.txt").write_text("\n".join(lines))
    benchmark = find_benchmark("charades-sta")
    dataset = benchmark.read(data, "test")
    assert [(item.id, item.video.name, item.spans_s) for item in dataset.items] == [
        ("1", "3MSZA.mp4", ((24.3, 30.4),)),
        ("2", "3MSZA.mp4", ((0.0, 7.5),)),
    ]
    assert dataset.items[0].question == "person turn a light on."
    found = problems(dataset)
    assert "There is no video GONE1" in found["4"]
    assert "does not end after it starts" in found["5"]
    assert "no start and end in seconds" in found["6"]
    assert "VIDEO START END##SENTENCE" in found["line 7"]
    (data / "charades_sta_test.txt").write_text("something else\n")
    with pytest.raises(UsageError, match="is not Charades-STA's"):
        benchmark.read(data, "test")
    with pytest.raises(UsageError, match=r"charades_sta_train\.txt"):
        benchmark.read(data, "train")


def test_activitynet_captions(put: Put) -> None:
    data = put("videos/v_abc.mp4", "videos/xyz.webm")
    rows = {
        "v_abc": {
            "duration": 82.7,
            "timestamps": [[0.8, 19.9], [9, 3]],
            "sentences": ["A man dives. ", "B."],
        },
        "v_xyz": {"duration": 10, "timestamps": [[0, 5.5]], "sentences": ["A dog."]},
        "v_odd": {"duration": 10, "timestamps": [[0, 5.5]], "sentences": []},
    }
    (data / "val_2.json").write_text(json.dumps(rows))
    benchmark = find_benchmark("activitynet-captions")
    dataset = benchmark.read(data, "val_2")
    assert [(item.id, item.video.name, item.question, item.spans_s) for item in dataset.items] == [
        ("v_abc-0", "v_abc.mp4", "A man dives.", ((0.8, 19.9),)),
        ("v_xyz-0", "xyz.webm", "A dog.", ((0.0, 5.5),)),
    ]
    assert set(problems(dataset)) == {"v_abc-1", "v_odd"}
    (data / "val_2.json").write_text(json.dumps({"v_abc": {"timestamps": []}}))
    with pytest.raises(UsageError, match="has no sentences"):
        benchmark.read(data, "val_2")


def test_timelens_takes_the_videos_of_its_split_and_writes_what_its_script_reads(put: Put) -> None:
    data = put("videos/charades/AB.mp4", "videos/qvhighlights/AB.mp4")
    rows = {"AB": {"duration": 30, "spans": [[1.0, 4.0], [5.0, 9.0]], "queries": ["A  man\nsits.", "A dog"]}}
    (data / "charades-timelens.json").write_text(json.dumps(rows))
    benchmark = find_benchmark("timelens")
    items = benchmark.read(data, "charades").items
    assert [(item.question, item.video.parent.name) for item in items] == [
        ("A man sits", "charades"),
        ("A dog", "charades"),
    ]
    of_arm = [scored(benchmark, items[0], [(1, 3), (5, 9)]), scored(benchmark, items[1], [])]
    figures = benchmark.summarise(of_arm, "official")
    assert [figures[name] for name in ("IOU 0.3", "IOU 0.5", "IOU 0.7")] == [50, 50, 0]
    assert figures["mIOU"] == pytest.approx(100 / 3)
    (name,) = benchmark.submission(of_arm)
    assert (name, json.loads(benchmark.submission(of_arm)[name])) == (
        "predictions.json",
        {
            "AB.mp4>>>A man sits>>>[1.0, 4.0]": {"timestamps": [[1, 3]]},
            "AB.mp4>>>A dog>>>[5.0, 9.0]": {"timestamps": []},
        },
    )


def qvhighlights_row(**fields: Any) -> dict[str, Any]:
    return {
        "qid": 8737,
        "query": "A family plays basketball.",
        "duration": 8,
        "vid": "bP5KfdFJzC4_660.0_810.0",
        "relevant_windows": [[0, 4]],
        "relevant_clip_ids": [0, 1],
        "saliency_scores": [[4, 1, 1], [2, 2, 2]],
        **fields,
    }


def test_qvhighlights(put: Put) -> None:
    data = put("videos/bP5KfdFJzC4_660.0_810.0.mp4")
    rows = [
        qvhighlights_row(),
        qvhighlights_row(qid=2, duration="long"),
        qvhighlights_row(qid=3, relevant_clip_ids=[0, 9]),
        qvhighlights_row(qid=4, saliency_scores=[[4, 1], [2, 2, 2]]),
        qvhighlights_row(qid=5, vid="gone"),
        qvhighlights_row(qid=6, saliency_scores=[["3", "b", 2], [2, 2, 2]]),
        qvhighlights_row(qid=7, saliency_scores=[[4, 1, 10**400], [2, 2, 2]]),
        qvhighlights_row(qid=8, duration=float("inf")),
        qvhighlights_row(qid=9, duration=10**400),
        qvhighlights_row(qid=10, relevant_clip_ids=[False, True]),
    ]
    (data / "highlight_val_release.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = find_benchmark("qvhighlights")
    dataset = benchmark.read(data, "val")
    assert set(problems(dataset)) == {str(number) for number in range(2, 11)}
    assert problems(dataset)["6"] == "Its clips have grades that are no numbers from 0 to 4."
    assert problems(dataset)["8"] == "Its duration inf is no number of seconds from 2 to 86400."
    (item,) = dataset.items
    assert benchmark.clips(item) == (4, 2)
    one = scored(benchmark, item, [(0, 3), (6, 8)], [0.9, 0.2, 0.3, 0.1])
    figures = benchmark.summarise([one], "official")
    assert (figures["MR-full-R1@0.5"], figures["MR-full-R1@0.7"]) == (100, 100)
    assert figures["MR-full-mAP"] == pytest.approx(60), "an overlap of 0.75 reaches 6 of 10"
    assert figures["MR-short-mAP"] == figures["MR-full-mAP"]
    assert "MR-long-mAP" not in figures
    # From Fair on: annotator 1 has clips 0 and 1 (precision 1 and 2/3), the others clip 1 (1/3).
    assert figures["HL-min-Fair-mAP"] == pytest.approx(100 * ((1 + 2 / 3) / 2 + 1 / 3 + 1 / 3) / 3)
    assert (figures["HL-min-VeryGood-Hit1"], figures["HL-min-Fair-Hit1"]) == (100, 100)
    nothing = scored(benchmark, item, [], [0.0] * 4)
    (line,) = benchmark.submission([nothing])["submission.jsonl"].splitlines()
    assert json.loads(line) == {
        "qid": 8737,
        "query": "A family plays basketball.",
        "vid": "bP5KfdFJzC4_660.0_810.0",
        "pred_relevant_windows": [[0.0, 0.0, 0.0]],
        "pred_saliency_scores": [0.0] * 4,
    }


def test_the_test_split_of_qvhighlights_has_its_moments_in_another_file(put: Put) -> None:
    data = put("videos/bP5KfdFJzC4_660.0_810.0.mp4")
    withheld = qvhighlights_row()
    for name in ("relevant_windows", "relevant_clip_ids", "saliency_scores"):
        del withheld[name]
    (data / "highlight_test_release.jsonl").write_text(json.dumps(withheld))
    benchmark = find_benchmark("qvhighlights")
    (item,) = benchmark.read(data, "test").items
    assert item.spans_s is None
    assert scored(benchmark, item, [(0, 3)]).score is None
    (data / "highlight_test_with_gt.jsonl").write_text(json.dumps(qvhighlights_row()))
    (item,) = benchmark.read(data, "test").items
    assert item.spans_s == ((0.0, 4.0),)


def test_generated_queries_are_balanced_and_a_third_are_of_absent_things(tmp_path: Path) -> None:
    benchmark = find_benchmark("synth-moments")
    items = benchmark.read(tmp_path, "test").items
    assert len({item.id for item in items}) == len(items) >= 600
    for count in (18, 180, len(items)):
        absent = [item.task for item in items[:count] if not item.spans_s]
        shown = [item.task for item in items[:count] if item.spans_s]
        assert len(absent) * 3 == count
        assert {absent.count(kind) for kind in set(absent)} == {count // 18}
        assert {shown.count(kind) for kind in set(shown)} == {count // 9}
    absent_item = next(item for item in items if not item.spans_s)
    alarm, silence = (scored(benchmark, absent_item, spans) for spans in ([(0, 3)], []))
    assert (alarm.score, alarm.measures) == (None, {"false alarms": 1})
    assert (silence.score, silence.measures) == (None, {"false alarms": 0})
