"""`benchmarks/accuracy.py`: going on after a kill, and what it compares."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

import pytest

from dynfocus_cli.synth.exam import Sheet, sheet_of
from dynfocus_cli.synth.write import FILMS, STANDARD

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
WAY = [None, None, 11, "short"]


@pytest.fixture
def accuracy(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("accuracy")


def rows(sheet: Sheet, right: int, **more: str) -> list[dict]:
    return [
        {"type": q.type, "question": q.question, "answer": q.answer, "given": q.answer if n < right else "?"}
        | more
        for n, q in enumerate(sheet.questions)
    ]


def done(sheet: Sheet, look: str = "plain", right: int = 0, **more: str) -> dict:
    return {
        "way": WAY,
        "clip": sheet.clip,
        "look": look,
        "revision": "r",
        "rows": rows(sheet, right, **more),
    }


def test_answers_are_kept_and_found_again(accuracy, tmp_path) -> None:
    sheets = [sheet_of(11, clip) for clip in range(3)]
    path = tmp_path / "new" / "exam.jsonl"
    assert accuracy.read_partial(path, WAY, sheets, ()) == {}
    for sheet in sheets[:2]:
        accuracy.keep(path, done(sheet))
    accuracy.keep(path, done(sheets[0], "smooth"))
    found = accuracy.read_partial(path, WAY, sheets, ())
    assert list(found) == [(0, "plain"), (1, "plain"), (0, "smooth")]
    assert found[1, "plain"] == done(sheets[1])


def test_what_a_kill_cut_off_is_asked_again_and_spoils_nothing(accuracy, tmp_path) -> None:
    sheets = [sheet_of(11, clip) for clip in range(3)]
    path = tmp_path / "exam.jsonl"
    accuracy.keep(path, done(sheets[0]))
    whole = path.read_bytes()
    path.write_bytes(whole + json.dumps(done(sheets[1])).encode()[:90])
    assert list(accuracy.read_partial(path, WAY, sheets, ())) == [(0, "plain")]
    accuracy.keep(path, done(sheets[2]))
    assert list(accuracy.read_partial(path, WAY, sheets, ())) == [(0, "plain"), (2, "plain")]


def test_only_the_same_questions_asked_in_the_same_way_count(accuracy, tmp_path) -> None:
    sheet = sheet_of(11, 0)
    path = tmp_path / "exam.jsonl"
    accuracy.keep(path, done(sheet))
    accuracy.keep(path, done(sheet, "smooth"))
    fewer = Sheet(0, sheet.script, sheet.questions[:-1])
    assert accuracy.read_partial(path, WAY, [fewer], ()) == {}
    assert accuracy.read_partial(path, ["another model", *WAY[1:]], [sheet], ()) == {}
    assert list(accuracy.read_partial(path, WAY, [sheet], ("black",))) == [(0, "smooth")], (
        "no black was asked"
    )


def test_looks_are_compared_question_by_question(accuracy) -> None:
    sheets = [sheet_of(11, clip) for clip in range(8)]
    answers = {(sheet.clip, "plain"): done(sheet, right=9) for sheet in sheets}
    answers |= {(sheet.clip, "smooth"): done(sheet, "smooth", right=6) for sheet in sheets}
    plain = accuracy.rows_of(answers, sheets, "plain")
    found = accuracy.compare(plain, accuracy.rows_of(answers, sheets, "smooth"))
    assert (found["accuracy"], found["minus_plain"], found["interval"]) == (0.5, -0.25, [-0.25, -0.25])
    assert accuracy.compare(plain, plain)["interval"] == [0.0, 0.0]


def test_no_film_is_the_plain_one_by_another_name() -> None:
    assert FILMS["plain"] == STANDARD
    assert len(set(FILMS.values())) == len(FILMS)


def test_baselines_stand_beside_the_accuracy(accuracy, monkeypatch) -> None:
    monkeypatch.setattr(accuracy, "PREPARED_CLIPS", 50)
    sheets = [sheet_of(11, clip) for clip in range(4)]
    answers = {(sheet.clip, "plain"): done(sheet, right=12, black="?", no_time="?") for sheet in sheets}
    plain = accuracy.rows_of(answers, sheets, "plain")
    accuracy.guess(plain, sheets, 12)
    overall = accuracy.tally(plain)["overall"]
    assert list(overall) == ["accuracy", "majority", "question_only", "black", "no_time"]
    assert overall["accuracy"] == 1.0
    assert overall["black"] == overall["no_time"] == 0.0
    assert 0.0 < overall["question_only"] < 0.6


@pytest.mark.parametrize(
    ("asked", "count"),
    [({"clips": 3}, 36), ({"questions": 30}, 30), ({"questions": 30, "balanced": True}, 30)],
)
def test_exams(accuracy, asked, count) -> None:
    told = {"clips": None, "questions": None, "balanced": False, "seed": 11, "world": "short"} | asked
    plain = accuracy.draw(argparse.Namespace(**told, wordings="exam"))
    other = accuracy.draw(argparse.Namespace(**told, wordings="held-out"))
    questions, reworded = ([q for sheet in sheets for q in sheet.questions] for sheets in (plain, other))
    assert len(questions) == len(reworded) == count
    assert [q.answer for q in questions] == [q.answer for q in reworded]
    assert all(a.question != b.question for a, b in zip(questions, reworded, strict=True))
