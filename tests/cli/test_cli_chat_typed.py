"""`dynfocus chat` on a terminal: a prompt, line editing, history, Ctrl-C and Ctrl-D."""

from __future__ import annotations

import re
import subprocess
import time

import pytest
from processes import Typist, in_terminal, with_library

from video.clips import write_clip

pytestmark = pytest.mark.slow

pytest.importorskip("readline", reason="this Python edits no lines")

# What was asked is the answer; "slow" never ends by itself, and "bad" fails.
ECHO = """
import select, time
from dynfocus_cli.errors import OutOfMemory
def ask(video, question, model, options, progress, *rest, **named):
    if question == "bad":
        raise OutOfMemory("Too big.")
    if question == "slow":
        progress.stage("generate", None)
        progress.write("Well, ")
        while True:
            time.sleep(0.1)  # an interrupt just before one long sleep would wait for its end
    if question == "brief":
        progress.write("Well, ")
        while not select.select([0], [], [], 0.1)[0]:  # until something is typed
            pass
    library.answer = f"heard {question} at {options.sampling.at_s}"
    return library.ask(video, question, model, options, progress, *rest, **named)
sys.modules["dynfocus_cli.pipeline"].ask = ask
"""
STYLE = re.compile(r"\x1b\[[0-9;]*m")


SETTLED_S = 0.5
"""Python's line editing misses an interrupt that comes just before it waits for the next key."""


