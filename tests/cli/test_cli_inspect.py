"""`dynfocus inspect` and `dynfocus synth`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynfocus_cli.synth.world import WIDE, write_script
from dynfocus_cli.synth.write import clip_seed
from dynfocus_cli.video import probe


def test_several_have_a_column_for_the_path_and_one_header(stand_in, run, clip):
    result = run("inspect", clip("a.mp4"), clip("b.mp4"), "--question", "Who?", "--quiet")
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["video", "a.mp4", "b.mp4"]
    assert result.stderr == ""
    assert stand_in.calls[0][1] == "Who?"


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.mp4", "--question", " "],
        ["a.mp4", "--question", "\udcff"],
        [],
        ["a.mp4", "--max-new-tokens", "3"],
        ["a.mp4", "--quantize", "int3"],
        ["a.mp4", "--subtitles", "a.srt"],
    ],
)
def test_usage_errors(stand_in, run, clip, arguments):
    clip("a.mp4")
    assert run("inspect", *arguments).exit_code == 2
    assert stand_in.loads == []


def test_synth_prints_the_paths_of_what_it_wrote(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    durations = ((write_script(clip_seed(seed, 0)).duration_s, seed) for seed in range(50))
    seed = min(durations)[1]  # quick to write
    result = run("synth", "out", "--clips", "1", "--seed", str(seed))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out/clip-00000.mp4\n", "")
    assert (tmp_path / "out" / "clip-00000.mp4").stat().st_size > 1000
    questions = [json.loads(line) for line in (tmp_path / "out" / "questions.jsonl").read_text().splitlines()]
    assert {question["video"] for question in questions} == {"clip-00000.mp4"}


def test_synth_films_as_it_is_told(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    durations = ((write_script(clip_seed(seed, 0)).duration_s, seed) for seed in range(50))
    told = ("--size", "64", "--fps", "25", "--crf", "40", "--look", "digits")
    result = run("synth", "out", "--clips", "1", "--seed", str(min(durations)[1]), *told)
    assert result.exit_code == 0
    source = probe("out/clip-00000.mp4")
    assert (source.width, source.height, source.fps) == (64, 64, 25)


@pytest.mark.parametrize(
    "told",
    [("--size", "65"), ("--fps", "0"), ("--crf", "60"), ("--look", "gothic"), ("--world", "flat")],
    ids=lambda told: told[0],
)
def test_synth_says_what_it_cannot_film(run, tmp_path, told):
    result = run("synth", str(tmp_path / "out"), *told)
    assert result.exit_code == 2
    assert told[0] in result.stderr
    assert not (tmp_path / "out").exists()


def test_synth_films_other_worlds_in_other_proportions(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    durations = [(write_script(clip_seed(seed, 0), world=WIDE).duration_s, seed) for seed in range(40)]
    duration_s, seed = min(durations)
    told = ("--world", "wide", "--look", "9:16", "--size", "64", "--fps", "2", "--seed", str(seed))
    assert run("synth", "out", "--clips", "1", *told).exit_code == 0
    source = probe("out/clip-00000.mp4")
    assert (source.width, source.height) == (64, 114)
    assert source.duration_s == pytest.approx(duration_s, abs=0.01)


def test_synth_into_a_file_is_a_usage_error(run, clip):
    result = run("synth", clip("taken"))
    assert result.exit_code == 2
    assert "must be a folder" in result.stderr


def test_synth_needs_a_clip(run, tmp_path):
    assert run("synth", str(tmp_path / "out"), "--clips", "0").exit_code == 2


def test_rows_on_standard_output(stand_in, run, clip):
    result = run("inspect", clip("a.mp4"), "--csv", "-", "-q")
    assert result.exit_code == 0
    heading, *rows = result.stdout.splitlines()
    assert heading == "index,time_s,timecode,event,meaningful,score,tokens"
    assert rows == ["0,0.000,00:00:00.000,0,true,1.0000,40", "1,1.000,00:00:01.000,1,false,0.0000,2"]
    assert not Path("-").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "a.mp4", "--csv", "-", "--json"),
        ("inspect", "a.mp4", "--csv", "-", "--output", "o.jsonl"),
        ("inspect", "a.mp4", "b.mp4", "--csv", "-"),
        ("ask", "a.mp4", "q", "--csv", "-"),
    ],
)
def test_rows_share_standard_output_with_nothing(stand_in, run, clip, arguments):
    clip("a.mp4"), clip("b.mp4")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--csv -" in result.stderr
    assert stand_in.loads == []
