"""Terminals of every width, dumb ones, other encodings, pipes: nothing but what each of them can show."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import in_terminal, with_library
from rich.console import Console
from rich.progress import Progress

from dynfocus_cli.cli import progress
from dynfocus_cli.cli.bars import _COUNT, _LABEL, _PACE, Bars, Layout, _columns, pace, shortened
from dynfocus_cli.cli.errors import say
from dynfocus_cli.report.terminal import speaks_unicode

pytestmark = pytest.mark.slow

STYLE = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def ask(tmp_path, *arguments: str) -> list[str]:
    (tmp_path / "a.mp4").touch()
    return [*with_library(), "ask", str(tmp_path / "a.mp4"), "q", *arguments]


def seen(output: str) -> list[str]:
    """The lines without what moves the cursor or colours."""
    return CONTROL.sub("", output).replace("\r", "\n").split("\n")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_strip_and_progress_fit_the_width(tmp_path, columns):
    output, code = in_terminal(ask(tmp_path), columns=columns)
    assert code == 0
    lines = [line for line in seen(output) if re.search(r"[█░▒━]|Looking at|Loading", line)]
    assert lines
    assert all(len(line) <= columns for line in lines)
    assert "circle." in output


OFFER = """
from dynfocus_cli.cli import progress
from dynfocus_cli.cli.errors import reported
from dynfocus_cli.cli.offer import fetched_offer
from dynfocus_cli.errors import OutOfDomain
from dynfocus_cli.types import ModelOffer

error = OutOfDomain("m", "It was not trained on this", ModelOffer("smolvlm", "none", 10**9))
with reported(), progress.shown("a.mp4", True) as shown:
    shown.stage("encode", None)
    print("fetched:", fetched_offer(error, shown))