@pytest.fixture
def command(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", range(0, 2000, 100), size=(64, 48))
    return [*with_library(ECHO), "chat", str(clip)]


def test_questions_answers_and_the_end(command):
    typist = Typist(command)
    typist.reads("/help lists commands, Ctrl-D ends the chat.")
    typist.reads("> ")
    typist.type("Who is it?\r")
    typist.reads("heard Who is it? at None")
    typist.reads("\x1b[2m1 key frame: 00:00; 42 video tokens; 1.0 s")
    typist.reads("> ")
    typist.type("/at 1\r")
    typist.reads("Looking closely at 00:01")
    typist.reads("at 00:01> ")
    typist.type("And?\r")
    typist.reads("heard And? at 1.0")
    typist.reads("at 00:01> ")
    typist.type("\x04")
    assert typist.code() == 0
    assert typist.output.endswith("\r\n")


def test_quit_ends_it_whatever_failed(command):
    typist = Typist(command)
    typist.reads("> ")
    typist.type("bad\r")
    typist.reads("Error: Too big.")
    typist.reads("> ")
    typist.type("/quit\r")
    assert typist.code() == 0


def test_lines_can_be_edited_and_had_again(command):
    typist = Typist(command)
    typist.reads("> ")
    typist.type("ho?\x01W\r")  # Ctrl-A goes to the beginning
    typist.reads("heard Who? at")
    typist.reads("> ")
    typist.type("\x1b[A\x7f is it?\r")  # up, then over the question mark
    typist.reads("heard Who is it? at")
    typist.reads("> ")
    typist.type("/he\t\r")
    typist.reads("/save FILE")
    typist.reads("> ")
    typist.type("\x04")
    assert typist.code() == 0


def test_ctrl_c_stops_an_answer_and_the_chat_goes_on(command):
    typist = Typist(command)
    typist.reads("> ")
    typist.type("slow\r")
    typist.reads("Well, ")
    typist.type("\x03")
    typist.reads("\r\nStopped.")
    typist.reads("> ")
    typist.type("Who?\r")
    typist.reads("heard Who? at")
    typist.reads("> ")
    typist.type("\x04")
    assert typist.code() == 0


def test_what_is_typed_ahead_waits_for_its_prompt(command):
    typist = Typist(command)
    typist.reads("> ")
    typist.type("slow\r")
    typist.reads("Well, ")
    typist.type("Who?\r")
    typist.type("What?")
    typist.type("\x03")  # throws away what was typed, as everywhere
    typist.reads("Stopped.\r\n")
    typist.reads("> ")
    assert "Who?" not in typist.output
    typist.type("brief\r")
    typist.reads("Well, ")
    typist.type("Where?\r")
    typist.reads("heard brief at None")
    typist.reads("> Where?")
    typist.reads("heard Where? at None")
    typist.reads("> ")
    typist.type("\x04")
    assert typist.code() == 0
    assert "Well, Where?" not in typist.output


def test_ctrl_c_takes_a_line_back_and_twice_on_an_empty_one_ends_the_chat(command):
    typist = Typist(command)
    typist.reads("> ")
    typist.type("Who?")
    typist.reads("Who?")
    time.sleep(SETTLED_S)
    typist.type("\x03")
    typist.reads("> ")
    typist.type("What?\r")
    typist.reads("heard What? at")
    typist.reads("> ")
    time.sleep(SETTLED_S)
    typist.type("\x03")
    typist.reads("Ctrl-C once more ends the chat; /save FILE keeps its answers.")
    typist.reads("> ")
    typist.type("Where?\r")
    typist.reads("heard Where? at")
    typist.reads("> ")
    for said in ("Ctrl-C once more", "Interrupted."):  # what came between is forgotten
        time.sleep(SETTLED_S)
        typist.type("\x03")
        typist.reads(said)
    assert typist.code() == 130
    assert "heard Who?" not in typist.output


def test_quietly_there_is_a_prompt_and_nothing_else(command):
    typist = Typist([*command, "--quiet"])
    typist.reads("> ")
    typist.type("Who?\r")
    typist.reads("heard Who? at None\r\n> ")
    typist.type("\x04")
    assert typist.code() == 0
    assert "key frame" not in typist.output
    assert "Ctrl-D" not in typist.output


@pytest.mark.parametrize(
    "environment",
    [{"TERM": "dumb"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "TERM": "dumb"}, {"PYTHONIOENCODING": "latin-1"}],
    ids=str,
)
def test_plain_terminals_get_plain_text(command, environment):
    typist = Typist(command, **environment)
    typist.reads("> ")
    typist.type("Who?\r")
    typist.reads("heard Who? at None")
    typist.reads("> ")
    typist.type("/frames\r")
    typist.reads("timecode")
    typist.reads("> ")
    typist.type("\x04")
    assert typist.code() == 0
    assert typist.output.isascii()
    if environment.get("TERM") == "dumb":
        assert "\x1b" not in typist.output


def test_no_color_leaves_no_style(command):
    typist = Typist([*command, "--no-color"])
    typist.reads("> ")
    typist.type("Who?\r")
    typist.reads("1.0 s")
    typist.reads("> ")
    typist.type("\x04")
    assert typist.code() == 0
    assert not STYLE.search(typist.output)


def test_a_question_in_other_letters(command):
    typist = Typist(command, LC_ALL="C.UTF-8")
    typist.reads("> ")
    typist.type("Wo ist die Tür, 猫?\r")
    typist.reads("heard Wo ist die Tür, 猫? at")
    typist.reads("> ")
    typist.type("\x04")
    assert typist.code() == 0


def test_answers_in_a_pipe_hold_no_prompt(command, tmp_path):
    out = tmp_path / "out.txt"
    typist = Typist(["sh", "-c", f'exec "$@" >{out}', "sh", *command])
    typist.reads("> ")
    typist.type("Who?\r")
    typist.reads("video tokens")
    typist.reads("> ")
    typist.type("\x04")
    assert typist.code() == 0
    assert out.read_text() == "heard Who? at None\n"


def test_questions_of_a_pipe_on_a_terminal_have_no_prompt(command):
    output, code = in_terminal(["sh", "-c", 'printf "Who?\\n" | "$@"', "sh", *command])
    assert code == 0
    assert "heard Who? at None\r\n" in output
    assert "> " not in output


def test_what_is_typed_is_kept_in_no_file(command, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    typist = Typist(command, HOME=str(home), XDG_STATE_HOME=str(home / "state"))
    typist.reads("> ")
    typist.type("secret\r")
    typist.reads("heard secret")
    typist.reads("> ")
    typist.type("\x04")
    assert typist.code() == 0
    found = subprocess.run(["grep", "-rl", "secret", str(home)], capture_output=True, text=True)
    assert found.stdout == ""
