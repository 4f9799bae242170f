"""What only Linux has, or only Unix, is taken away, and dynfocus does its work all the same.

SUBSTITUTE: a Linux without the names that macOS or Windows lack; other programs' modules are imported before,
since they ask which system they are on.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo.mp4"

MACOS = """
    MODULES = []
    NAMES = {
        os: "sched_getaffinity sched_setaffinity posix_fadvise memfd_create getrandom sendfile pipe2 "
        "O_TMPFILE O_DIRECT O_PATH O_NOATIME O_LARGEFILE".split(),
        signal: "SIGPOLL SIGPWR SIGSTKFLT SIGRTMIN SIGRTMAX sigtimedwait sigwaitinfo".split(),
    }
"""
WINDOWS = """
    MODULES = "fcntl resource termios tty pty pwd grp syslog readline curses".split()
    NAMES = {
        os: NAMES[os] + "fork forkpty getuid geteuid getgid getpgid killpg setsid mkfifo mknod uname "
        "getloadavg nice chown lchown chroot O_DIRECTORY O_NONBLOCK O_NOFOLLOW O_CLOEXEC".split(),
        signal: NAMES[signal] + "SIGALRM SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 "
        "SIGCHLD SIGWINCH SIGCONT alarm pause setitimer siginterrupt sigwait pthread_kill".split(),
    }
"""
TAKEN_AWAY = """
    import builtins, importlib, io, os, pathlib, pkgutil, signal, sys
    import accelerate, av, bitsandbytes, huggingface_hub, jinja2, peft, PIL.Image, platformdirs, psutil
    import pysubs2, readline, rich.progress, safetensors.torch, snowballstemmer, tokenizers, torch
    import transformers, typer
    from transformers import AutoModel, Trainer, LlamaForCausalLM, InstructBlipVisionModel
    from transformers import InstructBlipQFormerModel
    {system}
    for module in MODULES:
        sys.modules[module] = None
    for owner, names in NAMES.items():
        for name in names:
            if hasattr(owner, name):
                delattr(owner, name)
    real_open = io.open

    def no_groups(path, *arguments, **options):  # psutil reads the rest of /proc, as it would elsewhere not
        if isinstance(path, (str, os.PathLike)) and "/cgroup" in str(path):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return real_open(path, *arguments, **options)

    io.open = builtins.open = no_groups
    assert not [name for name in sys.modules if name.startswith("dynfocus_cli")]
"""
IMPORTED = """
    import dynfocus_cli
    found = [one.name for one in pkgutil.walk_packages(dynfocus_cli.__path__, "dynfocus_cli.")]
    for name in found:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    print(len(found))
"""
USED = """
    from dynfocus_cli.checkpoints.staging import commit, staging
    from dynfocus_cli.device import free_memory, give_back_early, whole_memory

    with staging(pathlib.Path("model")) as partial:
        (partial / "config.json").write_text("{{}}")
        commit(partial, pathlib.Path("model"))
    assert 0 < free_memory(torch.device("cpu")) <= whole_memory()
    give_back_early()
    from typer.testing import CliRunner
    from dynfocus_cli.cli.app import app

    for count in (1, 2):
        ask = ["ask", {demo!r}, "What color is the heart at 00:12?", "--model", "dynfocus-tiny"]
        done = CliRunner().invoke(app, [*ask, "--output", "o.jsonl"])
        assert done.exit_code == 0, (done.output, done.exception)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    print(len(pathlib.Path("o.jsonl").read_text().splitlines()))
"""


def without(system: str, *steps: str) -> str:
    """The steps in a process of their own, before which the names are taken away."""
    code = textwrap.dedent(TAKEN_AWAY).format(system=textwrap.dedent(system).strip())
    return code + "".join(textwrap.dedent(step) for step in steps)


@pytest.mark.slow
@pytest.mark.parametrize("system", [MACOS, MACOS + WINDOWS], ids=["macos", "windows"])
def test_dynfocus_does_its_work_without_what_only_this_system_has(system: str, tmp_path: Path) -> None:
    used = USED.format(demo=str(DEMO))
    done = subprocess.run(
        [sys.executable, "-c", without(system, IMPORTED, used)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    modules, results = done.stdout.split()[-2:]
    assert int(modules) > 200
    assert int(results) == 1
