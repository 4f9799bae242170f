"""From stored predictions to a report: its figures, its bytes, and what it says of what is not right."""

from __future__ import annotations

import json
import random

import jsonschema
import pytest
from judge_server import Reply, judge_server
from stored_runs import ARMS, JudgedColours, failure, prediction, predictions, write_run

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation import scoring
from dynfocus_cli.evaluation.judge import Judge
from dynfocus_cli.evaluation.report_record import report_record
from dynfocus_cli.evaluation.scoring import score_run, write_report
from dynfocus_cli.evaluation.summary import summary_lines
from dynfocus_cli.evaluation.wording import headline
from dynfocus_cli.report.json import load_schema
from strict_schema import validate

pytestmark = pytest.mark.usefixtures("colours")

SHARES = {"dynfocus": 0.65, "even": 0.5, "key": 0.63}


@pytest.fixture
def records():
    return predictions(100, SHARES)


def test_accuracies_are_counts_of_right_answers(tmp_path, records):
    report = score_run(write_run(tmp_path, records))
    for name in ARMS:
        right = [record["response"] == "red" for record in records if record["arm"] == name]
        arm = report.arm(name)
        assert (arm.questions, arm.scored, arm.unparsed, arm.failed, arm.missing) == (100, 100, 0, 0, 0)
        assert arm.accuracy.value == pytest.approx(sum(right) / 100)
        assert arm.accuracy.low < arm.accuracy.value < arm.accuracy.high
        assert arm.figures == {"total": pytest.approx(sum(right))}
        assert [part.name for part in arm.tasks] == ["color", "motion"]
        assert sum(part.accuracy.value * part.accuracy.count for part in arm.tasks) == pytest.approx(
            sum(right)
        )
        assert [part.accuracy.count for part in arm.durations] == [50, 50]
        assert arm.tokens.limit == 320
        assert arm.cost.seconds == pytest.approx(0.45)
    assert (report.questions, report.videos, report.metric) == (100, 50, "accuracy")


def test_arms_are_paired_with_even_frames_and_with_the_first_arm_once(tmp_path, records):
    report = score_run(write_run(tmp_path, records))
    assert [(pair.arm, pair.against) for pair in report.pairs] == [
        ("dynfocus", "even"),
        ("key", "even"),
        ("key", "dynfocus"),
    ]
    by_question = {(record["id"], record["arm"]): record["response"] == "red" for record in records}
    ids = sorted({record["id"] for record in records})
    only_first = sum(by_question[id, "dynfocus"] and not by_question[id, "even"] for id in ids)
    only_second = sum(by_question[id, "even"] and not by_question[id, "dynfocus"] for id in ids)
    difference = report.pair("dynfocus", "even").difference
    assert (difference.only_first, difference.only_second) == (only_first, only_second)
    assert difference.gain.value == pytest.approx((only_first - only_second) / 100)
    assert headline(report).startswith("DynFocus ")
    assert ", even frames " in headline(report)
    assert ", at 320 tokens: " in headline(report)


def test_disagreements_hold_what_each_arm_said(tmp_path, records):
    report = score_run(write_run(tmp_path, records))
    right = {}
    for record in records:
        right.setdefault(record["id"], set()).add(record["response"] == "red")
    assert [one.id for one in report.disagreements] == sorted(
        id for id, seen in right.items() if len(seen) > 1
    )
    first = report.disagreements[0]
    assert [outcome.arm for outcome in first.outcomes] == list(ARMS)
    assert {outcome.key_times_s for outcome in first.outcomes} == {(1.0, 4.5)}


def test_the_record_holds_to_its_schema(tmp_path, records):
    records += [
        failure(100, "even"),
        prediction(101, "dynfocus", "(none)"),
        prediction(102, "key", "?", answer=None),
    ]
    problems = [{"id": "line 3", "message": "No such video.", "video": "clips/9.mp4"}]
    write_run(tmp_path, records, problems=problems)
    jsonschema.Draft202012Validator.check_schema(load_schema("dynfocus.evaluation/1"))
    record = report_record(score_run(tmp_path))
    validate(record)
    assert record["problems"] == problems
    assert "problems" not in record["protocol"]
    assert record["protocol"]["model"]["revision"] == "abc"
    assert record["failures"] == [
        {
            "id": "100",
            "arm": "even",
            "video": "clips/050.mp4",
            "kind": "VideoUnreadable",
            "message": "It ends early.",
        }
    ]
    assert record["as_published"][0]["model"] == "Another model"


