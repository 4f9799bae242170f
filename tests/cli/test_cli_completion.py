"""What the shell offers, asked for as bash asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

PROGRAM = Path(sysconfig.get_path("scripts")) / "dynfocus"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.exists(), reason="dynfocus is not installed as a script"),
]


def offered(*words: str, **environment: str) -> list[str]:
    """What bash is told for the last of `words`; nothing where it is to offer files."""
    asked = {
        "_DYNFOCUS_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(("dynfocus", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(
        [PROGRAM], env={**os.environ, **environment, **asked}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_commands_options_and_choices():
    assert offered("ins") == ["inspect"]
    assert offered("ch") == ["chat"]
    assert offered("he") == ["help"]
    assert offered("help", "mo") == ["models"]
    assert offered("help", "in") == ["index", "inspect"]
    assert offered("chat", "--max") == ["--max-frames", "--max-new-tokens"]
    assert offered("models", "") == ["list", "info", "pull", "convert", "quantize"]
    assert offered("ask", "--max") == ["--max-frames", "--max-new-tokens"]
    assert offered("ask", "--device", "") == ["auto", "cpu", "cuda"]


def test_videos_are_files():
    assert offered("ask", "") == []
    assert offered("inspect", "examples/d") == []


def test_models(tmp_path):
    for name in ("dynfocus-mine", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    folder = {"DYNFOCUS_MODELS_DIR": str(tmp_path)}
    every = ["dynfocus-tiny", "dynfocus-7b", "dynfocus-mine", "other"]
    assert set(every) <= set(offered("ask", "--model", "", **folder))
    assert "dynfocus-mine" in offered("inspect", "a.mp4", "--model", "dynfocus-m", **folder)
    assert "other" in offered("models", "info", "", **folder)
    assert offered("ask", "--model", "./folder/", **folder) == []
    assert "dynfocus-tiny" not in offered("models", "pull", "")
    assert "dynfocus-7b" in offered("models", "pull", "")


def test_models_of_the_folder_that_the_settings_name(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    file = tmp_path / "dynfocus.toml"
    file.write_text(f'models-dir = "{tmp_path}"\n')
    assert offered("ask", "--model", "mi", DYNFOCUS_CONFIG=str(file)) == ["mine"]


def test_a_broken_settings_file_does_not_reach_the_prompt(tmp_path):
    file = tmp_path / "dynfocus.toml"
    file.write_text("fps =")
    assert "dynfocus-tiny" in offered("ask", "--model", "", DYNFOCUS_CONFIG=str(file))
    assert offered("ask", "--sc", DYNFOCUS_CONFIG=str(file)) == ["--scorer"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_in_bash_itself(tmp_path):
    """Installed by the program, loaded by the shell, and asked as the Tab key asks."""
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    script = """
        eval "$(dynfocus --show-completion bash)"
        COMP_WORDS=(dynfocus ask --model dynfocus-t) COMP_CWORD=3
        _dynfocus_completion dynfocus
        printf '%s\\n' "${COMPREPLY[@]}"
        complete -p dynfocus
    """
    environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"  # so that it takes the shell's name
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "dynfocus-tiny",
        "complete -o default -F _dynfocus_completion dynfocus",
    ]
