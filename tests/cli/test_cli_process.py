"""What only a real process shows: imports, pipes, signals, a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from processes import in_terminal, with_library

import dynfocus_cli
from dynfocus_cli.cli import entry

pytestmark = pytest.mark.slow

COMMANDS = [
    [],
    ["ask"],
    ["inspect"],
    ["chat"],
    ["synth"],
    ["doctor"],
    ["models"],
    ["models", "list"],
    ["cache", "info"],
]

HEAVY = ("torch", "transformers", "av", "numpy", "rich", "safetensors", "PIL", "click")


def dynfocus(*arguments: str, **kwargs):
    code = "from dynfocus_cli.cli.app import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, **kwargs)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_imports_nothing_heavy(command):
    code = f"""
        import sys
        sys.argv = ["dynfocus", *{command!r}, "--help"]
        from dynfocus_cli.cli.app import main
        try:
            main()
        except SystemExit as end:
            assert end.code == 0, end.code
        print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stderr == "[]\n"
    assert "Usage: dynfocus" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["ask", "gone.mp4", "q"], ["ask", "a.mp4"], ["inspect", "gone.mp4", "--at", "8:00", "--jsonl"]],
    ids=" ".join,
)
def test_what_fails_early_fails_without_torch(arguments):
    code = f"""
        import sys
        sys.argv = ["dynfocus", *{arguments!r}]
        from dynfocus_cli.cli.app import main
        try:
            main()
        except SystemExit as end:
            assert end.code in (2, 3), end.code
        assert not set(sys.modules) & {{"torch", "av", "transformers"}}
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("arguments", "code"), [(["models", "list"], 0), (["ask", "gone.mp4", "q"], 3)])
def test_a_thread_inside_torch_does_not_cost_the_exit_code(arguments, code):
    script = f"""
        import sys, threading, torch

        def work():
            while True:
                torch.randn(200, 200) @ torch.randn(200, 200)

        threading.Thread(target=work, daemon=True).start()
        sys.argv = ["dynfocus", *{arguments!r}]
        from dynfocus_cli.cli.app import main
        main()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "dynfocus-tiny" in done.stdout if code == 0 else "No such file" in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_the_console_script_imports_not_even_typer(command):
    code = f"""
        import sys
        sys.argv = ["dynfocus", *{command!r}, "--help"]
        from dynfocus_cli.cli.entry import main
        main()
        print([name for name in {(*HEAVY, "typer")!r} if name in sys.modules], file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert done.stderr == "[]\n"
    assert done.stdout.startswith("Usage: dynfocus " + " ".join(command))


@pytest.mark.parametrize(
    "arguments",
    [
        ["dynfocus", "--help"],
        ["../help_pages/dynfocus-ask", "--help"],
        ["/ask", "-h"],
        ["nothing", "--help"],
        ["--help", "ask"],
        ["ask"],
        ["dynfocus-ask", "--help"],
        ["--version", "ask"],
        [],
    ],
    ids=" ".join,
)
def test_only_pages_of_commands_are_kept(arguments):
    assert entry.kept_page(arguments) is None


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["ask", "-h"], ["--version"], ["ask", "a.mp4", "q"], ["inspect", "a.mp4"], ["nothing"]],
    ids=" ".join,
)
def test_a_closed_stdout_is_no_traceback(tmp_path, arguments):
    (tmp_path / "a.mp4").touch()
    command = [*with_library(main="entry"), *arguments]
    closing = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    done = subprocess.run(closing, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert done.returncode == (2 if arguments == ["nothing"] else 0), done.stderr
    assert "Traceback" not in done.stderr
    assert "Unexpected" not in done.stderr


def test_version():
    done = dynfocus("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"dynfocus {dynfocus_cli.__version__}\n", "")


def test_usage_error_of_the_parser():
    done = dynfocus("ask", "--no-such-option")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such option" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough(tmp_path):
    videos = [str(tmp_path / f"{index}.mp4") for index in range(50)]
    for video in videos:
        open(video, "w").close()
    command = [*with_library(), "ask", "--quiet", *videos, "q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")


def test_a_locale_without_unicode(tmp_path):
    """Text is escaped where it must be; JSON is UTF-8 always; the strip falls back to ASCII."""
    (tmp_path / "a.mp4").touch()
    command = [*with_library('library.answer = "犬"'), "ask", str(tmp_path / "a.mp4"), "q"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment)
    assert (done.returncode, done.stdout) == (0, b"\\u72ac\n")
    assert b"####" in done.stderr
    done = subprocess.run([*command, "--json"], capture_output=True, env=environment)
    assert "犬".encode() in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_an_answer_that_cannot_be_written_is_an_error(tmp_path):
    """One sentence, however many videos there are: no more of them is answered for nobody."""
    videos = [str(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    for video in videos:
        open(video, "w").close()
    for count, form in ((1, "--json"), (1, "--quiet"), (2, "--jsonl")):
        with open("/dev/full", "wb") as full:
            command = [*with_library(), "ask", "--quiet", form, "--", *videos[:count], "q"]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1
        assert done.stderr == (
            "Error: Standard output cannot be written (No space left on device): free some space, "
            "or send it elsewhere.\n"
        )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_log_that_is_full_costs_no_result(tmp_path):
    """What is said on stderr is commentary: others are answered, failures have their records and codes."""
    (tmp_path / "a.mp4").touch()
    command = [*with_library(), "ask", str(tmp_path / "missing.mp4"), str(tmp_path / "a.mp4"), "q", "--jsonl"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True)
        alone = subprocess.run([*with_library(), "ask", "missing.mp4", "q"], stderr=full)
    schemas = [json.loads(line)["schema"] for line in done.stdout.splitlines()]
    assert schemas == ["dynfocus.error/1", "dynfocus.answer/1"]
    assert (done.returncode, alone.returncode) == (6, 3)


def test_a_reader_of_the_log_that_has_gone_costs_no_result(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    command = [*with_library(), "ask", str(tmp_path), "q", "--jsonl"]
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


def test_an_interrupt_exits_130(tmp_path):
    (tmp_path / "a.mp4").touch()
    # A shell that starts its jobs in the background has them ignore interrupts, and children inherit that.
    slow = """
        import os, signal, time
        signal.signal(signal.SIGINT, signal.default_int_handler)
        def ask(*_):
            os.write(2, b"started\\n")  # what is interrupted in a buffer's write may be written again
            time.sleep(60)
        sys.modules["dynfocus_cli.pipeline"].ask = ask
    """
    command = [*with_library(slow), "ask", str(tmp_path / "a.mp4"), "q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr.readline() == b"started\n"
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert (process.returncode, said) == (130, b"Interrupted.\n")


def test_on_a_terminal(tmp_path):
    """The answer with its line breaks, then the evidence, with bars coming and going in between."""
    (tmp_path / "a.mp4").touch()
    output, code = in_terminal([*with_library(), "ask", str(tmp_path / "a.mp4"), "q"])
    assert code == 0
    assert "A red\r\ncircle.\r\n" in output
    assert output.index("circle.") < output.index("42 video tokens") < output.index("total 1.00 s")


def test_an_interrupted_answer_ends_its_line(tmp_path):
    (tmp_path / "a.mp4").touch()
    broken = """
        def ask(video, question, model, options, progress, *_, **__):
            progress.write("A re")
            raise KeyboardInterrupt
        sys.modules["dynfocus_cli.pipeline"].ask = ask
    """
    output, code = in_terminal([*with_library(broken), "ask", str(tmp_path / "a.mp4"), "q"])
    assert code == 130
    assert "A re\r\nInterrupted.\r\n" in output


def test_inspect_on_a_terminal_is_aligned(tmp_path):
    (tmp_path / "a.mp4").touch()
    output, code = in_terminal([*with_library(), "inspect", str(tmp_path / "a.mp4"), "--quiet"])
    assert code == 0
    assert "frame  time_s" in output
    assert "\t" not in output


def test_the_library_is_lazy():
    code = """
        import sys
        import dynfocus_cli
        dynfocus_cli.DynFocusError
        dynfocus_cli.Answer
        assert "load" in dir(dynfocus_cli)
        assert not set(sys.modules) & {"torch", "numpy", "av", "rich", "typer"}
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
