"""`dynfocus results`: shards are joined to what one run would have written, and become a table."""

from __future__ import annotations

import json
import os
import sys

import pytest
from pyarrow import parquet

from dynfocus_cli.errors import VideoUnreadable


@pytest.fixture
def parts(stand_in, run, clip):
    """Four parts of a run of nine videos, one of which fails, and the run as a whole."""
    for name in "abcdefghi":
        clip(f"d/{name}.mp4")
    stand_in.errors = {"c.mp4": VideoUnreadable("No frame.")}
    for number in (1, 2, 3, 4):
        run("ask", "d", "q", "--shard", f"{number}/4", "--output", f"part-{number}.jsonl", "-q")
    run("ask", "d", "q", "--output", "whole.jsonl", "-q")
    return [f"part-{number}.jsonl" for number in (1, 2, 3, 4)]


def by_video(path):
    return sorted(path.read_text().splitlines(), key=lambda line: json.loads(line)["video"])


def test_merged_shards_are_what_one_run_wrote(run, parts, tmp_path):
    result = run("results", "merge", *parts, "-o", "all.jsonl")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "all.jsonl has 9 results, 1 of them failures, of 9 that were read.\n"
    assert by_video(tmp_path / "all.jsonl") == by_video(tmp_path / "whole.jsonl")
    again = run("ask", "d", "q", "--output", "all.jsonl")
    assert again.exit_code == 6
    assert "all.jsonl has 9 results of earlier runs, 1 of them failures." in again.stderr


def test_a_table_of_them(run, parts, tmp_path):
    result = run("results", "export", *parts, "--output", "all.parquet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "all.parquet has 9 rows of" in result.stderr
    assert parquet.read_table(tmp_path / "all.parquet").column("error_code").to_pylist().count(3) == 1
    assert run("results", "export", *parts, "--output", "f.parquet", "--frames", "-q").stderr == ""
    assert parquet.read_table(tmp_path / "f.parquet").num_rows == 16


def test_bad_input_is_one_sentence(run, parts, tmp_path, monkeypatch):
    for arguments, said in (
        (["merge", "gone", "-o", "x"], "The results gone cannot be read"),
        (["merge", "d/a.mp4", "-o", "x", "part-1.jsonl"], ""),
        (["merge", "part-1.jsonl", "-o", "no/x"], "--output no/x cannot be written to"),
        (["export", "part-1.jsonl", "-o", "x.csv"], "--output is a Parquet file"),
        (["export", "part-1.jsonl", "-o", "no/x.parquet"], "Cannot write no/x.parquet"),
    ):
        result = run("results", *arguments)
        assert result.exit_code == (0 if not said else 1 if "Cannot" in said else 2)
        assert said in result.stderr
    os.mkfifo("pipe")
    writer = os.open("pipe", os.O_RDWR)
    for command in (["export", "pipe", "-o", "x.parquet"], ["merge", "pipe", "-o", "x"]):
        result = run("results", *command)
        assert result.exit_code == 2
        assert "The results pipe cannot be read: it is a pipe" in result.stderr
    os.close(writer)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("results", "export", "part-1.jsonl", "-o", "x.parquet")
    assert result.exit_code == 2
    assert "pip install 'dynfocus[parquet]'" in result.stderr
