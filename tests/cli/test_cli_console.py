"""The installed console script with the shipped model: exit codes, kills, interrupts, closed pipes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sysconfig
import time
from pathlib import Path

import av
import numpy as np
import pytest

from strict_schema import validate

pytestmark = pytest.mark.slow

DYNFOCUS = str(Path(sysconfig.get_path("scripts")) / "dynfocus")
WEIGHTS = Path(__file__).resolve().parents[2] / "weights" / "dynfocus-tiny"
QUESTION = "Is there a red circle in the video?"

VIDEOS, DAMAGED = 12, 2

PATIENCE_S = 120.0
"""For a process on a busy machine; none of it is waited for in vain."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Videos, two of them damaged, with names that are awkward."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(VIDEOS):
        path = folder / (f"-{number:02} a\n.mp4" if number == 3 else f"{number:02}.mp4")
        write_clip(path, number)
        if number in (2, 7):
            path.write_bytes(path.read_bytes()[:300])
    return folder


def write_clip(path: Path, seed: int) -> None:
    """A second of coloured noise, another for each seed."""
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=4, options={"preset": "ultrafast"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(4):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DYNFOCUS_MODEL", "dynfocus-tiny")  # by name it answers about noise too


def dynfocus(*arguments: object, stdin: bytes = b"", **more) -> subprocess.CompletedProcess[bytes]:
    command = [DYNFOCUS, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=PATIENCE_S, **more)


class Piped:
    """A run that reads paths from a pipe, which stays open: it waits for more and cannot come to its end."""

    def __init__(self, *arguments: str) -> None:
        # A shell has jobs in the background ignore interrupts, and children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            [DYNFOCUS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def feed(self, paths: list[Path]) -> None:
        self.process.stdin.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
        self.process.stdin.flush()

    def wait_for_lines(self, path: Path, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not path.exists() or path.read_bytes().count(b"\n") < count:
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline, f"{path} never had {count} lines"
            time.sleep(0.02)

    def end(self, number: int) -> tuple[int, bytes, bytes]:
        """Sends a signal; returns the exit code, stdout and stderr."""
        self.process.send_signal(number)
        stdout, stderr = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, stdout, stderr


def limit_files() -> None:
    """Fails writes as a full disk does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def too_large(folder: Path) -> Path:
    """A model that no machine has the memory for, by its sizes."""
    shutil.copytree(WEIGHTS, folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 1 << 40
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["00.mp4", QUESTION, "--jsonl"], 0, b""),
        (["00.mp4", QUESTION, "--output", "OUT", "--no-cache"], 1, b"Cannot write"),
        (["00.mp4", QUESTION, "--at", "10:00"], 2, b"--at"),
        (["00.mp4", "--no-such-option"], 2, b"No such option"),
        (["02.mp4", QUESTION], 3, b"02.mp4"),
        (["00.mp4", QUESTION, "--model", "no-such-model"], 4, b"no-such-model"),
        (["00.mp4", QUESTION, "--model", "LARGE"], 5, b"GiB are free"),
        (["00.mp4", "02.mp4", QUESTION], 6, b"1 of 2 videos failed"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, list) else None,
)
def test_every_exit_code_and_nothing_but_answers_on_stdout(clips, tmp_path, arguments, code, said):
    names = {"OUT": tmp_path / "out.jsonl", "LARGE": too_large(tmp_path / "large")}
    done = dynfocus(
        "ask",
        *(names.get(argument, argument) for argument in arguments),
        cwd=clips,
        preexec_fn=limit_files if code == 1 else None,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert b"Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == (1 if code in (0, 6) else 0)
    if "--jsonl" in arguments:
        validate(json.loads(lines[0]))
    elif code == 6:
        assert lines[0].startswith(b"00.mp4: ")


def test_killed_and_gone_on_with(clips, tmp_path):
    """Two kills, another run beside it, and in the end one record a video."""
    out = tmp_path / "out.jsonl"
    arguments = ["ask", "-", "-0", QUESTION, "--jsonl", "--output", str(out)]
    paths = sorted(clips.iterdir())

    first = Piped(*arguments)
    first.feed(paths[:4])
    first.wait_for_lines(out, 3)
    beside = dynfocus(*arguments, stdin=b"")
    assert (beside.returncode, beside.stdout) == (2, b"")
    assert b"is being written by another run" in beside.stderr
    assert first.end(signal.SIGKILL)[:2] == (-signal.SIGKILL, b"")
    with out.open("ab") as file:
        file.write(out.read_bytes()[:500])  # as if it had been killed within a write

    second = Piped(*arguments)
    second.feed(paths[:9])
    second.wait_for_lines(out, 8)
    assert second.end(signal.SIGKILL)[0] == -signal.SIGKILL

    stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
    last = dynfocus(*arguments, stdin=stdin)
    assert (last.returncode, last.stdout) == (6, b""), last.stderr
    assert b"2 of 12 videos failed" in last.stderr
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    for record in records:
        validate(record)
    assert [record["video"] for record in records] == [str(path) for path in paths]
    assert sum("error" in record for record in records) == DAMAGED


def test_an_interrupt_says_how_to_go_on(clips, tmp_path):
    out = tmp_path / "out.jsonl"
    run = Piped("ask", "-", "-0", QUESTION, "--output", str(out))
    run.feed([clips / "00.mp4", clips / "01.mp4"])
    run.wait_for_lines(out, 1)
    code, stdout, stderr = run.end(signal.SIGINT)
    assert (code, stdout) == (130, b"")
    assert stderr.endswith(f"Interrupted. Run the same command again to go on with {out}.\n".encode())
    assert out.read_bytes().endswith(b"\n")
    for line in out.read_bytes().splitlines():
        validate(json.loads(line))


def test_an_interrupt_without_a_file_keeps_what_was_printed(clips):
    run = Piped("ask", "-", "-0", QUESTION, "--jsonl")
    run.feed([clips / "00.mp4", clips / "01.mp4", clips / "04.mp4"])
    first = run.process.stdout.readline()
    code, rest, stderr = run.end(signal.SIGINT)
    assert code == 130
    for line in (first + rest).splitlines(keepends=True):
        assert line.endswith(b"\n")
        validate(json.loads(line))
    assert b"Interrupted. A run with --output FILE can be gone on with." in stderr


def test_a_closed_pipe_ends_quietly(clips):
    command = f'find . -print0 -name "*.mp4" | "{DYNFOCUS}" ask - -0 "{QUESTION}" --jsonl --quiet | head -1'
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[1]}}"],
        cwd=clips,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert b"Traceback" not in done.stderr
    assert b"Broken" not in done.stderr
