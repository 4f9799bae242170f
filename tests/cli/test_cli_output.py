"""`--output FILE`: what is done is not done again, and what failed only if asked for."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace

import pytest

from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.errors import ModelUnavailable, OutOfDomain, VideoUnreadable
from strict_schema import validate

ASK = ("ask", "d", "What?", "--output", "out.jsonl")


@pytest.fixture
def folder(clip, tmp_path):
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        clip(f"d/{name}")
        (tmp_path / "d" / name).write_text(name)
    return tmp_path


def written(folder):
    found = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    for record in found:
        validate(record)
    return found


def videos(folder):
    return [(record["video"], "error" in record) for record in written(folder)]


@pytest.mark.parametrize("jsonl", [[], ["--jsonl"]])
def test_records_go_to_the_file_and_nothing_to_stdout(stand_in, run, folder, jsonl):
    result = run(*ASK, *jsonl)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "out.jsonl has 3 results: 3 new, 0 made before.\n"
    assert [record["schema"] for record in written(folder)] == ["dynfocus.answer/1"] * 3
    assert len({record["key"] for record in written(folder)}) == 3
    said = {record["settings"] for record in written(folder)}
    assert said == {"ask model=dynfocus-tiny revision=0123abcd quantization=none"}


def test_what_is_done_is_not_done_again(stand_in, run, folder):
    run(*ASK)
    before = (folder / "out.jsonl").read_bytes()
    (folder / "d" / "d.mp4").write_text("new")
    result = run(*ASK)
    assert result.exit_code == 0
    assert result.stderr == (
        "out.jsonl has 3 results of earlier runs.\nout.jsonl has 4 results: 1 new, 3 made before.\n"
    )
    assert (folder / "out.jsonl").read_bytes().startswith(before)
    assert [call[0] for call in stand_in.calls] == ["d/a.mp4", "d/b.mp4", "d/c.mp4", "d/d.mp4"]


def test_where_all_is_done_no_model_is_loaded(stand_in, run, folder):
    run(*ASK)
    stand_in.loads.clear()
    result = run(*ASK, "--quiet")
    assert (result.exit_code, result.stderr, stand_in.loads) == (0, "", [])


def test_failures_stay_until_they_are_tried_again(stand_in, run, folder):
    stand_in.errors = {"b.mp4": VideoUnreadable("No frame."), "gone.mp4": KeyError("never asked")}
    arguments = ("ask", "d", "gone.mp4", "What?", "--output", "out.jsonl")
    assert run(*arguments).exit_code == 6
    assert videos(folder) == [
        ("d/a.mp4", False),
        ("d/b.mp4", True),
        ("d/c.mp4", False),
        ("gone.mp4", True),
    ]
    stand_in.errors.clear()
    again = run(*arguments)
    assert again.exit_code == 6  # those of earlier runs count
    assert again.stderr == (
        "out.jsonl has 4 results of earlier runs, 2 of them failures.\nError: 2 of 4 videos failed.\n"
    )
    retried = run(*arguments, "--retry-failed")
    assert retried.exit_code == 6
    assert "out.jsonl has 4 results of earlier runs, 2 of them failures to be tried again." in retried.stderr
    assert "out.jsonl has 4 results: 2 new, 2 made before.\nError: 1 of 4 videos failed." in retried.stderr
    assert videos(folder) == [
        ("d/a.mp4", False),
        ("d/b.mp4", False),
        ("d/c.mp4", False),
        ("gone.mp4", True),
    ]


def test_a_single_failure_of_an_earlier_run_keeps_its_code(stand_in, run, folder):
    for _ in range(2):
        assert run("ask", "gone.mp4", "What?", "--output", "out.jsonl").exit_code == 3
    assert len(written(folder)) == 1


def test_a_path_that_is_named_twice_has_one_record(stand_in, run, folder):
    result = run("ask", "d/a.mp4", "d/a.mp4", "./d/a.mp4", "What?", "--output", "out.jsonl")
    assert (result.exit_code, len(written(folder))) == (0, 1)


def test_every_question_has_its_record(stand_in, run, folder):
    (folder / "q.jsonl").write_text('{"id": 1, "question": "What?"}\n{"id": 2, "question": "Who?"}\n')
    arguments = ("ask", "d", "--questions", "q.jsonl", "--output", "out.jsonl")
    stand_in.errors = {"b.mp4": KeyboardInterrupt()}
    interrupted = run(*arguments)
    assert interrupted.exit_code == 130
    assert interrupted.stderr.endswith(
        "out.jsonl has 2 results: 2 new, 0 made before.\n"
        "Interrupted. Run the same command again to go on with out.jsonl.\n"
    )
    stand_in.errors.clear()
    assert run(*arguments).exit_code == 0
    assert [(record["video"], record["question_id"]) for record in written(folder)] == [
        (f"d/{name}.mp4", number) for name in "abc" for number in (1, 2)
    ]
    (folder / "q.jsonl").write_text('{"id": 3, "question": "Why?"}\n')
    assert run(*arguments).exit_code == 0
    assert len(written(folder)) == 9


def test_other_settings_are_an_error_and_nothing_is_lost(stand_in, run, folder):
    run(*ASK)
    before = (folder / "out.jsonl").read_bytes()
    for more in (["--fps", "2"], ["--seed", "1"]):
        result = run(*ASK, *more)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "out.jsonl holds results of other settings (there the default; here " in result.stderr
    stand_in.model = replace(stand_in.model, revision="4567")
    result = run(*ASK)
    assert "(there revision=0123abcd; here revision=4567)" in result.stderr
    assert run("inspect", "d", "--output", "out.jsonl").exit_code == 2
    assert (folder / "out.jsonl").read_bytes() == before


@pytest.mark.parametrize("more", [["--quiet"], ["--no-cache"], ["--hwaccel", "auto"], ["--device", "cpu"]])
def test_how_it_is_computed_is_no_setting(stand_in, run, folder, more):
    run(*ASK)
    result = run(*ASK, *more)
    assert (result.exit_code, len(stand_in.calls)) == (0, 3)


def test_inspections_and_their_files(stand_in, run, folder):
    arguments = ("inspect", "d", "--output", "out.jsonl")
    assert run(*arguments, "--csv", "tables/").exit_code == 0
    assert sorted(path.name for path in (folder / "tables").iterdir()) == ["a.csv", "b.csv", "c.csv"]
    assert [record["schema"] for record in written(folder)] == ["dynfocus.inspection/1"] * 3
    assert run(*arguments, "--csv", "tables/").exit_code == 0
    assert len(list((folder / "tables").iterdir())) == 3


def test_two_runs_on_one_file(stand_in, run, folder):
    with ResultFile("out.jsonl"):
        result = run(*ASK)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "out.jsonl is being written by another run" in result.stderr
    assert stand_in.loads == []


def test_a_folder_that_may_not_be_written_to(stand_in, run, folder, nobody, monkeypatch):
    monkeypatch.setenv("DYNFOCUS_CONFIG", "/dev/null")  # nobody may not look into this home
    (folder / "d").chmod(0o555)
    folder.chmod(0o555)
    with nobody():
        result = run(*ASK)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--output out.jsonl cannot be written to: Permission denied" in result.stderr
    assert stand_in.loads == []


def test_an_unusable_model_leaves_no_file(stand_in, run, folder, monkeypatch):
    stand_in.load_error = ModelUnavailable("There is no model 'm'.")
    assert run(*ASK).exit_code == 4
    assert not (folder / "out.jsonl").exists()


def test_a_torn_line_is_told_and_done_again(stand_in, run, folder):
    run(*ASK)
    whole = (folder / "out.jsonl").read_bytes()
    (folder / "out.jsonl").write_bytes(whole[:-20])
    result = run(*ASK)
    assert "Warning: out.jsonl ended within a line, which was cut off and is done again." in result.stderr
    assert (folder / "out.jsonl").read_bytes() == whole


def test_a_changed_subtitle_file_beside_a_video_is_asked_again(stand_in, run, folder):
    cue = "1\n00:00:01,000 --> 00:00:02,000\n{}\n"
    (folder / "d" / "a.srt").write_text(cue.format("One."))
    run(*ASK, "--subtitles", "auto")
    (folder / "d" / "a.srt").write_text(cue.format("Two."))
    result = run(*ASK, "--subtitles", "auto")
    assert result.stderr.endswith("out.jsonl has 4 results: 1 new, 2 made before.\n")
    assert [call[0] for call in stand_in.calls[3:]] == ["d/a.mp4"]


def test_a_video_that_was_moved_has_its_new_path_in_the_record(stand_in, run, folder):
    stand_in.errors = {"b.mp4": VideoUnreadable("d/b.mp4: no frame.")}
    run(*ASK)
    for old, new in (("a", "x"), ("b", "y")):
        (folder / "d" / f"{old}.mp4").rename(folder / "d" / f"{new}.mp4")
    stand_in.errors = {"y.mp4": VideoUnreadable("d/y.mp4: no frame.")}
    result = run(*ASK)
    assert result.exit_code == 6
    # A failure's message speaks of the old place, so that one was tried again.
    assert [call[0] for call in stand_in.calls[3:]] == ["d/y.mp4"]
    assert videos(folder) == [("d/x.mp4", False), ("d/y.mp4", True), ("d/c.mp4", False)]


@pytest.mark.parametrize("more", [[], ["--no-cache"]])
def test_no_video_is_hashed_twice(stand_in, run, folder, monkeypatch, more):
    """Neither by the thread that looks ahead, nor by the one that adds results."""
    (folder / "d" / "d.mp4").write_text("d.mp4")
    for video in (folder / "d").iterdir():
        os.utime(video, (1e9, 1e9))  # one that has just been written may be changed without a trace
    hashed = []
    whole = hashlib.file_digest

    def file_digest(file, kind):
        hashed.append(file.name)
        return whole(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", file_digest)
    (folder / "q.txt").write_text("What?\nWho?\n")
    arguments = ("ask", "d", "--questions", "q.txt", "--output", "out.jsonl", *more)
    assert run(*arguments).exit_code == 0
    assert run(*arguments).exit_code == 0
    assert sorted(hashed) == [f"d/{name}.mp4" for name in "abcd"]
    assert len(written(folder)) == 8


def test_an_answer_belongs_to_what_it_was_made_from(stand_in, run, folder):
    def grow(video):
        if video.endswith("b.mp4"):
            (folder / video).write_text("more of it")

    stand_in.meanwhile = grow
    run(*ASK)
    again = run(*ASK)
    assert again.stderr.endswith("out.jsonl has 4 results: 1 new, 2 made before.\n")
    assert stand_in.calls[-1][0] == "d/b.mp4"


@pytest.mark.parametrize("address", ["https://example.com/v.mp4", "s3://bucket/v.mp4", "nowhere://v.mp4"])
def test_an_address_fails_alone(stand_in, run, folder, address):
    result = run("ask", "d/a.mp4", address, "d/b.mp4", "What?", "--output", "out.jsonl")
    assert result.exit_code == 6
    assert videos(folder) == [("d/a.mp4", False), (address, True), ("d/b.mp4", False)]
    assert written(folder)[1]["error"]["code"] == 3


def test_what_was_refused_is_guessed_where_a_guess_is_wanted(stand_in, run, folder):
    stand_in.errors = {"b.mp4": OutOfDomain("Not such a video.")}
    assert run(*ASK).exit_code == 6
    stand_in.errors.clear()
    assert run(*ASK).exit_code == 6
    assert len(stand_in.calls) == 3
    assert run(*ASK, "--anyway").exit_code == 0
    assert videos(folder) == [("d/a.mp4", False), ("d/b.mp4", False), ("d/c.mp4", False)]
    assert len(stand_in.calls) == 4


def test_a_guess_is_no_answer_where_none_is_wanted(stand_in, run, folder):
    stand_in.in_domain = False
    assert run("ask", "d/a.mp4", "What?", "--output", "out.jsonl", "--anyway").exit_code == 0
    stand_in.errors = {"a.mp4": OutOfDomain("Not such a video.")}
    assert run("ask", "d/a.mp4", "What?", "--output", "out.jsonl").exit_code == 0
    assert run("ask", "d/a.mp4", "What?", "--output", "out.jsonl", "--strict").exit_code == 4
    assert videos(folder) == [("d/a.mp4", True)]


def test_shots_are_a_setting_of_the_record(stand_in, run, folder):
    run("inspect", "d", "--output", "out.jsonl")
    result = run("inspect", "d", "--output", "out.jsonl", "--shots")
    assert result.exit_code == 2
    assert "(there the default; here shots=True)" in result.stderr