@pytest.mark.parametrize("name", ["dynfocus.evaluation/1", "dynfocus.comparison/1"])
def test_each_field_is_described(name):
    def check(node):
        for key, field in node.get("properties", {}).items():
            assert "description" in field or "const" in field, key
        for inner in node.values():
            for part in inner if isinstance(inner, list) else [inner]:
                if isinstance(part, dict):
                    check(part)

    check(load_schema(name))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_bytes_are_the_same_whatever_the_order_the_files_and_the_times(tmp_path, records, seed):
    draw = random.Random(seed)
    later = [{**record, "timings_s": {"total": draw.random()}, "peak_memory": None} for record in records]
    draw.shuffle(later)
    shards = {f"predictions-{n}-of-3.jsonl": later[n - 1 :: 3] for n in (1, 2, 3)}
    shards["predictions-2-of-3.jsonl"] = [*shards["predictions-2-of-3.jsonl"], *later[:20]]  # some twice
    kept = []
    for folder in (write_run(tmp_path / "a", records), write_run(tmp_path / "b", [], shards)):
        write_report(score_run(folder), folder)
        record = json.loads((folder / "report.json").read_bytes())
        record.pop("cost")
        kept.append(json.dumps(record))
    assert kept[0] == kept[1]


def test_a_missing_shard_is_named(tmp_path, records):
    report = score_run(write_run(tmp_path, [], {"predictions-2-of-3.jsonl": records}))
    assert report.missing_shards == ("predictions-1-of-3.jsonl", "predictions-3-of-3.jsonl")
    assert (
        "predictions-1-of-3.jsonl is missing: questions that no other part has are in no figure."
        in summary_lines(report)
    )


def test_unparsed_answers_are_counted_under_both_denominators(tmp_path):
    answers = ["red", "red", "blue", "(I cannot tell)"]
    records = [prediction(number, "even", answer) for number, answer in enumerate(answers)]
    arm = score_run(write_run(tmp_path, records)).arm("even")
    assert (arm.scored, arm.unparsed) == (4, 1)
    assert arm.accuracy.value == pytest.approx(2 / 4)
    assert arm.accuracy_of_parsed.value == pytest.approx(2 / 3)


def test_an_answer_takes_the_place_of_a_failure_and_a_missing_one_is_counted(tmp_path):
    records = [
        prediction(0, "dynfocus", "red"),
        failure(0, "dynfocus"),
        prediction(1, "dynfocus", "red"),
        failure(0, "even"),
    ]
    report = score_run(write_run(tmp_path, records))
    assert [(one.id, one.arm) for one in report.failures] == [("000", "even")]
    even = report.arm("even")
    assert (even.questions, even.failed, even.missing, even.accuracy) == (0, 1, 1, None)
    assert report.pairs == ()
    assert headline(report) == "DynFocus 100.0 %, of 2 questions about 1 video."


def test_answers_that_are_withheld_are_not_scored(tmp_path):
    records = [prediction(number, arm, "red", answer=None) for number in range(4) for arm in ARMS]
    report = score_run(write_run(tmp_path, records))
    assert report.arm("even").accuracy is None
    assert report.arm("even").figures == {}
    assert report.pairs == report.disagreements == ()
    assert headline(report).startswith("4 questions answered, none scored")
    validate(report_record(report))


def test_one_video_has_no_interval(tmp_path):
    records = [prediction(number, arm, "red") for number in (0, 1) for arm in ARMS]
    report = score_run(write_run(tmp_path, records))
    assert report.pair("dynfocus", "even").difference.gain.low is None
    words = "DynFocus 100.0 %, even frames 100.0 %, at 320 tokens: no difference shown, +0.0 points."
    assert headline(report) == words
    validate(report_record(report))


def test_a_difference_that_is_shown_is_given_with_its_interval(tmp_path):
    records = [
        prediction(number, arm, "red" if arm == "dynfocus" or number % 5 else "blue")
        for number in range(60)
        for arm in ARMS
    ]
    sentence = headline(score_run(write_run(tmp_path, records)))
    assert sentence.startswith("DynFocus 100.0 %, even frames 80.0 %, at 320 tokens: +20.0 points (1")


def test_arms_of_other_costs_are_given_with_their_tokens(tmp_path):
    records = [prediction(number, arm, "red") for number in range(4) for arm in ("dynfocus", "even")]
    for record in records[1::2]:
        record["tokens"] = {"video": 1234, "limit": None, "prompt": 1, "generated": 1}
    sentence = headline(score_run(write_run(tmp_path, records)))
    assert ", at 288 and 1,234 tokens: no difference shown" in sentence


def test_by_likelihood_the_response_is_the_option(tmp_path):
    options = {"A": "(no colour)", "B": "red"}
    record = prediction(0, "even", "B", options=options, answer="B", scoring="likelihood")
    assert score_run(write_run(tmp_path, [record])).arm("even").accuracy.value == 1


