"""Defaults that are written twice, the lazy names, and the small functions."""

from __future__ import annotations

import signal

import pytest

import dynfocus_cli
from dynfocus_cli import types
from dynfocus_cli.cli.errors import failure_of
from dynfocus_cli.cli.interrupts import uninterrupted
from dynfocus_cli.cli.output import AnswerStream, one_line, visible
from dynfocus_cli.cli.progress import shown


def test_public_names_are_what_they_say():
    assert dynfocus_cli.Answer is types.Answer
    assert dynfocus_cli.DynFocusError.__name__ == "DynFocusError"
    with pytest.raises(AttributeError, match="nothing"):
        _ = dynfocus_cli.nothing


def test_load_gives_a_model_that_asks(stand_in):
    model = dynfocus_cli.load("tiny", device="cpu")
    assert stand_in.loads == [("tiny", "cpu", None)]
    assert model.ask("a.mp4", "q").answer == "A red\ncircle."
    assert model.inspect("a.mp4").key_frames[0].tokens == 40


@pytest.mark.parametrize("bar", [True, False])
def test_an_answer_begun_anew_has_a_line_of_its_own(bar, capsys):
    stream = AnswerStream()
    with shown("", bar, stream.write) as progress:
        progress.stage("generate", None)
        progress.write("A re")
        for stage in ("encode", "select", "generate"):
            progress.stage(stage, None)
        progress.write("A blue")
        progress.write("\ncircle")
    stream.finish("A blue\ncircle")
    assert capsys.readouterr().out == "A re\nA blue\ncircle\n"


@pytest.mark.parametrize("pieces", [[], ["A blue", " circle"]])
def test_an_answer_is_written_once(pieces, capsys):
    stream = AnswerStream()
    for piece in pieces:
        stream.write(piece)
    stream.finish("A blue circle")
    assert capsys.readouterr().out == "A blue circle\n"


def test_visible():
    assert visible("a\x1b[2Jb\n\tü\x9b") == "a\ufffd[2Jb\n\tü\ufffd"
    assert one_line(" a\n\n b ") == "a b"


def test_torchs_error_is_out_of_memory():
    torch = pytest.importorskip("torch")
    assert failure_of(torch.OutOfMemoryError("CUDA out of memory")).code == 5


def test_unexpected_is_one_sentence_on_one_line():
    failure = failure_of(ValueError("first\nsecond."))
    assert failure.code == 1
    assert failure.message.startswith("Unexpected ValueError: first second. Set DYNFOCUS_DEBUG=1")


def test_an_interrupt_waits_for_the_end_of_a_line():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    written = []

    def write(text, interrupts):
        with uninterrupted():
            for _ in range(interrupts):
                signal.raise_signal(signal.SIGINT)
            written.append(text)

    try:
        with pytest.raises(KeyboardInterrupt):
            write("the rest of the line", interrupts=1)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with pytest.raises(KeyboardInterrupt):
            write("what a reader never takes", interrupts=2)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert written == ["the rest of the line"]
