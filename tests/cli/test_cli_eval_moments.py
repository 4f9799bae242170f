"""`dynfocus eval` on generated clips that are searched for moments."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dynfocus_cli.checkpoints import find_model
from dynfocus_cli.cli.app import app
from dynfocus_cli.network.retrieval import FILE_NAME
from strict_schema import validate

pytestmark = pytest.mark.slow


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


def records(output: Path) -> list[dict[str, Any]]:
    files = sorted(output.glob("predictions*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_run_from_clips_to_report(tmp_path: Path) -> None:
    flags = ("run", "synth-moments", "--model", "dynfocus-tiny", "--data", tmp_path / "clips", "--limit", "9")
    output = tmp_path / "run"
    result = invoke(*flags, "--output", output)
    assert (result.exit_code, result.exception) == (0, None), result.output
    made = records(output)
    assert len(made) == 9 * 4
    for record in made:
        validate(record)
    assert {record["arm"] for record in made} == {"find", "frame", "events", "windows"}
    assert any(record["moments"] for record in made)
    run = json.loads((output / "run.json").read_text())
    assert (run["scoring"], run["prompt"], run["extractor"]) == ("moments", None, None)
    assert 0 < run["method"]["threshold"] < 1
    assert "9 queries about 2 videos." in result.stdout
    again = invoke(*flags, "--output", output)
    assert records(output) == made, "nothing is done twice"
    assert again.stdout == result.stdout == invoke("score", output).stdout
    parts = tmp_path / "parts"
    for part in ("1/2", "2/2"):
        assert invoke(*flags, "--output", parts, "--shard", part).exit_code == 0

    def found(folder: Path) -> dict[tuple[str, str], Any]:
        return {(one["id"], one["arm"]): one["moments"] for one in records(folder)}

    assert found(parts) == found(output)
    compared = invoke("compare", output, parts)
    assert compared.exit_code == 0
    assert "+0.0" in compared.stdout
    other = invoke(*flags, "--output", output, "--fps", "2")
    assert other.exit_code == 2
    assert "options.fps" in other.stderr


def test_what_makes_no_sense_is_said_before_anything_runs(tmp_path: Path) -> None:
    flags = ("run", "synth-moments", "--data", tmp_path / "clips", "--output", tmp_path / "run")
    for more, complaint in (
        (("--tokens", "320"), "--tokens is for benchmarks of questions"),
        (("--subtitles",), "--subtitles is for benchmarks of questions"),
        (("--arms", "dynfocus"), "There is no arm 'dynfocus'"),
    ):
        result = invoke(*flags, "--model", "dynfocus-tiny", *more)
        assert result.exit_code == 2
        assert complaint in result.stderr
    blind = tmp_path / "blind"
    shutil.copytree(find_model("dynfocus-tiny")[1], blind)
    (blind / FILE_NAME).unlink()
    result = invoke(*flags, "--model", blind)
    assert result.exit_code == 2
    assert "blind has nothing that compares frames with words" in result.stderr
    assert not (tmp_path / "run").exists()
    assert invoke("check", "synth-moments").stdout.startswith("test: 630 queries about 178 videos")