def four_of_five(text: str, number: int) -> Reply:
    """The judge's grade of all answers but those that it says nothing of."""
    return Reply("" if "blue" in text else "4")


def test_verdicts_score_what_needs_a_judge_and_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "find_benchmark", lambda name: JudgedColours())
    answers = ["red", "red", "blue", "blue"]  # the first and the last are about what moves
    records = [prediction(number, "even", answer) for number, answer in enumerate(answers)]
    folder = write_run(tmp_path, records, arms=["even"])
    arm = score_run(folder).arm("even")
    assert (arm.scored, arm.judgement.prompts, arm.judgement.judged) == (2, 2, 0)
    assert arm.accuracy.value == 1 / 2
    with judge_server(four_of_five) as server, Judge(server.url, "a judge") as judge:
        score_run(folder, judge)
    report = score_run(folder)
    arm = report.arm("even")
    assert (arm.scored, arm.judgement.judge, arm.judgement.judged) == (3, "a judge", 1)
    assert arm.accuracy.value == pytest.approx((0.8 + 1 + 0) / 3)
    assert report.metric == "score"
    validate(report_record(report))
    assert "even: 1 answer not scored." in summary_lines(report)


def test_each_arm_has_its_submission(tmp_path):
    records = [prediction(0, "even", "Red"), prediction(1, "even", "blue"), prediction(0, "key", "(none)")]
    write_run(tmp_path, records)
    write_report(score_run(tmp_path), tmp_path)
    files = {path: json.loads(path.read_bytes()) for path in (tmp_path / "submission").rglob("*.json")}
    assert files == {
        tmp_path / "submission" / "even" / "answers.json": {"000": "red", "001": "blue"},
        tmp_path / "submission" / "key" / "answers.json": {"000": None},
    }


def test_an_arm_is_no_path(tmp_path):
    with pytest.raises(UsageError, match="line 1, is no prediction: arm: String should match"):
        score_run(write_run(tmp_path, [prediction(0, "../../x", "red")]))


def test_two_predictions_of_one_question_are_told(tmp_path):
    records = [prediction(0, "even", "red", key="b" * 32), prediction(0, "even", "blue", key="a" * 32)]
    report = score_run(write_run(tmp_path, records))
    assert report.arm("even").questions == 1
    assert "two predictions of even" in report.warnings[0]


def test_a_torn_last_line_is_a_warning(tmp_path, records):
    folder = write_run(tmp_path, records)
    with open(folder / "predictions.jsonl", "a") as file:
        file.write('{"schema": "dynfocus.predi')
    report = score_run(folder)
    assert report.questions == 100
    assert report.warnings == (
        "predictions.jsonl ends within a line: that question is asked again when the run goes on.",
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]\n", r"predictions\.jsonl, line 1, is no prediction: its schema is None"),
        ('{"schema": "dynfocus.answer/1"}\n', "its schema is 'dynfocus.answer/1'"),
        ('{"schema": "dynfocus.prediction/1"}\n', "line 1, is no prediction: key: Field required"),
        (
            json.dumps(prediction(0, "even", "red", tokens={"video": "many"})) + "\n",
            r"tokens\.video: Input should be a valid integer",
        ),
        ("\x00\x01\n", "line 1, is no prediction"),
    ],
)
def test_a_line_that_is_no_prediction_is_named(tmp_path, line, message):
    folder = write_run(tmp_path, [])
    (folder / "predictions.jsonl").write_text(line)
    with pytest.raises(UsageError, match=message):
        score_run(folder)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"is no folder of a run: .*run\.json cannot be read"):
        score_run(tmp_path)
    (tmp_path / "run.json").write_text('{"benchmark": "colours"}')
    with pytest.raises(UsageError, match=r"run\.json is no record of a run: split: Field required"):
        score_run(tmp_path)
    (tmp_path / "run.json").write_text('{"benchmark": "colours", "split": "test"}')
    with pytest.raises(UsageError, match=r"holds no predictions"):
        score_run(tmp_path)


def test_the_summary_is_a_line_an_arm(tmp_path, records):
    lines = summary_lines(score_run(write_run(tmp_path, records)))
    assert lines[0].startswith("DynFocus ")
    assert lines[2].split()[:2] == ["arm", "accuracy"]
    assert [line.split()[0] for line in lines[3:6]] == list(ARMS)
    assert "288/320" in lines[3]
    assert lines[-1] == "100 questions about 50 videos."
    assert max(map(len, lines[2:6])) <= 80
