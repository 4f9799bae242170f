"""The documents say what is true: their paths exist, their names resolve, their commands run."""

from __future__ import annotations

import functools
import importlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import dynfocus_cli

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(dynfocus_cli.__file__).parent
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

GENERATED = ("runs/", "dist/", ".venv/")
"""What commands make and git ignores."""

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"<!-- session: begin.*?-->\n```console\n(.*?)```\n<!-- session: end -->", re.DOTALL)
SEARCH = re.compile(r"<!-- search: begin.*?-->\n```console\n(.*?)```\n<!-- search: end -->", re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"\.?\w[\w.-]*(?:/[\w.-]+)*/?")
SUFFIX = re.compile(r"\.(?:py|md|json|jsonl|mp4|safetensors|toml|txt)$")


def prose(document: Path) -> str:
    """The text without its code blocks."""
    return BLOCK.sub("", document.read_text(encoding="utf-8"))


def paths_in(text: str) -> set[str]:
    """What stands in backticks and looks like a path of this repository."""
    found = set()
    for span in SPAN.findall(text):
        path = span.partition("::")[0]
        first = path.partition("/")[0]
        known = (ROOT / first).exists() or (PACKAGE / first).exists()
        slashed = "/" in path and (known or path.endswith("/") or SUFFIX.search(path))
        single = "/" not in path and known
        if PATH.fullmatch(path) and (slashed or single or "::" in span) and not path.startswith(GENERATED):
            found.add(path)
    return found


def names_in(text: str) -> list[str]:
    return [span for span in SPAN.findall(text) if "::" in span]


def commands_in(document: Path) -> list[str]:
    """The lines of the code blocks that run `dynfocus`, also at the end of a pipe."""
    blocks = BLOCK.findall(document.read_text(encoding="utf-8"))
    lines = [
        line for language, block in blocks if language in ("", "sh", "bash") for line in block.splitlines()
    ]
    return [line for line in lines if re.search(r"(?:^|\| )dynfocus ", line)]


def targets_in(document: Path) -> set[str]:
    text = document.read_text(encoding="utf-8")
    return set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) | set(re.findall(r"`make ([a-z-]+)", text))


def environment(home: str) -> dict[str, str]:
    """This interpreter's `dynfocus` first on the path, no network for the model libraries, 80 columns."""
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"]))
    return {**os.environ, "PATH": path, "HOME": home, "HF_HUB_OFFLINE": "1", "COLUMNS": "80"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds the demo where the documents name it."""
    demo = ROOT / "examples" / "demo.mp4"
    (tmp_path / "examples").mkdir()
    if demo.exists():
        shutil.copy(demo, tmp_path / "examples" / "demo.mp4")
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("jq") is None:
        command = command.partition("| jq ")[0]
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environment(str(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_search_for_paths_finds_what_it_should():
    text = "`K/L` `dpe/topk.py::hard_topk` `no/such.py` `gone/` `runs/x.ckpt` `Makefile` `cli/` `make test`"
    assert paths_in(text) == {"dpe/topk.py", "no/such.py", "gone/", "Makefile", "cli/"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_path_exists(document):
    paths = paths_in(prose(document))
    assert paths, "the document names no path: is the search still right?"
    gone = [path for path in sorted(paths) if not (ROOT / path).exists() and not (PACKAGE / path).exists()]
    assert gone == []


@pytest.mark.parametrize("name", names_in(prose(ROOT / "docs" / "paper_map.md")))
def test_each_name_of_the_paper_map_resolves(name):
    path, _, attribute = name.partition("::")
    module = path.removesuffix(".py").replace("/", ".")
    home = module.removeprefix("recipes.") if module.startswith("recipes.") else f"dynfocus_cli.{module}"
    functools.reduce(getattr, attribute.split("."), importlib.import_module(home))


def test_the_readme_shows_both_commands_on_its_first_screen():
    top = README.read_text(encoding="utf-8").splitlines()[:24]
    assert [line.split()[1] for line in top if line.startswith("dynfocus ")] == ["ask", "inspect"]


@pytest.mark.slow
@pytest.mark.parametrize("command", commands_in(README))
def test_each_command_of_the_readme_runs(command, folder):
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "Warning" not in done.stderr


@pytest.mark.slow
def test_the_readme_session_is_what_a_terminal_shows(folder):
    """All but the seconds that it took, and the scores, whose last digits differ between processors."""
    session = SESSION.search(README.read_text(encoding="utf-8"))
    assert session is not None, "the session's marks are gone"
    for turn in session[1].split("$ ")[1:]:
        command, _, shown = turn.partition("\n")
        done = run(command, folder)
        assert done.returncode == 0, done.stderr
        assert shown.splitlines()[0] == done.stdout.splitlines()[0]
        assert _steady(shown) == _steady(done.stdout + done.stderr)


@pytest.mark.slow
def test_the_readme_search_is_what_a_terminal_shows(folder):
    """All but the seconds that it took."""
    from cli.processes import in_terminal

    search = SEARCH.search(README.read_text(encoding="utf-8"))
    assert search is not None, "the search's marks are gone"
    command, _, shown = search[1].removeprefix("$ ").partition("\n")
    program = shutil.which("dynfocus", path=sysconfig.get_path("scripts"))
    output, code = in_terminal(
        ["sh", "-c", f"cd {folder} && {command.replace('dynfocus', str(program), 1)}"],
        NO_COLOR="1",
        TERM="dumb",
        HOME=str(folder),
    )
    assert code == 0, output
    assert _steady(output) == _steady(shown)


def _steady(text: str) -> list[str]:
    lines = (re.sub(r"\b[0-9]\.[0-9]{4}\b|\b[0-9]+\.[0-9]{2} s\b", "...", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in lines if line.strip()]


@pytest.mark.slow
def test_the_python_of_the_readme_runs(folder):
    blocks = [block for language, block in BLOCK.findall(README.read_text("utf-8")) if language == "python"]
    assert blocks
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block],
            cwd=folder,
            env=environment(str(folder)),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def test_the_help_of_make_lists_every_documented_target():
    listed = set(re.findall(r"^  make ([a-z-]+)", make().stdout, re.MULTILINE))
    documented = set().union(*map(targets_in, DOCUMENTS))
    assert {"setup", "demo", "test", "tiny"} <= documented <= listed


@pytest.mark.parametrize("target", sorted(set().union(*map(targets_in, DOCUMENTS)) | {"wheel", "help"}))
def test_make_knows_what_to_do_for(target):
    done = make("-n", target)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    # Tests may themselves run below make, whose flags would come along.
    inherited = {
        key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    return subprocess.run(["make", *arguments], cwd=ROOT, env=inherited, capture_output=True, text=True)
