"""`dynfocus eval` from the outside, with questions of one's own and generated clips."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dynfocus_cli.batch.shards import Shard
from dynfocus_cli.cli.app import app
from dynfocus_cli.evaluation.records import predictions_file
from dynfocus_cli.evaluation.runner import video_of
from dynfocus_cli.network.network import DynFocusModel
from strict_schema import validate

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
ARMS = ("dynfocus", "even", "key")
QUESTIONS: list[dict[str, Any]] = [
    {"id": "open", "video": "demo.mp4", "question": "What is shown at 00:03?", "answer": "?"},
    {
        "id": "choice",
        "video": "demo.mp4",
        "question": "How many scenes are there?",
        "choices": {"A": "2", "B": "3"},
        "answer": "3",
        "type": "scenes",
    },
]
BROKEN: list[dict[str, Any]] = [
    {"id": "gone", "video": "gone.mp4", "question": "What?", "answer": "a"},
    {"id": "open", "video": "demo.mp4", "question": "Twice?", "answer": "a"},
    {"video": "demo.mp4", "question": "Which?", "choices": ["a", "b"], "answer": "C"},
    {"question": "Of what?"},
]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


def run(questions: Path, output: Path, *more: str) -> Result:
    return invoke("run", questions, "--output", output, "--frames", "8", "--model", "dynfocus-tiny", *more)


def write(folder: Path, questions: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    if not (folder / "demo.mp4").exists():
        shutil.copy(DEMO, folder / "demo.mp4")
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in questions), encoding="utf-8")
    return path


def records(output: Path) -> list[dict[str, Any]]:
    files = sorted(output.glob("predictions*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def report(output: Path) -> dict[str, Any]:
    """But what differs from run to run."""
    content: dict[str, Any] = json.loads((output / "report.json").read_text(encoding="utf-8"))
    del content["cost"]
    return content


def test_questions_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[int] = []
    original = DynFocusModel.encode_frames

    def counted(self: DynFocusModel, pixels: Any) -> Any:
        frames.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(DynFocusModel, "encode_frames", counted)
    questions, output = write(tmp_path / "own", QUESTIONS), tmp_path / "run"
    result = run(questions, output)
    assert result.exit_code == 0, result.stderr
    made = records(output)
    for record in made:
        validate(record)
        assert record["tokens"]["video"] <= record["tokens"]["limit"] == 320
    assert [(one["id"], one["arm"]) for one in made] == [
        (question["id"], arm) for question in QUESTIONS for arm in ARMS
    ]
    assert {one["answer"] for one in made} == {"?", "B"}
    assert all(one["response"] in "AB" and len(one["log_likelihoods"]) == 2 for one in made[3:])
    # The moment that one of the two questions names, and six times the same frames.
    assert sum(frames) <= 2 * 8
    assert "dynfocus" in result.stdout
    assert (output / "report.html").exists()
    before = (output / "predictions.jsonl").read_bytes()
    again = run(questions, output)
    assert again.exit_code == 0, again.stderr
    assert (output / "predictions.jsonl").read_bytes() == before
    assert "has 6 predictions of earlier runs" in again.stderr
    assert again.stdout == result.stdout == invoke("score", output).stdout


def test_the_answers_are_those_of_ask(tmp_path: Path) -> None:
    questions, output = write(tmp_path / "own", QUESTIONS), tmp_path / "run"
    assert run(questions, output, "--arms", "dynfocus").exit_code == 0
    flags = ["--model", "dynfocus-tiny", "--frames", "8", "--budget", "320", "--jsonl"]
    asked = CliRunner().invoke(
        app, ["ask", str(tmp_path / "own" / "demo.mp4"), "--questions", str(questions), *flags]
    )
    answers = [json.loads(line) for line in asked.stdout.splitlines()]
    assert [one["response"] for one in records(output)] == [one["answer"] for one in answers]
    assert [one["tokens"]["video"] for one in records(output)] == [one["tokens"]["video"] for one in answers]


def test_what_cannot_be_asked_is_named_and_stops_nothing(tmp_path: Path) -> None:
    questions = write(tmp_path / "own", [*QUESTIONS, *BROKEN])
    (tmp_path / "own" / "noise.mp4").write_bytes(b"no video at all" * 100)
    damaged = {"id": "damaged", "video": "noise.mp4", "question": "What?", "answer": "a"}
    with questions.open("a", encoding="utf-8") as file:
        file.write(json.dumps(damaged) + "\nno json\n")
    output = tmp_path / "run"
    result = run(questions, output)
    assert result.exit_code == 6, result.stderr
    made = records(output)
    failed = [one for one in made if one["schema"] == "dynfocus.error/1"]
    assert [(one["id"], one["arm"], one["error"]["code"]) for one in failed] == [
        ("damaged", arm, 3) for arm in ARMS
    ]
    for record in failed:
        validate(record)
    assert len(made) == 3 * len(ARMS)
    assert result.stderr.count("Error: damaged, ") == 1, "an unreadable video is said once, not by each arm"
    assert "3 of 9 predictions failed. 5 questions could not be asked." in result.stderr
    problems = {
        one["id"]: one["message"] for one in json.loads((output / "run.json").read_text())["problems"]
    }
    assert problems["line 3"] == f"There is no video gone.mp4 in {questions.parent}."
    assert "another question's already" in problems["line 4"]
    assert "'C' is none of its choices (A, B)" in problems["line 5"]
    assert 'names no "video"' in problems["line 6"]
    assert len(problems) == 5
    check = invoke("check", questions)
    assert check.exit_code == 0
    assert check.stdout.startswith("test: 3 questions about 2 videos; 5 cannot be asked\n")
    assert check.stdout.count("noise.mp4") == 1, "a damaged video is named"
    assert {one["id"] for one in report(output)["problems"]} == set(problems)
    assert len(report(output)["failures"]) == 3
    again = run(questions, output)
    assert (again.exit_code, len(records(output))) == (6, 9)
    shutil.copy(DEMO, tmp_path / "own" / "noise.mp4")
    mended = run(questions, output, "--retry-failed")
    assert "predictions failed" not in mended.stderr
    assert [one["schema"] for one in records(output)] == ["dynfocus.prediction/1"] * 9


def test_videos_that_come_later_are_asked_about_then(tmp_path: Path) -> None:
    late = {"id": "late", "video": "late.mp4", "question": "How many scenes are there?", "answer": "3"}
    questions, output = write(tmp_path / "own", [*QUESTIONS, late]), tmp_path / "run"
    assert run(questions, output, "--arms", "even").exit_code == 6
    (tmp_path / "own" / "demo.mp4").rename(tmp_path / "own" / "late.mp4")
    assert run(questions, output, "--arms", "even").exit_code == 6, "the others have gone, and stay answered"
    assert [one["id"] for one in records(output)] == ["open", "choice", "late"]
    assert len(json.loads((output / "run.json").read_text())["problems"]) == 1
    shutil.copy(tmp_path / "own" / "late.mp4", tmp_path / "own" / "demo.mp4")
    kept = json.loads((output / "run.json").read_text())
    del kept["questions"]
    (output / "run.json").write_text(json.dumps(kept))  # of somebody who tidied it
    assert run(questions, output, "--arms", "even").exit_code == 0
    found = json.loads((output / "run.json").read_text())
    assert (found["questions"], found["videos"], found["problems"]) == (3, 2, [])


def test_a_part_without_videos_is_there_and_scores_nothing(tmp_path: Path) -> None:
    questions, output = write(tmp_path / "own", QUESTIONS), tmp_path / "run"
    empty = run(questions, output, "--arms", "even", "--shard", "2/2")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "There is no video for part 2/2" in empty.stderr
    other = run(questions, output, "--arms", "even", "--shard", "1/2")
    assert other.exit_code == 0
    assert "is missing" not in other.stdout + other.stderr


def test_a_run_of_other_settings_is_left_alone(tmp_path: Path) -> None:
    questions, output = write(tmp_path / "own", QUESTIONS), tmp_path / "run"
    assert run(questions, output, "--arms", "even").exit_code == 0
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    for flags, said in (
        (("--tokens", "200"), "tokens: there the default, here 200"),
        (("--scoring", "generate"), "scoring: there likelihood, here generate"),
        (("--scorer", "visual"), "options.scorer: there the default, here visual"),
    ):
        other = run(questions, output, "--arms", "even", *flags)
        assert other.exit_code == 2
        assert "holds a run of other settings" in other.stderr
        assert said in other.stderr
    write(tmp_path / "own", QUESTIONS[:1])
    assert "files.questions.jsonl" in run(questions, output, "--arms", "even").stderr
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    write(tmp_path / "own", QUESTIONS)
    assert run(questions, output).exit_code == 0, "more arms go on with the same run"
    assert json.loads((output / "run.json").read_text())["arms"] == ["even", "dynfocus", "key"]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--arms", "stock"), "cannot do the arm stock"),
        (("--arms", "evne"), "There is no arm 'evne'"),
        (("--shard", "3/2"), "--shard is R/W"),
        (("--protocol", "vlmevalkit"), "file has no protocol vlmevalkit: take one of official"),
        (("--data", "/no/such/folder"), "--data /no/such/folder is no folder."),
        (("--split", "dev"), "file has no split 'dev': take one of test"),
        (("--judge", "http://localhost:9"), "--judge and --judge-model go together"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_runs(
    tmp_path: Path, flags: tuple[str, ...], complaint: str
) -> None:
    output = tmp_path / "run"
    result = run(write(tmp_path / "own", QUESTIONS), output, *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert not output.exists()


def test_too_few_tokens_are_a_record_that_says_how_many(tmp_path: Path) -> None:
    output = tmp_path / "run"
    result = run(write(tmp_path / "own", QUESTIONS[:1]), output, "--tokens", "39")
    assert result.exit_code == 2
    assert "--tokens 39 holds no key frame of this video: give 40 or more." in result.stderr


def test_clips_that_cannot_be_written_are_said_to_be_that(tmp_path: Path) -> None:
    output = tmp_path / "run"
    output.mkdir()
    (output / "clips").write_text("no folder")
    result = invoke("run", "synth", "--output", output, "--limit", "1", "--arms", "even")
    assert result.exit_code == 1
    assert "clip-20000-00000.mp4 cannot be written: File exists." in result.stderr
    other = invoke("run", "synth", "--output", tmp_path / "other", "--data", output / "clips")
    assert (other.exit_code, "clips is no folder." in other.stderr) == (2, True)


def test_one_of_a_thing_is_no_plural(tmp_path: Path) -> None:
    questions, output = write(tmp_path / "own", [QUESTIONS[0], BROKEN[0]]), tmp_path / "run"
    result = run(questions, output, "--arms", "even")
    assert (result.exit_code, "1 question could not be asked." in result.stderr) == (6, True)
    assert "has 1 prediction of earlier runs." in run(questions, output, "--arms", "even").stderr


def test_a_benchmark_that_there_is_not(tmp_path: Path) -> None:
    result = invoke("run", "vidoe-mme", "--output", tmp_path / "run")
    assert result.exit_code == 2
    assert "There is no benchmark 'vidoe-mme'" in result.stderr
    assert "lvbench needs --data" in invoke("check", "lvbench").stderr
    assert invoke("check", "mlvu").stdout == "", "no split is said to be missing where no folder was named"
    assert "No such" in invoke("check", tmp_path / "none.jsonl").stderr
    listed = invoke("list").stdout
    assert "synth" in listed
    assert "lvbench" in listed


def test_shards_share_out_videos(tmp_path: Path) -> None:
    from dynfocus_cli.evaluation.benchmark import find_benchmark

    items = find_benchmark("synth").read(tmp_path, "test").items[:50]
    parts = [list(Shard(number, 3).part(items, video_of)) for number in (1, 2, 3)]
    assert sorted(item.id for part in parts for item in part) == sorted(item.id for item in items)
    videos = [{item.video for item in part} for part in parts]
    assert not videos[0] & videos[1] | videos[1] & videos[2] | videos[0] & videos[2]
    assert predictions_file(Shard()) == "predictions.jsonl"
    assert predictions_file(Shard(2, 3)) == "predictions-2-of-3.jsonl"


def command(output: Path, clips: Path, *more: str) -> list[str]:
    code = "from dynfocus_cli.cli.app import main; main()"
    flags = ["--limit", "12", "--data", str(clips), "--arms", "dynfocus,even", *more]
    return [sys.executable, "-c", code, "eval", "run", "synth", "--output", str(output), *flags]


@pytest.mark.slow
def test_killed_five_times_over_two_shards_and_joined_each_question_is_there_once(tmp_path: Path) -> None:
    clips, whole, killed = tmp_path / "clips", tmp_path / "whole", tmp_path / "killed"
    done = subprocess.run(command(whole, clips), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills = 0
    for shard in ("1/2", "2/2"):
        file = killed / f"predictions-{shard[0]}-of-2.jsonl"
        while True:
            process = subprocess.Popen(
                command(killed, clips, "--shard", shard), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            if kills < (3 if shard == "1/2" else 5):
                lines = len(file.read_bytes().splitlines()) if file.exists() else 0
                while process.poll() is None and (
                    not file.exists() or len(file.read_bytes().splitlines()) <= lines
                ):
                    time.sleep(0.01)
                process.kill()
                process.communicate()
                kills += 1
                continue
            assert process.stderr is not None
            _, said = process.communicate()
            assert process.returncode == 0, said
            break
    assert kills == 5
    assert invoke("score", killed).exit_code == 0
    assert len(records(killed)) == 24
    assert len({(one["id"], one["arm"]) for one in records(killed)}) == 24
    assert report(killed) == report(whole)


@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path / "run", tmp_path / "clips"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    file = tmp_path / "run" / "predictions.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (file.exists() and file.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted. Run the same command again to go on." in said
    assert all(one["schema"] == "dynfocus.prediction/1" for one in records(tmp_path / "run"))


def test_reports_and_comparisons_are_records_for_scripts(tmp_path: Path) -> None:
    questions = write(tmp_path / "own", QUESTIONS)
    first, second = tmp_path / "first", tmp_path / "second"
    done = run(questions, first, "--arms", "dynfocus,even", "--json")
    record = json.loads(done.stdout)
    validate(record)
    assert record == json.loads((first / "report.json").read_text(encoding="utf-8"))
    assert (record["questions"], [arm["arm"] for arm in record["arms"]]) == (2, ["dynfocus", "even"])
    assert json.loads(invoke("score", first, "--json").stdout) == record
    run(questions, second, "--arms", "even,key", "--tokens", "200")
    compared = json.loads(invoke("compare", first, second, "--json").stdout)
    validate(compared)
    assert [(pair["arm"], pair["against_arm"], pair["questions"]) for pair in compared["pairs"]] == [
        ("even", "even", 2)
    ]
    assert {"name": "tokens", "values": [None, 200]} in compared["differences"]
