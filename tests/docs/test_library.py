"""The library's page: its examples run as they stand, and it leaves out nothing that is public."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dynfocus_cli
from dynfocus_cli import errors

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "library.md"


@pytest.mark.slow
def test_the_examples_run_in_their_order(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "demo.mp4", tmp_path / "examples" / "demo.mp4")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "purple"
    assert "3 no-such-video.mp4" in done.stdout
    assert "B True" in lines or "B False" in lines
    assert "examples/demo.mp4 What color is the heart? " in done.stdout
    assert "no-such-video.mp4 How many scenes are there? No such file: no-such-video.mp4." in lines
    assert "[1]" in lines
    assert "page.html chapters.vtt" in lines
    assert "(320, 320, 3)" in done.stdout
    assert "2 `fps` and `frames` exclude each other" in done.stdout
    assert "stage generate None" in lines
    assert "so far: purple" in "".join(lines)


def test_every_public_name_is_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    hidden = {"__version__", "DynFocus", "FrameEvidence"}
    """What one gets without naming it."""
    assert [name for name in dynfocus_cli.__all__ if name not in hidden and name not in text] == []


def test_the_exit_codes_are_those_of_the_errors():
    rows = re.findall(r"^\| `(\w+)` \| (\d) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name: int(code) for name, code in rows} == {
        kind.__name__: kind.exit_code
        for kind in errors.DynFocusError.__subclasses__()
        if kind is not errors.SomeVideosFailed
    }
