"""Real processes, on pipes and on terminals."""

from __future__ import annotations

import fcntl
import os
import pty
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
    "pipeline": dict(ask=library.ask, inspect=library.inspect),
    "checkpoints": dict(load_model=library.load_model),
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


def in_terminal(command: list[str], *, columns: int = 80, **environment: str) -> tuple[str, int]:
    """What `command` writes to a terminal on both streams, and its exit code."""
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
