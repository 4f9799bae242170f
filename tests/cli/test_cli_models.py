"""`dynfocus models`, with the model that comes with dynfocus."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dynfocus_cli.checkpoints.entries import ENTRIES
from dynfocus_cli.checkpoints.families import FAMILIES
from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.cli.app import app
from hub import serving, take_for_real
from public_models import into_cache, write_public
from strict_schema import validate

TINY = Path(__file__).resolve().parents[2] / "weights" / "dynfocus-tiny"
HEAVY = ("torch", "transformers", "av", "numpy", "rich", "safetensors", "huggingface_hub")
COMMANDS = [[], ["list"], ["info"], ["pull"], ["convert"], ["quantize"]]


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


def record_of(*arguments: str | Path) -> dict[str, Any]:
    """What a command prints with --json, held to its schema and to no field more."""
    done = run(*arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    record: dict[str, Any] = json.loads(done.stdout)
    validate(record)
    return record


def script(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed command."""
    return subprocess.run(
        [Path(sys.executable).with_name("dynfocus"), "models", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    code = f"""
        import sys
        sys.argv = ["dynfocus", "models", *{command!r}, "--help"]
        from dynfocus_cli.cli.app import main
        try:
            main()
        except SystemExit as end:
            assert end.code == 0, end.code
        print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stderr == "[]\n"
    assert done.stdout.startswith("Usage: dynfocus models")


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["info", "nope"], ["pull", "nope"]])
def test_what_needs_no_network_of_neurons_imports_no_torch(arguments: list[str]) -> None:
    code = f"""
        import sys
        sys.argv = ["dynfocus", "models", *{arguments!r}]
        from dynfocus_cli.cli.app import main
        try:
            main()
        except SystemExit as end:
            assert end.code in (0, 4), end.code
        assert not set(sys.modules) & {{"torch", "transformers", "huggingface_hub"}}
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_list(models: Path) -> None:
    done = run("list")
    assert (done.exit_code, done.stderr) == (0, "")
    tiny, large, *public = done.stdout.splitlines()
    assert tiny.split()[:2] == ["dynfocus-tiny", "bundled:"]
    assert "to pull: 15.9 GB, then 6.3 GB" in large
    assert any(line.split()[:4] == ["qwen3-vl-4b", "to", "pull:", "8.9"] for line in public)
    record = record_of("list")
    assert (record["schema"], record["folder"]) == ("dynfocus.models/1", str(models))
    assert [model["name"] for model in record["models"]] == list(ENTRIES)
    assert {model["family"] for model in record["models"]} <= {"DynFocus", "SigLIP", *FAMILIES.values()}
    assert record["models"][1]["licence"].startswith("Llama 2 Community License")
    assert set(record["models"][0]) == {
        "name",
        "state",
        "folder",
        "what",
        "family",
        "licence",
        "needs",
        "bytes",
        "download_bytes",
    }


def test_info() -> None:
    done = run("info", "dynfocus-tiny")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["name"] == "dynfocus-tiny"
    assert lines["folder"] == str(TINY)
    assert lines["licence"] == "Apache-2.0"
    assert lines["tokens"] == "40 a key frame, 2 any other; context 2048"
    record = record_of("info", str(TINY))
    assert (record["schema"], record["name"], record["verified_files"]) == (
        "dynfocus.model/1",
        "dynfocus-tiny",
        None,
    )


@pytest.mark.slow
def test_quantize_and_verify(tmp_path: Path, models: Path) -> None:
    """One that is written into the models' folder has a name from then on."""
    done = run("quantize", "dynfocus-tiny", models / "tiny-nf4", "--to", "nf4")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{models / 'tiny-nf4'}\n", "")
    shown = run("info", "tiny-nf4", "--verify")
    assert shown.exit_code == 0
    assert "quantization  nf4" in shown.stdout
    assert "verified      1 of 1 files" in shown.stdout
    source = readable((TINY / "model.safetensors").stat().st_size)
    assert f"model.safetensors, {source}" in shown.stdout
    assert "tiny-nf4" in run("list").stdout
    with (models / "tiny-nf4" / "model.safetensors").open("r+b") as shard:
        shard.seek(-1, os.SEEK_END)
        shard.write(b"\xee")
    damaged = run("info", "tiny-nf4", "--verify")
    assert (damaged.exit_code, damaged.stdout) == (4, "")
    assert "model.safetensors is not as conversion.json has it" in damaged.stderr


def test_convert_prints_a_record(tmp_path: Path) -> None:
    done = run("convert", TINY, tmp_path / "copy", "--quantize", "int8", "--json")
    assert done.exit_code == 0
    (line,) = done.stdout.splitlines()
    record = json.loads(line)
    validate(record)
    assert record["schema"] == "dynfocus.model/1"
    assert (record["name"], record["quantization"]) == ("copy", "int8")
    names = {source["name"] for source in record["sources"]}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert record["bytes"] == sum(f.stat().st_size for f in (tmp_path / "copy").rglob("*") if f.is_file())


def foreign(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (lambda tmp: ["convert", foreign(tmp / "q"), tmp / "out"], 4, "a 'qwen2_5_vl' model"),
        (lambda tmp: ["quantize", foreign(tmp / "q"), tmp / "out"], 4, "has no model.safetensors"),
        (lambda tmp: ["quantize", write_public(tmp / "q"), tmp / "out"], 2, "--model q --quantize nf4"),
        (lambda tmp: ["info", foreign(tmp / "q")], 4, "q has no model.safetensors. Copy it whole."),
        (lambda tmp: ["info", "org/name"], 4, "`dynfocus models pull org/name` fetches it"),
        (lambda tmp: ["info", write_public(tmp / "q"), "--verify"], 4, "no whole conversion.json"),
        (lambda tmp: ["convert", tmp / "nowhere", tmp / "out"], 4, "There is no"),
        (lambda tmp: ["convert", TINY / "config.json", tmp / "out"], 4, "config.json is a file"),
        (lambda tmp: ["convert", tmp, tmp / "out"], 4, "without config.json"),
        (lambda tmp: ["convert", TINY, tmp], 2, "exists already"),
        (lambda tmp: ["convert", TINY, tmp / "out", "--vision", tmp], 2, "--vision is for LLaMA-VID"),
        (lambda tmp: ["convert", TINY, tmp / "out", "--quantize", "int4"], 2, "int4"),
        (lambda tmp: ["convert", TINY], 2, "DST"),
        (lambda tmp: ["quantize", "dynfocus-7b", tmp / "out"], 4, "dynfocus models pull dynfocus-7b"),
        (lambda tmp: ["quantize", "dynfocus-tiny", tmp / "out", "--to", "none"], 2, "none"),
        (lambda tmp: ["info", "nope"], 4, "No model 'nope'"),
        (lambda tmp: ["info", "dynfocus-tiny", "--verify"], 4, "no whole conversion.json"),
        (lambda tmp: ["info", "dynfocus-7b", "--verify"], 4, "dynfocus models pull dynfocus-7b"),
        (lambda tmp: ["pull", "nope"], 4, "No model 'nope' is known"),
        (lambda tmp: ["pull", "dynfocus-tiny"], 2, "there is nothing to pull"),
        (lambda tmp: ["fetch"], 2, "fetch"),
    ],
)
def test_what_is_refused(
    arguments: Callable[[Path], list[Any]], code: int, said: str, tmp_path: Path
) -> None:
    done = run(*arguments(tmp_path))
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_public_model_from_end_to_end(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed, pulled, described, verified."""
    source, commit = write_public(tmp_path / "source", "smolvlm"), "ab" * 20
    entry = ENTRIES["smolvlm2-500m"]
    with serving() as hub:
        take_for_real(hub, tmp_path / "cache", monkeypatch)
        files = sorted(path.name for path in source.iterdir())
        hub.add("org/name", commit, source, files)
        hub.branches["org/name@main"] = commit
        hub.cards["org/name"] = {"license": "other", "license_name": "its own"}
        hub.add(entry.repositories[0].id, entry.repositories[0].revision, source, files)
        done = run("pull", "org/name", "--quantize", "nf4")
        assert (done.exit_code, done.stdout, done.stderr) == (0, f"{models / 'org--name'}\n", "")
        record = record_of("pull", entry.name)
    assert (record["name"], record["family"], record["run_as"]) == (entry.name, "SmolVLM", None)
    assert record["origin"] == [f"{entry.repositories[0].id}@{entry.repositories[0].revision}"]
    lines = [line.split(maxsplit=1) for line in run("info", "org/name", "--verify").stdout.splitlines()]
    shown = dict(reversed(lines))  # the first of each
    assert shown["what"] == "a SmolVLM model of the Hugging Face hub"
    assert shown["licence"] == "its own"
    assert shown["quantization"] == "none, runs in nf4 here"
    assert shown["parameters"] == "0.0 billion"
    assert shown["weights"].endswith("kB in nf4 of memory")
    assert shown["from"] == f"org/name@{commit}"
    assert shown["verified"] == "1 of 1 files"
    assert "events" not in shown
    listed = {model["name"]: model for model in record_of("list")["models"]}
    assert (listed["org/name"]["state"], listed[entry.name]["state"]) == ("installed", "installed")
    again = run("pull", "org/name")
    assert (again.exit_code, again.stdout) == (2, "")
    (models / "org--name" / "conversion.json").unlink()
    assert run("info", "org/name").exit_code == 0


def test_a_model_in_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    into_cache(tmp_path / "cache", "org/name", write_public(tmp_path / "source"), "cd" * 20)
    assert "org/name              in the hub's cache: 18" in run("list").stdout
    record = record_of("info", "org/name")
    assert (record["family"], record["licence"], record["origin"]) == (
        "Qwen3-VL",
        None,
        [f"org/name@{'cd' * 20}"],
    )
    assert record["needs"].startswith("a CUDA GPU with 4 GB")


def test_info_of_a_public_model_that_is_not_here_yet() -> None:
    shown = run("info", "qwen3-vl-4b").stdout
    assert "weights       8.9 GB, 5.2 GB in int8, 3.5 GB in nf4 of memory" in shown
    assert "from          Qwen/Qwen3-VL-4B-Instruct, revision ebb281ec" in shown
    record = record_of("info", "qwen3-vl-4b")
    assert (record["family"], record["parameters"]) == ("Qwen3-VL", 4_438_000_000)
    assert record["repositories"][0]["files"] == []


@pytest.mark.slow
def test_pull_without_a_network(tmp_path: Path, models: Path) -> None:
    """By the installed command and the hub's own variables: no waiting, and the way by hand."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    home = str(tmp_path / "hub")
    for environment, why in (
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids the network"),
        ({"HF_ENDPOINT": closed}, "the hub cannot be reached ("),
    ):
        done = script("pull", "dynfocus-7b", "--quantize", "int8", HF_HOME=home, **environment)
        assert (done.returncode, done.stdout) == (4, "")
        first, *lines = done.stderr.splitlines()
        assert first.startswith(f"Error: dynfocus-7b could not be fetched: {why}")
        assert any(line.startswith("from https://huggingface.co/YanweiLi/llama-vid-7b") for line in lines)
        put = models / ".downloads" / "dynfocus-7b"
        assert lines[-1] == f"  dynfocus models convert {put} {models / 'dynfocus-7b'} --quantize int8"
    assert not models.exists()


@pytest.mark.slow
def test_on_a_script_there_is_nothing_but_the_result(tmp_path: Path) -> None:
    done = script("quantize", TINY, tmp_path / "out", "--to", "int8")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'out'}\n", "")


def test_info_of_a_model_that_is_not_here_yet() -> None:
    shown = run("info", "dynfocus-7b")
    assert shown.exit_code == 0, shown.stderr
    assert "install       dynfocus models pull dynfocus-7b" in shown.stdout.splitlines()
    record = record_of("info", "dynfocus-7b")
    assert record["schema"] == "dynfocus.model_entry/1"
    files = [file for repository in record["repositories"] for file in repository["files"]]
    for file in files:
        assert f"  {file['path']}" in shown.stdout
        assert file["sha256"] is None or file["sha256"] in shown.stdout


def test_a_quantized_copy_keeps_its_licence(run, tmp_path):
    folder = tmp_path / "small"
    assert run("models", "quantize", "dynfocus-tiny", str(folder), "--to", "int8", "-q").exit_code == 0
    assert "licence       Apache-2.0\n" in run("models", "info", str(folder)).stdout
