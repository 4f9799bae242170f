"""What is made from the commands is what the commands say."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import copytree

import pytest

import dynfocus_cli.errors
from dynfocus_cli.cli import entry, reference
from dynfocus_cli.cli.app import PANELS
from dynfocus_cli.cli.settings import SETTINGS

RENEW = "stale: renew it with `make docs`, or `python -m dynfocus_cli.cli.reference`"


def test_the_kept_pages_are_what_the_commands_say():
    kept = {path.name: path.read_text(encoding="utf-8") for path in Path(entry.PAGES).iterdir()}
    fresh = reference.kept_pages()
    assert set(kept) == set(fresh), RENEW
    assert [name for name in fresh if kept[name] != fresh[name]] == [], RENEW


def test_the_document_is_what_the_commands_say():
    assert reference.DOCUMENT.read_text(encoding="utf-8") == reference.document(), RENEW


def test_the_schemas_have_the_choices_of_the_options():
    kept = {path.name: path.read_text(encoding="utf-8") for path in reference.SCHEMAS.iterdir()}
    assert reference.schemas() == kept, RENEW


def test_the_document_holds_every_page_and_every_option(run):
    document = reference.DOCUMENT.read_text(encoding="utf-8")
    for command in (["ask"], ["inspect"], ["chat"], ["doctor"], ["models", "convert"], ["cache", "info"]):
        page = run(*command, "--help").stdout
        options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", page, re.MULTILINE))
        assert "--no-color" in options
        section = document.partition(f"## dynfocus {' '.join(command)}\n")[2].partition("\n## ")[0]
        assert options == set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", section, re.MULTILINE))


def test_the_document_has_every_exit_code_and_variable():
    document = reference.DOCUMENT.read_text(encoding="utf-8")
    kinds = [kind for kind in vars(dynfocus_cli.errors).values() if isinstance(kind, type)]
    for code in {0, 130, *(kind.exit_code for kind in kinds if hasattr(kind, "exit_code"))}:
        assert f"\n| {code} |" in document
    for setting in SETTINGS.values():
        assert f"\n| `{setting.key}` |" in document
        assert f"\n| `{setting.variable}` |" in document


def test_every_variable_that_the_code_reads_is_documented():
    document = reference.DOCUMENT.read_text(encoding="utf-8")
    package = Path(dynfocus_cli.__file__).parent
    read = {
        name
        for file in package.rglob("*.py")
        for name in re.findall(r"\bDYNFOCUS_[A-Z][A-Z_]*[A-Z]\b", file.read_text(encoding="utf-8"))
    }
    assert {"DYNFOCUS_DEBUG", "DYNFOCUS_CACHE_DIR"} <= read
    assert [name for name in sorted(read) if f"`{name}`" not in document] == []


@pytest.mark.slow
def test_all_is_written_and_what_is_gone_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "PAGES", str(tmp_path / "pages"))
    monkeypatch.setattr(reference, "DOCUMENT", tmp_path / "cli.md")
    monkeypatch.setattr(reference, "SCHEMAS", copytree(reference.SCHEMAS, tmp_path / "schema"))
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "dynfocus-gone.txt").touch()
    reference.main()
    assert {path.name for path in (tmp_path / "pages").iterdir()} == set(reference.kept_pages())
    assert (tmp_path / "cli.md").read_text(encoding="utf-8") == reference.document()


def test_the_first_page_is_short_and_grouped():
    page = entry.kept_page(["--help"])
    assert page is not None
    lines = page.splitlines()
    assert len(lines) <= 33
    assert [line.rstrip(":") for line in lines if line.rstrip(":") in PANELS] == list(PANELS)
    assert "..." not in page.partition("Videos:")[2], "a description that is cut off"


@pytest.mark.parametrize("command", ["ask", "models list", "cache", ""])
def test_help_is_a_command_too(run, command):
    words = command.split()
    page = entry.kept_page([*words, "--help"])
    assert page is not None
    assert entry.kept_page(["help", *words]) == page
    result = run("help", *words)
    assert result.exit_code == 0
    assert f"Usage: {' '.join(['dynfocus', *words])} " in result.stdout


def test_help_for_what_is_no_command(run):
    result = run("help", "aks")
    assert result.exit_code == 2
    assert "No such command 'aks'. Did you mean 'ask'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["insepct", "a.mp4"], "Did you mean 'inspect'?"),
        (["modles"], "Did you mean 'models'?"),
        (["ask", "--modle", "x"], "Did you mean '--model'?"),
        (["models", "lst"], "Did you mean 'list'?"),
    ],
)
def test_a_misspelt_word_suggests_the_right_one(run, arguments, said):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    # quotes and the word for several differ between versions of Typer
    assert said.strip("?").split()[-1].strip("'") in result.stderr


def test_no_arguments_show_the_page_and_are_no_success(run):
    result = run()
    assert result.exit_code == 2
    assert "Videos:" in result.stdout + result.stderr
