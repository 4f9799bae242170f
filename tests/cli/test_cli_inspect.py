"""`dynfocus inspect` and `dynfocus synth`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

from dynfocus_cli.report import load_schema


def test_the_table_is_for_a_pipe(stand_in, run, clip):
    result = run("inspect", clip("a.mp4"))
    assert result.exit_code == 0
    assert result.stdout == (
        "frame\ttime_s\ttimecode\tevent\tscore\ttokens\n0\t0.000\t00:00:00.000\t0\t1.0000\t40\n"
    )
    assert "42 video tokens" in result.stderr
    assert stand_in.calls[0][1] is None


def test_several_have_a_column_for_the_path_and_one_header(stand_in, run, clip):
    result = run("inspect", clip("a.mp4"), clip("b.mp4"), "--question", "Who?", "--quiet")
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["video", "a.mp4", "b.mp4"]
    assert result.stderr == ""
    assert stand_in.calls[0][1] == "Who?"


@pytest.mark.parametrize("flag", ["--json", "--jsonl"])
def test_json(stand_in, run, clip, flag):
    record = json.loads(run("inspect", clip("a.mp4"), flag).stdout)
    jsonschema.Draft202012Validator(load_schema("dynfocus.inspection/1")).validate(record)


@pytest.mark.parametrize("arguments", [["a.mp4", "--question", " "], [], ["a.mp4", "--max-new-tokens", "3"]])
def test_usage_errors(stand_in, run, clip, arguments):
    clip("a.mp4")
    assert run("inspect", *arguments).exit_code == 2
    assert stand_in.loads == []


# SUBSTITUTE: the generator of clips, for the arguments and the printed paths alone.
def test_synth_prints_the_paths(run, tmp_path, monkeypatch):
    called = []

    def write_clips(out, clips, seed):
        called.append((out, clips, seed))
        yield from (out / f"clip-{index}.mp4" for index in range(clips))

    module = ModuleType("dynfocus_cli.training.synth")
    module.__dict__["write_clips"] = write_clips
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    result = run("synth", "out", "--clips", "2", "--seed", "5")
    assert (result.exit_code, result.stdout) == (0, "out/clip-0.mp4\nout/clip-1.mp4\n")
    assert called == [(Path("out"), 2, 5)]


def test_synth_into_a_file_is_a_usage_error(run, clip):
    result = run("synth", clip("taken"))
    assert result.exit_code == 2
    assert "must be a folder" in result.stderr


def test_synth_needs_a_clip(run, tmp_path):
    assert run("synth", str(tmp_path / "out"), "--clips", "0").exit_code == 2
