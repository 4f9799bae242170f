"""A command's peak is its own, however much the benchmark that starts it has held before."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
MIB = 1 << 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "wait4"), reason="the kernel tells of no child here"),
]


def measured(code: str) -> list[int]:
    """What a process prints that held 400 MiB, let go of them, and then ran `code`."""
    begin = """
        import os, subprocess, sys
        import child
        held = bytearray(400 << 20)
        del held
        small = [sys.executable, "-S", "-c", "pass"]
        large = [sys.executable, "-S", "-c", "bytearray(200 << 20)"]
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(begin) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
    )
    return [int(word) for word in done.stdout.split()]


def test_a_commands_peak_is_its_own() -> None:
    small, large = measured("for command in (small, large): print(child.run(command).peak_bytes)")
    assert small < 50 * MIB
    assert 200 * MIB < large < 250 * MIB


def test_started_directly_it_would_be_the_starters() -> None:
    """Why it is measured so: without the small process between them this kernel says 400 MiB of both."""
    found = measured("""
        for command in (small, large):
            process = subprocess.Popen(command)
            _, _, usage = os.wait4(process.pid, 0)
            print(usage.ru_maxrss * 1024)
    """)
    if min(found) < 400 * MIB:
        pytest.skip("this kernel keeps the two apart")
    assert max(found) < 450 * MIB


def test_what_it_says_and_that_it_failed() -> None:
    code = "import child, sys; print(child.run([sys.executable, '-c', 'print(7)']).said.decode())"
    assert measured(code) == [7]
    failing = "import child, sys; child.run([sys.executable, '-c', 'raise SystemExit(3)'])"
    with pytest.raises(subprocess.CalledProcessError) as told:
        measured(failing)
    assert "failed with 3" in told.value.stderr