"""


@pytest.mark.parametrize("typed", [b"n\n", b"\n", b"\x04"], ids=["no", "return", "end"])
def test_a_model_is_offered_where_nothing_draws_over_it(typed):
    output, code = in_terminal([sys.executable, "-c", OFFER], typed=typed)
    assert code == 0
    _, said, after = output.partition("Warning: It was not trained on this.")
    assert said
    assert "Fetch smolvlm (1.0 GB) now? [y/N]:" in after
    assert "Looking at" not in after
    assert "fetched: None" in after


def test_a_dumb_terminal_is_written_to_line_by_line(tmp_path):
    output, code = in_terminal(ask(tmp_path), TERM="dumb")
    assert code == 0
    assert "\x1b" not in output
    assert "Looking at" not in output
    assert "42 video tokens" in output


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [([], {"NO_COLOR": "1"}), (["--no-color"], {}), (["--no-color"], {"FORCE_COLOR": "1"})],
)
def test_no_color_leaves_no_style(tmp_path, arguments, environment):
    output, code = in_terminal(ask(tmp_path, *arguments), **environment)
    assert code == 0
    assert not STYLE.search(output)
    assert "42 video tokens" in output
    assert STYLE.search(in_terminal(ask(tmp_path))[0]), "and without it there is some"


def test_no_color_before_the_command(tmp_path):
    *program, command, video, question = ask(tmp_path)
    output, code = in_terminal([*program, "--no-color", command, video, question])
    assert code == 0
    assert not STYLE.search(output)


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_ascii_where_no_more_can_be_shown(tmp_path, environment):
    output, code = in_terminal(ask(tmp_path), **environment)
    assert code == 0
    assert output.isascii()
    assert not re.search(r"\?|\\[ux]", "".join(seen(output)))
    assert "# key frame" in output


def test_unicode_where_somebody_says_utf_8(tmp_path):
    for environment in ({"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONIOENCODING": "utf-8"}):
        assert "█" in in_terminal(ask(tmp_path), **environment)[0]


def test_a_pipe_gets_neither_progress_nor_styles(tmp_path):
    done = subprocess.run(ask(tmp_path), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "A red circle.\n")
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr
    assert "42 video tokens" in done.stderr


def test_forced_colour_in_a_pipe_moves_no_cursor(tmp_path):
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = subprocess.run(ask(tmp_path), capture_output=True, text=True, env=environment)
    assert STYLE.search(done.stderr)
    assert "\x1b" not in STYLE.sub("", done.stderr)


def test_no_color_in_a_pipe_of_every_command(run):
    for command in (["doctor"], ["models", "list"], ["cache", "info"]):
        assert run(*command, "--no-color").exit_code == 0
    assert "NO_COLOR" not in os.environ


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_doctor_wraps_at_words(columns):
    code = "from dynfocus_cli.cli.app import main; main()"
    output, _ = in_terminal([sys.executable, "-c", code, "doctor"], columns=columns)
    lines = output.replace("\r", "").splitlines()
    assert "ok    python " in output
    # a path is never broken: it is there to be copied
    assert [line for line in lines if len(line) > columns and len(line.split()) > 3] == []


def test_a_name_that_moves_the_cursor(tmp_path):
    (tmp_path / "\x1b[2Ja.mp4").touch()
    (tmp_path / "b.mp4").touch()
    output, code = in_terminal([*with_library(), "ask", str(tmp_path), "q"])
    assert code == 0
    assert "\x1b[2Ja" not in output


@pytest.mark.parametrize(
    ("encoding", "environment", "wanted"),
    [
        ("utf-8", {}, True),
        ("UTF-8", {"LC_ALL": "de_DE.UTF-8"}, True),
        ("utf-8", {"LC_ALL": "C"}, False),
        ("utf-8", {"LC_ALL": "C", "PYTHONUTF8": "1"}, True),
        ("iso8859-1", {}, False),
    ],
)
def test_speaks_unicode(monkeypatch, encoding, environment, wanted):
    for name in ("LC_ALL", "PYTHONUTF8", "PYTHONIOENCODING"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert speaks_unicode(encoding) == wanted


def test_progress_is_for_terminals_that_can_take_a_line_back(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert progress.is_visible(quiet=False)
    assert not progress.is_visible(quiet=True)
    monkeypatch.setenv("TERM", "dumb")
    assert not progress.is_visible(quiet=False)
    monkeypatch.setattr("sys.stderr", None)
    assert not progress.is_visible(quiet=False)


@pytest.mark.parametrize(
    ("speed", "left_s", "said"),
    [
        (None, None, ""),
        (3.04, 29.6, "3.0 frames/s, 0:30 left"),
        (3.04, None, "3.0 frames/s"),
        (250.0, 0.2, "250 frames/s, 0:01 left"),
        (0.1, 3723.0, "0.1 frames/s, 1:02:03 left"),
    ],
)
def test_pace(speed, left_s, said):
    assert pace(speed, left_s, "frames") == said


@given(st.integers(1, 300), st.integers(0, 300))
def test_what_is_laid_out_fits(width, title):
    layout = Layout.of(width, title)
    taken = _LABEL + _COUNT + (layout.title + 2 if layout.title else 0)
    taken += (_PACE + 1 if layout.pace else 0) + (layout.bar + 1 if layout.bar else 0)
    assert taken <= max(width, _LABEL + _COUNT)
    assert layout.title <= title


@given(st.text(), st.integers(4, 40))
def test_a_title_is_one_short_line(title, width):
    short = shortened(title, width)
    assert len(short) <= width
    assert len(short.splitlines()) <= 1


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("columns", [30, 40, 60, 80, 200])
@pytest.mark.parametrize("title", ["", "a/folder/of/videos/and/its/name.mp4"])
def test_a_line_of_progress(columns, title, encoding):
    """By a clock that the test moves: 30 of 120 frames in 10 seconds."""
    now = [0.0]
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=columns, force_terminal=True)
    layout = Layout.of(columns, len(title))
    line = Progress(*_columns(console, layout), console=console, get_time=lambda: now[0], auto_refresh=False)
    shown = Bars(line, f"{shortened(title, layout.title)}  " if layout.title else "")
    shown.stage("encode", 120)
    for _ in range(10):
        now[0] += 1.0
        shown.advance(3)
    text = "".join(segment.text for segment in console.render(line.get_renderable())).rstrip("\n")
    assert "\n" not in text.strip()
    assert len(text.rstrip()) <= columns
    assert "Looking at frames" in text
    assert "30/120" in text
    assert ("frames/s" in text) == ("0:" in text) == (columns >= 80)
    assert text.isascii() == (encoding == "ascii")
    if columns >= 80:
        assert "name.mp4" in text or not title


@pytest.mark.parametrize("columns", [30, 80])
def test_what_is_said_on_a_terminal_breaks_between_words(monkeypatch, columns):
    class Screen(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stderr", screen := Screen())
    words = "Warning: a [video] that has much\x1bto tell of itself, and of `dynfocus models pull` too. " * 3
    say(words)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    assert all(len(line) <= columns for line in lines)
    assert " ".join(line.strip() for line in lines) == words.strip().replace("\x1b", "\ufffd")
