"""Machines where something that is taken for granted is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
from contextlib import suppress
from pathlib import Path

import pytest

from dynfocus_cli.cli.interrupts import interruptible

pytestmark = pytest.mark.slow

DYNFOCUS = str(Path(sysconfig.get_path("scripts")) / "dynfocus")
DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.mp4"
ASK = ("ask", str(DEMO), "What color is the heart at 00:12?", "-q")

NAMELESS = """
import pwd
def unknown(uid):
    raise KeyError("getpwuid(): uid not found")
pwd.getpwuid = unknown
"""


def dynfocus(*arguments: str, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DYNFOCUS, *arguments], capture_output=True, text=True, timeout=120, **more)


@pytest.fixture
def nameless(tmp_path: Path) -> dict[str, str]:
    """The environment of a user id without a name and without a home."""
    (tmp_path / "sitecustomize.py").write_text(NAMELESS)
    return {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}


def test_a_user_without_a_home_gets_an_answer(nameless: dict[str, str]) -> None:
    run = dynfocus(*ASK, env=nameless)
    assert (run.returncode, run.stdout.count("\n")) == (0, 1)
    assert "could not be kept" in run.stderr
    assert not Path("/nonexistent").exists()


@pytest.mark.parametrize("command", [("doctor",), ("cache", "info"), ("models", "list")])
def test_a_user_without_a_home_can_look_around(nameless: dict[str, str], command: tuple[str, ...]) -> None:
    assert dynfocus(*command, env=nameless).returncode == 0


def test_a_home_that_is_no_folder_holds_no_settings(tmp_path: Path) -> None:
    run = dynfocus("models", "list", env={"HOME": "/dev/null", "PATH": os.environ["PATH"]})
    assert run.returncode == 0, run.stderr


def test_a_working_directory_that_was_deleted_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f'cd "{gone}" && rmdir "{gone}" && exec "{DYNFOCUS}" inspect "{DEMO}"'
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (2, "")
    assert "working directory does not exist" in run.stderr


def test_python_without_docstrings(tmp_path: Path) -> None:
    run = dynfocus(*ASK, env={**os.environ, "PYTHONOPTIMIZE": "2"})
    assert (run.returncode, run.stdout.count("\n")) == (0, 1), run.stderr


def swallow() -> None:
    with suppress(BaseException):
        signal.raise_signal(signal.SIGINT)


def change() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException as error:
        raise ModuleNotFoundError("Could not import module") from error


@pytest.mark.parametrize("import_", [swallow, change])
def test_an_interrupt_that_an_import_swallows_or_changes_is_one(import_) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        import_()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_without_an_interrupt_stays_what_it_is() -> None:
    with pytest.raises(ModuleNotFoundError), interruptible():
        raise ModuleNotFoundError
