"""Multiple choice and counterfactuals at the command line, by the shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dynfocus_cli.cli.app import app
from strict_schema import validate

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")
QUESTION = "What color is the heart at 00:12?"
CHOICES = ("--choice", "A=pink", "--choice", "B=purple", "--choice", "C=no heart")


def test_the_likeliest_letter_is_the_answer() -> None:
    run = CliRunner().invoke(app, ["ask", *CHOICES, DEMO, QUESTION])
    assert (run.exit_code, run.stdout) == (0, "B\n")
    first, *_ = run.stderr.splitlines()
    assert first.startswith("B ")
    assert first.endswith("purple")


def test_choices_of_a_file_of_questions(tmp_path: Path) -> None:
    lines = [
        {"id": 1, "question": QUESTION, "choices": {"x": "purple", "y": "pink"}},
        {"id": 2, "question": QUESTION, "choices": ["pink", "purple"]},
        {"id": 3, "question": QUESTION},
        {"id": 4, "question": QUESTION, "choices": ["pink"]},
        {"id": 5, "question": QUESTION, "choices": "pink"},
    ]
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = CliRunner().invoke(app, ["ask", "--questions", str(questions), DEMO, "--jsonl"])
    records = [json.loads(line) for line in run.stdout.splitlines()]
    for record in records:
        validate(record)
    assert [record["answer"] for record in records] == ["x", "B", "purple"]
    assert [len(record.get("options", ())) for record in records] == [2, 2, 0]
    assert run.exit_code == 6
    for line in (4, 5):
        assert f"line {line}" in run.stderr


def test_a_check_is_shown_and_recorded() -> None:
    run = CliRunner().invoke(app, ["ask", "--check", DEMO, QUESTION])
    assert run.stdout == "purple\n"
    assert "Evenly spaced frames (" in run.stderr
    assert "Without the key frames (" in run.stderr
    record = json.loads(CliRunner().invoke(app, ["ask", "--check", "--json", DEMO, QUESTION]).stdout)
    validate(record)
    assert record["check"]["even_frames"]["tokens"] <= record["tokens"]["video"]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--choice", "A=pink"), "at least two"),
        (("--choice", "pink", "--choice", "B=purple"), "--choice takes a letter and a text"),
        (("--choice", "A=pink", "--choice", "A=purple"), "two choices A"),
        (("--stock", "--scorer", "visual"), "--stock chooses no frames: leave --scorer out"),
        (("--stock", "--check"), "--stock chooses no frames: leave --check out"),
        (("--stock", "--at", "3"), "--stock chooses no frames: leave --at out"),
        (("--cone-tokens", "4"), "--cone-tokens is for models of the Hugging Face hub"),
        (("--stock", "--selector", "topk"), "--stock chooses no frames: leave --selector out"),
    ],
)
def test_what_makes_no_sense_is_said(flags: tuple[str, ...], complaint: str) -> None:
    run = CliRunner().invoke(app, ["ask", *flags, DEMO, QUESTION])
    assert (run.exit_code, run.stdout) == (2, "")
    assert complaint in run.stderr


@pytest.mark.parametrize("selector", ["topk", "aks", "even"])
def test_other_selectors_choose_as_many_frames_for_as_many_tokens(selector: str) -> None:
    flags = ["ask", DEMO, QUESTION, "--selector", selector, "--rods", "none", "--budget", "320", "--json"]
    run = CliRunner().invoke(app, flags)
    record = json.loads(run.stdout)
    validate(record)
    count = record["sampling"]["frames"]
    assert record["selection"]["selector"] == selector
    assert record["selection"]["prototypes"] == count
    assert record["tokens"]["per_other_frame"] == 0
    assert record["tokens"]["video"] == 40 * record["selection"]["key_frames"] <= 320
    assert {frame["event"] for frame in record["frames"]} == set(range(count))
    assert "--rods none leaves those of other frames than key frames out" in run.stderr
    plan = json.loads(CliRunner().invoke(app, [*flags, "--dry-run"]).stdout)
    validate(plan)
    assert plan["selection"]["selector"] == selector
