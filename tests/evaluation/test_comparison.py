"""Runs compared on the questions that both have."""

from __future__ import annotations

import pytest
from stored_runs import prediction, predictions, write_run

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation import comparison, scoring
from dynfocus_cli.evaluation.benchmarks.file import OwnQuestions
from dynfocus_cli.evaluation.comparison import compare_runs, comparison_record
from dynfocus_cli.evaluation.summary import comparison_lines
from strict_schema import validate

pytestmark = pytest.mark.usefixtures("colours")

SHARES = {"dynfocus": 0.5, "even": 0.5}


def test_arms_of_the_same_name_are_paired_on_shared_questions(tmp_path):
    first = write_run(tmp_path / "first", predictions(80, SHARES))
    better = [record for record in predictions(100, {"dynfocus": 0.8, "even": 0.5}) if record["id"] >= "020"]
    second = write_run(tmp_path / "second", better, model={"name": "dynfocus-tiny", "revision": "def"})
    comparison = compare_runs([first, second])
    assert comparison.questions == 60
    assert [(pair.second.arm, pair.first.arm) for pair in comparison.pairs] == [
        ("dynfocus", "dynfocus"),
        ("even", "even"),
    ]
    difference = comparison.pairs[0].difference
    assert difference.gain.count == 60
    assert difference.gain.value == pytest.approx(difference.first - difference.second)
    assert difference.gain.value > 0.1
    assert difference.p < 0.01
    assert {one.name: one.values for one in comparison.differences} == {
        "model.quantization": ("none", None),
        "model.revision": ("abc", "def"),
    }
    validate(comparison_record(comparison))
    lines = comparison_lines(comparison)
    assert "  model.revision: abc, def" in lines


def test_runs_without_an_arm_in_common_are_compared_by_their_first(tmp_path):
    first = write_run(tmp_path / "first", predictions(20, {"even": 0.5}), arms=["even"])
    second = write_run(tmp_path / "second", predictions(20, {"key": 0.7}), arms=["key"])
    (pair,) = compare_runs([first, second]).pairs
    assert (pair.second.arm, pair.second.tokens, pair.first.arm, pair.first.tokens) == (
        "key",
        300,
        "even",
        320,
    )


def test_three_runs_are_each_compared_with_the_first(tmp_path):
    runs = [write_run(tmp_path / name, predictions(20, SHARES, seed)) for seed, name in enumerate("abc")]
    pairs = compare_runs(runs).pairs
    assert [(pair.second.run, pair.first.run) for pair in pairs] == [
        (str(runs[1]), str(runs[0])),
        (str(runs[1]), str(runs[0])),
        (str(runs[2]), str(runs[0])),
        (str(runs[2]), str(runs[0])),
    ]


def test_the_same_id_with_other_words_is_another_question(tmp_path):
    first = write_run(tmp_path / "first", [prediction(0, "even", "red")])
    second = write_run(tmp_path / "second", [prediction(0, "even", "red", question="What moves?")])
    with pytest.raises(UsageError, match="have no question in common"):
        compare_runs([first, second])


@pytest.mark.parametrize("fields", [{"answer": "blue"}, {"options": {"A": "red", "B": "blue"}}])
def test_other_options_or_another_answer_make_another_question(tmp_path, fields):
    first = write_run(tmp_path / "first", [prediction(0, "even", "red"), prediction(1, "even", "red")])
    second = write_run(
        tmp_path / "second", [prediction(0, "even", "red", **fields), prediction(1, "even", "red")]
    )
    compared = compare_runs([first, second])
    assert (compared.questions, compared.pairs[0].difference.gain.count) == (1, 1)


def test_questions_of_ones_own_about_other_videos_are_others(tmp_path, monkeypatch):
    """Their ids are numbers of lines; their wording is often the same."""
    for module in (scoring, comparison):
        monkeypatch.setattr(module, "find_benchmark", lambda name: OwnQuestions())

    def run(name, *videos):
        records = [
            prediction(number, "even", "red", question="What moves?", video=f"/{name}/{video}")
            for number, video in enumerate(videos)
        ]
        return write_run(tmp_path / name, records, benchmark="file")

    first, second, third = run("a", "x.mp4", "y.mp4"), run("b", "x.mp4", "z.mp4"), run("c", "z.mp4")
    compared = compare_runs([first, second])
    assert (compared.questions, compared.pairs[0].difference.gain.count) == (1, 1)
    with pytest.raises(UsageError, match="have no question in common"):
        compare_runs([first, third])


def test_an_official_video_may_have_another_file(tmp_path):
    runs = [
        write_run(tmp_path / name, [prediction(0, "even", "red", video=f"/{name}/{video}")])
        for name, video in (("a", "v_x.mp4"), ("b", "x.webm"))
    ]
    assert compare_runs(runs).questions == 1


def test_runs_of_other_benchmarks_or_splits_are_refused(tmp_path):
    first = write_run(tmp_path / "first", [prediction(0, "even", "red")])
    second = write_run(tmp_path / "second", [prediction(0, "even", "red")], split="dev")
    with pytest.raises(UsageError, match=r"first is of colours \(test\) and .*second of colours \(dev\)"):
        compare_runs([first, second])


def test_one_run_is_nothing_to_compare(tmp_path):
    with pytest.raises(UsageError, match="two runs"):
        compare_runs([tmp_path])


def test_questions_without_scores_are_nothing_to_compare(tmp_path):
    runs = [
        write_run(tmp_path / name, [prediction(0, "even", "red", answer=None)])
        for name in ("first", "second")
    ]
    with pytest.raises(UsageError, match="None of the questions"):
        compare_runs(runs)
