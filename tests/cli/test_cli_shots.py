"""`dynfocus inspect --shots` and `--split`: what is shown, what is written, and what is said of the rest.

The stand-in of conftest.py selects; shots are found in real clips, and cut from them.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest

from dynfocus_cli.errors import UsageError
from dynfocus_cli.report.json import load_schema
from dynfocus_cli.video import cutting, probe
from video.pictured_clips import still, write


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A clip of two shots, of a second each, in the working directory."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "clip.mp4", still(1, 10) + still(2, 10), Fraction(10))  # as the stand-in says
    return "clip.mp4"


def test_shots_are_a_table_of_tab_separated_lines(stand_in, run, clip):
    result = run("inspect", clip, "--shots")
    assert result.exit_code == 0
    heading, *rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert heading == ["shot", "start_s", "end_s", "timecode", "length_s", "begins", "key_frame"]
    assert [row[:6] for row in rows] == [
        ["1", "0.000", "1.000", "00:00:00.000", "1.000", "start"],
        ["2", "1.000", "2.000", "00:00:01.000", "1.000", "cut"],
    ]


def test_shots_are_a_field_of_the_record(stand_in, run, clip):
    plain, record = (json.loads(run("inspect", clip, "--json", *more).stdout) for more in ([], ["--shots"]))
    shots = record.pop("shots")
    assert record == plain
    assert [(shot["start_s"], shot["end_s"], shot["transition"]) for shot in shots] == [
        (0.0, 1.0, "start"),
        (1.0, 2.0, "cut"),
    ]
    jsonschema.validate(record | {"shots": shots}, load_schema("dynfocus.inspection/1"))


def test_each_shot_is_cut_into_a_file(stand_in, run, clip):
    for number in ("", "-2"):
        result = run("inspect", clip, "--split", "parts", "--exact")
        assert [line for line in result.stderr.splitlines() if line.startswith("Wrote ")] == [
            f"Wrote parts/clip-001{number}.mkv (00:00:00.000 to 00:00:01.000)",
            f"Wrote parts/clip-002{number}.mkv (00:00:01.000 to 00:00:02.000)",
        ]
        assert result.exit_code == 0
    assert {round(probe(path).duration_s, 2) for path in Path("parts").iterdir()} == {1.0}


def test_a_shot_that_cannot_be_cut_is_said_and_the_others_are_written(stand_in, run, clip, monkeypatch):
    whole = cutting.cut

    def cut(source, start_s, *more, **how):
        if start_s == 0:
            raise UsageError("Cannot write it: No space left on device.")
        return whole(source, start_s, *more, **how)

    monkeypatch.setattr(cutting, "cut", cut)
    result = run("inspect", clip, "--split", "parts")
    assert result.exit_code == 6
    assert "Error: clip-001 was not cut: Cannot write it: No space left on device." in result.stderr
    assert "1 shot could not be cut." in result.stderr
    assert [path.name for path in Path("parts").iterdir()] == ["clip-002.mkv"]


def test_a_video_whose_shots_were_not_all_cut_is_not_done(stand_in, run, clip, monkeypatch):
    command = ("inspect", clip, "--split", "parts", "--output", "o.jsonl")
    with monkeypatch.context() as full:
        full.setattr(cutting, "cut", no_space)
        assert run(*command).exit_code == 2
    (record,) = map(json.loads, Path("o.jsonl").read_text().splitlines())
    assert (record["schema"], record["error"]["message"]) == (
        "dynfocus.error/1",
        "Cannot write it: No space left.",
    )
    assert run(*command).exit_code == 2, "it is not forgotten"
    assert run(*command, "--retry-failed").exit_code == 0
    assert len(list(Path("parts").iterdir())) == 2
    assert run(*command).exit_code == 0


def no_space(*arguments, **how):
    raise UsageError("Cannot write it: No space left.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--exact"], "--exact says how --split cuts"),
        (["--split", ""], "--split needs the name of a folder"),
        (["--split", "clip.mp4/parts"], "--split clip.mp4/parts cannot be written to"),
        (["--shots", "--dry-run"], "--dry-run looks at no frame"),
        (["--shots", "--engine", "ray", "--output", "o.jsonl"], "--engine ray looks for no shots"),
    ],
)
def test_options_that_make_no_sense_cost_no_video(stand_in, run, clip, arguments, message):
    result = run("inspect", clip, *arguments)
    assert (result.exit_code, stand_in.calls) == (2, [])
    assert message in result.stderr


def test_the_shots_of_several_questions_are_not_cut_several_times(stand_in, run, clip):
    Path("q.txt").write_text("What is it?\nWho is it?\n")
    result = run("inspect", clip, "--questions", "q.txt", "--split", "parts")
    assert (result.exit_code, stand_in.calls) == (2, [])
    assert "The shots of a video are the same for each question" in result.stderr
    assert not Path("parts").exists()
    write(Path("other.mp4"), still(1, 10) + still(3, 10), Fraction(10))
    Path("q.jsonl").write_text(
        "".join(json.dumps({"video": video, "question": "What?"}) + "\n" for video in (clip, "other.mp4"))
    )
    result = run("inspect", clip, "other.mp4", "--questions", "q.jsonl", "--split", "parts")
    assert result.exit_code == 0, result.stderr


def test_shots_of_a_video_that_goes_away_are_its_own_failure(stand_in, run, clip):
    Path(clip).rename("gone.mp4")
    write(Path("other.mp4"), still(3, 24))
    Path(clip).write_bytes(b"no video")
    result = run("inspect", clip, "other.mp4", "--shots", "--jsonl")
    first, second = map(json.loads, result.stdout.splitlines())
    assert (result.exit_code, first["schema"], second["video"]) == (6, "dynfocus.error/1", "other.mp4")
    assert first["error"]["code"] == 3
