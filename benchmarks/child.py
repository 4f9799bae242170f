"""What a command takes, told by a process so small that its own memory does not count.

The kernel's peak of a process begins with that of the process that started it: between fork and exec the one
has the other's memory, and what was its most by then stays in `ru_maxrss`. A benchmark that has written 10 GB
of weights would find 10 GB in all that it starts. So an interpreter without any package starts the command,
waits for it, and says what the kernel tells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

LAUNCHER = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
said = {"code": os.waitstatus_to_exitcode(status), "peak_bytes": usage.ru_maxrss * 1024}
os.write(int(sys.argv[1]), json.dumps(said).encode())
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has run."""

    said: bytes
    """On standard output."""
    seconds: float
    """With the launcher's 20 ms."""
    peak_bytes: int
    """Resident, of the command's largest process."""


def run(command: Sequence[str]) -> Finished:
    """Runs a command to its end.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    reading, writing = os.pipe()
    # -S -E: no packages, and nothing that the environment would add.
    launcher = [sys.executable, "-S", "-E", "-c", LAUNCHER, str(writing), *command]
    with os.fdopen(reading) as report:
        done = subprocess.run(launcher, stdout=subprocess.PIPE, pass_fds=(writing,), check=False)
        os.close(writing)
        told = json.loads(report.read() or '{"code": "no code"}')
    if told["code"] != 0:
        raise SystemExit(f"{' '.join(command)} failed with {told['code']}")
    return Finished(done.stdout, time.monotonic() - began, told["peak_bytes"])
