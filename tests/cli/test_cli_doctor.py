"""`dynfocus doctor`: what is whole is ok, what is not has a remedy, and nothing is a traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from dynfocus_cli.checkpoints.registry import bundled_models
from dynfocus_cli.cli.checks import machine
from strict_schema import validate


@pytest.fixture
def examine(run):
    """`examine()`: exit code, and the findings by name; several settings are a list."""

    def examined():
        result = run("doctor", "--json")
        record = json.loads(result.stdout)
        assert record["schema"] == "dynfocus.doctor/1"
        validate(record)
        assert record["code"] == result.exit_code
        assert result.stderr == ""
        return result.exit_code, {check["name"]: check for check in record["checks"]}

    return examined


def test_a_machine_that_can_answer(run, examine):
    code, found = examine()
    assert code == 0
    names = [
        "settings",
        "python",
        "packages",
        "codecs",
        "models",
        "model",
        "cache",
        "torch",
        "cuda",
        "memory",
    ]
    assert set(names) <= set(found)
    assert not [check for check in found.values() if check["state"] == "fix"]
    assert "h264" in found["codecs"]["said"]
    assert "dynfocus-tiny" in found["model"]["said"]

    result = run("doctor")
    assert result.exit_code == 0
    *lines, verdict = result.stdout.splitlines()
    assert verdict == "dynfocus can answer here."
    assert all(line.startswith(("ok    ", "note  ", " " * 20)) for line in lines)


@pytest.mark.parametrize(("module", "name", "code"), [("torch", "torch", 4), ("av", "codecs", 3)])
def test_a_package_that_is_missing(run, examine, monkeypatch, module, name, code):
    monkeypatch.setitem(sys.modules, module, None)
    ended, found = examine()
    assert ended == code
    assert (found[name]["state"], found[name]["code"]) == ("fix", code)
    assert f"pip install --force-reinstall {module}" in found[name]["todo"]
    assert "fix   " in run("doctor").stdout


def test_a_package_that_raises_anything(examine, monkeypatch):
    def broken():
        raise SystemError("initialization of _C raised unreported exception")

    monkeypatch.setattr(machine, "torch", broken)
    code, found = examine()
    assert (code, found["torch"]["state"]) == (1, "fix")
    assert "SystemError: initialization" in found["torch"]["said"]


def test_a_package_that_is_too_old(examine, monkeypatch):
    versions = {"torch": "1.0"}
    import importlib.metadata as metadata

    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: versions.get(name) or version(name))
    code, found = examine()
    assert (code, found["packages"]["state"]) == (1, "fix")
    assert "torch is 1.0, needed is >=" in found["packages"]["said"]


def test_bitsandbytes_is_needed_for_quantized_models_alone(examine, monkeypatch):
    find_spec = machine.find_spec
    monkeypatch.setattr(
        machine, "find_spec", lambda name: None if name == "bitsandbytes" else find_spec(name)
    )
    code, found = examine()
    assert (code, found["bitsandbytes"]["state"]) == (0, "note")
    monkeypatch.setenv("DYNFOCUS_QUANTIZE", "nf4")
    code, found = examine()
    assert (code, found["bitsandbytes"]["state"]) == (4, "fix")


def test_codecs_that_are_left_out_of_ffmpeg(examine, monkeypatch):
    monkeypatch.setattr(machine, "COMMON_CODECS", frozenset({"h264", "no-such-codec"}))
    code, found = examine()
    assert (code, found["codecs"]["state"]) == (0, "note")
    assert found["codecs"]["said"].endswith("not no-such-codec")


def test_a_gpu_that_the_settings_ask_for(examine, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("DYNFOCUS_DEVICE", "cuda")
    code, found = examine()
    assert (code, found["cuda"]["state"]) == (4, "fix")


def test_a_driver_that_torch_cannot_use(examine, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    code, found = examine()
    assert (code, found["cuda"]["state"]) == (0, "note")
    assert "driver is here" in found["cuda"]["said"]


@pytest.mark.parametrize(
    ("name", "ruin", "said"),
    [
        ("config.json", lambda file: file.write_text("{"), "is no JSON"),
        ("model.safetensors", lambda file: file.write_bytes(file.read_bytes()[:-100]), "is damaged"),
        ("model.safetensors", lambda file: file.unlink(), "holds no weights"),
    ],
)
def test_a_model_that_is_not_whole(examine, monkeypatch, tmp_path, name, ruin, said):
    folder = tmp_path / "mine"
    shutil.copytree(bundled_models()["dynfocus-tiny"], folder)
    monkeypatch.setenv("DYNFOCUS_MODEL", str(folder))
    assert examine()[0] == 0
    ruin(folder / name)
    code, found = examine()
    assert (code, found["model"]["state"]) == (4, "fix")
    assert said in found["model"]["said"]


def test_a_shard_that_is_missing(examine, monkeypatch, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(bundled_models()["dynfocus-tiny"], folder)
    index = {"weight_map": {"a": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    monkeypatch.setenv("DYNFOCUS_MODEL", str(folder))
    code, found = examine()
    assert code == 4
    assert "model-00002-of-00002" in found["model"]["said"]


def test_a_model_that_is_not_installed(examine, monkeypatch):
    monkeypatch.setenv("DYNFOCUS_MODEL", "dynfocus-7b")
    code, found = examine()
    assert code == 4
    assert "dynfocus models pull dynfocus-7b" in found["model"]["said"]
    assert found["memory"]["state"] == "ok"


def test_too_little_memory(examine, monkeypatch):
    monkeypatch.setattr("dynfocus_cli.device.free_memory", lambda device: 1000)
    code, found = examine()
    assert (code, found["memory"]["state"]) == (5, "fix")


def test_the_cache(examine, monkeypatch, tmp_path):
    monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "0")
    assert examine()[1]["cache"]["said"] == "off"
    monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "plenty")
    code, found = examine()
    assert (code, found["cache"]["state"]) == (2, "fix")
    monkeypatch.setenv("DYNFOCUS_CACHE_SIZE", "1GiB")
    (tmp_path / "file").touch()
    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path / "file" / "cache"))
    code, found = examine()
    assert (code, found["cache"]["state"]) == (0, "note")
    assert "is a file" in found["cache"]["said"]


def test_a_full_disk(examine, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))
    code, found = examine()
    assert (code, found["cache"]["state"]) == (0, "note")
    assert found["cache"]["said"].endswith("only 1.0 MB free")
    assert found["models"]["said"].endswith("only 1.0 MB free")


def test_settings_are_shown_with_their_origin(run, monkeypatch, tmp_path):
    file = tmp_path / "dynfocus.toml"
    file.write_text(
        f'fps = 2\nno-cache = true\nmodels-dir = "{tmp_path}/models"\n[ask]\nmax-new-tokens = 7\n'
    )
    monkeypatch.setenv("DYNFOCUS_CONFIG", str(file))
    monkeypatch.setenv("DYNFOCUS_FRAMES", "9")
    monkeypatch.setenv("DYNFOCUS_MODLE", "x")
    lines = run("doctor").stdout.splitlines()
    assert lines[0] == f"ok    settings      {file}"
    assert lines[1:7] == [
        f"ok    setting       fps = 2 ({file}: fps), overruled",
        f"ok    setting       no-cache = true ({file}: no-cache)",
        f"ok    setting       models-dir = {tmp_path}/models ({file}: models-dir)",
        f"ok    setting       max-new-tokens = 7 ({file}: [ask] max-new-tokens)",
        "ok    setting       frames = 9 (DYNFOCUS_FRAMES)",
        "note  variables     not known, so without effect: DYNFOCUS_MODLE (DYNFOCUS_MODEL?)",
    ]
    assert any(f"models        {tmp_path}/models: none installed" in line for line in lines)


def test_a_broken_settings_file_does_not_stop_it(run, monkeypatch, tmp_path):
    file = tmp_path / "dynfocus.toml"
    file.write_text("fps = \n")
    monkeypatch.setenv("DYNFOCUS_CONFIG", str(file))
    result = run("doctor")
    assert result.exit_code == 2
    assert result.stdout.startswith(f"fix   settings      {file} is no TOML: ")
    assert "ok    torch " in result.stdout
    assert result.stdout.splitlines()[-1] == "What is marked fix keeps dynfocus from answering."


def test_without_any_package_but_typer(tmp_path: Path):
    """A part that fails to import is a finding of its own; the rest is looked at all the same."""
    code = """
        import sys
        for name in "torch av transformers numpy safetensors psutil packaging bitsandbytes".split():
            sys.modules[name] = None
        sys.argv = ["dynfocus", "doctor"]
        from dynfocus_cli.cli.app import main
        main()
    """
    import textwrap

    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode in (1, 3, 4)
    assert "Traceback" not in done.stdout + done.stderr
    assert "fix   torch" in done.stdout
    assert "ok    python" in done.stdout


def test_memory_is_what_the_weights_take_as_they_would_run(examine, monkeypatch):
    """And not what their file has: quantized they take less."""
    from dynfocus_cli.models.open import read_model_spec

    plain, quantized = (
        read_model_spec("dynfocus-tiny", "cpu", kind).memory.weights for kind in (None, "nf4")
    )
    assert quantized < plain
    free = (plain + quantized) // 2
    monkeypatch.setattr("dynfocus_cli.device.free_memory", lambda device: free)
    monkeypatch.setenv("DYNFOCUS_MODEL", "dynfocus-tiny")
    code, found = examine()
    assert (code, found["memory"]["state"]) == (5, "fix")
    monkeypatch.setenv("DYNFOCUS_QUANTIZE", "nf4")
    code, found = examine()
    assert (code, found["memory"]["state"]) == (0, "ok")
    assert found["memory"]["said"].endswith(" in nf4")


def test_a_quantization_that_cannot_be_is_told_by_the_run_and_not_as_memory(examine, monkeypatch):
    monkeypatch.setenv("DYNFOCUS_MODEL", "dynfocus-7b")
    monkeypatch.setenv("DYNFOCUS_QUANTIZE", "nf4")
    code, found = examine()
    assert (code, found["memory"]["state"]) == (4, "ok")


@pytest.mark.slow
def test_a_model_that_is_stored_in_another_quantization(run, examine, monkeypatch, tmp_path):
    folder = tmp_path / "tiny-nf4"
    assert run("models", "quantize", "dynfocus-tiny", str(folder), "--to", "nf4", "-q").exit_code == 0
    monkeypatch.setenv("DYNFOCUS_MODEL", str(folder))
    assert examine()[0] == 0
    monkeypatch.setenv("DYNFOCUS_QUANTIZE", "int8")
    code, found = examine()
    assert (code, found["model"]["state"], found["memory"]["state"]) == (2, "fix", "ok")
    assert "tiny-nf4 is stored in nf4, and cannot run as int8: leave --quantize out" in found["model"]["said"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DYNFOCUS_BUDGET", "39", "A budget of 39 video tokens holds no key frame: give --budget 40 or more"),
        ("DYNFOCUS_MAX_NEW_TOKENS", "100000", "leave 0 of 2048 tokens for the video"),
    ],
)
def test_settings_that_leave_no_room_for_a_key_frame(examine, monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    code, found = examine()
    assert (code, found["model"]["state"], found["model"]["code"]) == (2, "fix", 2)
    assert said in found["model"]["said"]
    monkeypatch.setenv(variable, "40")
    assert examine()[0] == 0


def test_a_model_without_its_tokenizer(examine, monkeypatch, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(bundled_models()["dynfocus-tiny"], folder)
    (folder / "tokenizer.json").unlink()
    monkeypatch.setenv("DYNFOCUS_MODEL", str(folder))
    code, found = examine()
    assert (code, found["model"]["state"]) == (4, "fix")
    assert "tokenizer" in found["model"]["said"]
