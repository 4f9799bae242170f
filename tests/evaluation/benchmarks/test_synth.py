"""Generated clips: balanced from the first questions on, filmed once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from dynfocus_cli.evaluation import generated_clips
from dynfocus_cli.evaluation.benchmark import find_benchmark
from dynfocus_cli.evaluation.benchmarks import synth
from dynfocus_cli.evaluation.item import Prediction, Scored
from dynfocus_cli.synth.questions import QUESTION_TYPES


def test_the_first_questions_are_balanced_and_ids_are_unique(tmp_path: Path) -> None:
    items = find_benchmark("synth").read(tmp_path, "test").items
    assert len({item.id for item in items}) == len(items) == synth.ROUNDS * len(QUESTION_TYPES)
    for count in (15, 30, 150):
        types = Counter(item.task for item in items[:count])
        assert set(types.values()) == {count // 15}
    most = Counter(item.video for item in items).most_common(1)[0][1]
    assert most <= synth.MOST_ON_A_CLIP
    assert not list(tmp_path.iterdir()), "reading films nothing"


def test_a_clip_is_filmed_once_and_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = find_benchmark("synth")
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        benchmark.prepare(benchmark.read(folder, "test").items[0])
    (first,), (second,) = one.iterdir(), other.iterdir()
    assert first.read_bytes() == second.read_bytes()
    monkeypatch.setattr(generated_clips, "write_video", lambda *_: pytest.fail("filmed again"))
    benchmark.prepare(benchmark.read(one, "test").items[0])


def test_an_answer_is_right_where_it_is_the_generators_own(tmp_path: Path) -> None:
    benchmark = find_benchmark("synth")
    items = benchmark.read(tmp_path, "test").items[:2]
    scored = []
    for item, response in zip(items, (items[0].answer or "", ""), strict=True):
        extracted = benchmark.extract(item, response, "official")
        score = float(extracted is not None and benchmark.is_right(item, extracted))
        scored.append(Scored(Prediction(item, "even", response, 320, 1.0), extracted, score))
    assert [one.extracted is None for one in scored] == [False, True]
    figures = benchmark.summarise(scored, "official")
    assert figures["accuracy"] == 50.0
    assert figures[items[0].task] == 100.0
    assert benchmark.summarise([], "official") == {}
