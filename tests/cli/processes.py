"""Real processes, on pipes and on terminals."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import textwrap
import time

# SUBSTITUTE: as in conftest.py, for a process of its own.
LIBRARY = """
import sys
sys.path.insert(0, {tests!r})
import conftest, types
library = conftest.StandIn()
for name, contents in {{
    "pipeline": dict(ask=library.ask, inspect=library.inspect, admit_question=lambda *_: None),
    "models.open": dict(load_model=library.load_model),
}}.items():
    module = types.ModuleType("dynfocus_cli." + name)
    module.__dict__.update(contents)
    sys.modules[module.__name__] = module
"""


def with_library(more: str = "", main: str = "app") -> list[str]:
    """A command that takes dynfocus's arguments, and has the stand-in for the library."""
    code = LIBRARY.format(tests=os.path.dirname(__file__)) + textwrap.dedent(more)
    code += f"\nfrom dynfocus_cli.cli.{main} import main; main()"
    return [sys.executable, "-c", code]


def in_terminal(
    command: list[str], *, columns: int = 80, typed: bytes = b"", **environment: str
) -> tuple[str, int]:
    """What `command` writes to a terminal on both streams, and its exit code; `typed` is typed there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LC_ALL")}
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**inherited, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    os.write(ours, typed)
    parts = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    return b"".join(parts).decode(), process.wait(timeout=60)


class Typist:
    """A command on a terminal, and somebody who types and reads there."""

    def __init__(self, command: list[str], *, columns: int = 80, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LC_ALL")}
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**inherited, "TERM": "xterm-256color", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C comes as a signal
        )
        os.close(theirs)
        self.output = ""
        self._read = 0

    def type(self, keys: str) -> None:
        """Presses keys; \\r is Enter."""
        os.write(self._ours, keys.encode("utf-8"))

    def reads(self, text: str) -> None:
        """Waits until `text` is shown, after what was waited for before."""
        deadline = time.monotonic() + 60
        while text not in self.output[self._read :]:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.output[self._read :]!r}"
            assert self._more(), f"{text!r} is not in {self.output[self._read :]!r}"
        self._read = self.output.index(text, self._read) + len(text)

    def code(self) -> int:
        """The exit code, when everything is read."""
        while self._more():
            pass
        os.close(self._ours)
        return self._process.wait(timeout=60)

    def _more(self) -> bool:
        if not select.select([self._ours], [], [], 60)[0]:
            self._process.kill()
            return False
        try:
            part = os.read(self._ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            return False
        self.output += part.decode("utf-8", "replace")
        return bool(part)
