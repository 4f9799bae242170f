"""`dynfocus cache`, with a real cache on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dynfocus_cli.cli.app import app
from dynfocus_cli.moments.index import MomentIndex, VideoEntry
from dynfocus_cli.types import VideoSource
from strict_schema import validate


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    entry = tmp_path / "features" / ("a" * 64)
    entry.mkdir(parents=True)
    (entry / f"{'b' * 64}.safetensors").write_bytes(bytes(3 << 20))
    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_info_and_clear(filled: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["cache", "info"])
    assert shown.exit_code == 0
    assert shown.stdout == f"folder  {filled}\nvideos  1\nsize    3.0 MiB\nlimit   5.0 GiB\n"
    record = json.loads(runner.invoke(app, ["cache", "info", "--json"]).stdout)
    validate(record)
    assert record == {
        "schema": "dynfocus.cache/1",
        "folder": str(filled),
        "videos": 1,
        "bytes": 3 << 20,
        "limit_bytes": 5 << 30,
        "indexes": [],
    }
    assert (
        runner.invoke(app, ["cache", "clear"]).stdout == "Removed the features of 1 video: 3.0 MiB freed.\n"
    )
    assert (
        runner.invoke(app, ["cache", "clear"]).stdout == "Removed the features of 0 videos: 0 bytes freed.\n"
    )


def test_an_index_of_searches_is_shown_and_removed(filled: Path) -> None:
    index = MomentIndex(filled, {"retriever": "a"}, {"model": "m", "frames": "1 a second"})
    source = VideoSource("a.mp4", 2.0, 64, 64, 1.0, "h264", 0, False, 0, 0.0)
    index.add("d" * 64, VideoEntry(source, (0.0, 1.0), np.ones((2, 4), np.float16), (0.0, 2.0)))
    runner = CliRunner()
    record = json.loads(runner.invoke(app, ["cache", "info", "--json"]).stdout)
    validate(record)
    (kept,) = record["indexes"]
    assert kept["videos"] == 1
    assert kept["bytes"] == sum(file.stat().st_size for file in index.folder.iterdir())
    assert "\nindex   1 video, " in runner.invoke(app, ["cache", "info"]).stdout
    assert "Removed an index of 1 video: " in runner.invoke(app, ["cache", "clear"]).stdout
    assert not index.folder.exists()
    assert json.loads(runner.invoke(app, ["cache", "info", "--json"]).stdout)["indexes"] == []


def test_a_bad_size_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "plenty")
    result = CliRunner().invoke(app, ["cache", "info"])
    assert result.exit_code == 2
    assert "DYNFOCUS_CACHE_SIZE must be a size like 5GiB" in result.stderr


def test_no_torch_is_needed(filled: Path) -> None:
    code = (
        "import sys\nfrom dynfocus_cli.cli.app import main\nsys.argv = ['dynfocus', 'cache', sys.argv[1]]\n"
        "try:\n    main()\nfinally:\n    assert not {'torch', 'transformers', 'av'} & set(sys.modules)\n"
    )
    for command in ("info", "clear"):
        done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
