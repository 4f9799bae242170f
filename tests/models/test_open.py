"""Model folders: what is saved is what is loaded, and what is wrong with one is said by name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from builders import IMAGE_SIZE, save_small, small_model
from dynfocus_cli import files
from dynfocus_cli.checkpoints import bundled_models, find_model
from dynfocus_cli.checkpoints.convert import convert
from dynfocus_cli.checkpoints.identity import config_digest, revision
from dynfocus_cli.checkpoints.sources.recognise import open_source
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.models.dynfocus import loading
from dynfocus_cli.models.open import load_model
from dynfocus_cli.progress import Silent

Damage = Callable[[Path], object]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder to read and never to write to."""
    folder = tmp_path_factory.mktemp("saved") / "small"
    save_small(folder)
    return folder


def test_round_trip_is_bit_equal(saved: Path) -> None:
    original, loaded = small_model(), load_model(str(saved), "cpu")
    expected, found = original.state_dict(), loaded.network.state_dict()
    assert expected.keys() == found.keys()
    for name in expected:
        assert torch.equal(expected[name], found[name]), name
    assert not loaded.network.training
    assert loaded.familiarity is None
    assert loaded.spec.preprocessing.size == IMAGE_SIZE
    assert (loaded.info.name, loaded.info.device, loaded.info.quantization) == ("small", "cpu", "none")


def test_tied_embeddings_stay_tied(saved: Path) -> None:
    language_model = load_model(str(saved), "cpu").network.language_model
    words, head = language_model.model.embed_tokens.weight, language_model.lm_head.weight
    assert words.data_ptr() == head.data_ptr()
    # Stored once: a second copy in the file could differ from the first.
    stored = load_file(saved / "model.safetensors")
    assert ("language_model.lm_head.weight" in stored) + (
        "language_model.model.embed_tokens.weight" in stored
    ) == 1


def test_settings_survive(saved: Path) -> None:
    config, original = load_model(str(saved), "cpu").config, small_model().config
    for name in ("prototypes", "key_ratio", "event_feature", "scorer", "pin_focus", "prompt_template"):
        assert getattr(config, name) == getattr(original, name), name
    assert list(config.minute_token_ids) == list(original.minute_token_ids)
    assert config.qformer_config.encoder_hidden_size == config.vision_config.hidden_size


def test_weights_saved_in_bfloat16_compute_in_float32(tmp_path: Path) -> None:
    save_small(tmp_path / "half")
    small_model().to(torch.bfloat16).save_pretrained(tmp_path / "half")
    model = load_model(str(tmp_path / "half"), "cpu")
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    assert model.spec.dtype == torch.float32


def config_with(**changes: object) -> Damage:
    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return damage


def part_with(part: str, **changes: object) -> Damage:
    """Changes inside one of the config's parts."""

    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config_with(**{part: config[part] | changes})(folder)

    return damage


def tokenizer_with(**changes: object) -> Damage:
    def damage(folder: Path) -> None:
        words = json.loads((folder / "tokenizer.json").read_text())
        (folder / "tokenizer.json").write_text(json.dumps(words | changes))

    return damage


def weights_with(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return damage


def file_with(name: str, content: str | bytes) -> Damage:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def without(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def as_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


QUERY = "connector.rods.query.weight"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (weights_with(lambda tensors: tensors.pop(QUERY)), f"{QUERY} missing"),
        (
            weights_with(lambda tensors: tensors.update(extra=torch.zeros(2))),
            "extra not known. If an earlier dynfocus wrote this folder, make it anew.",
        ),
        (weights_with(lambda tensors: tensors.update({QUERY: torch.zeros(2, 3)})), f"{QUERY} (2, 3)"),
        (weights_with(lambda tensors: tensors.clear()), "more missing"),
        (file_with("model.safetensors", b"no weights at all" * 9), "model.safetensors cannot be read"),
        (cut_short, "model.safetensors cannot be read: it is damaged, or its download was cut short"),
        (without("model.safetensors"), "holds no weights: model.safetensors is needed"),
        (as_pickle, "holds no weights: model.safetensors is needed"),
        (config_with(model_type="llama"), "holds a 'llama' model, not a DynFocus one"),
        # Without its parts described, the defaults would build billions of parameters.
        (file_with("config.json", "{}"), "model_type in config.json"),
        (config_with(vision_config=None, text_config={}), "does not describe vision_config"),
        (file_with("config.json", "{"), "The config.json in"),
        (file_with("config.json", b"\xff\xfe"), "The config.json in"),
        (file_with("config.json", "[1]"), "model_type in config.json"),
        (config_with(prompt_template="no place for a video"), "prompt_template"),
        (config_with(pooled_side=2), "connector.slots"),
        (config_with(score_hidden_size=17), "multiple of 4"),
        (
            config_with(temporal_clustering="kmeans", score_network=False, scorer="attention"),
            "kmeans knows no density",
        ),
        # Errors of nobody's own kind: of strict dataclasses, a bare RuntimeError, a bare Exception.
        (part_with("vision_config", hidden_size="wide"), "The config.json in"),
        (part_with("text_config", vocab_size=-5), "cannot be used"),
        (part_with("text_config", intermediate_size=-5), "The config.json in"),
        (tokenizer_with(model={"type": "BPE", "vocab": 7}), "The tokenizer in"),
        (config_with(patch_position_scale=-1.0), "patch_position_scale must be a number from 0 on"),
        (config_with(change_window=-1), "change_window must be a whole number from 0 on"),
        (config_with(change_window=2, change_shots=1), "change_shots must be 0, or at least 2"),
        (config_with(change_window=0, change_shots=4), "change_shots must be 0, or at least 2"),
        (config_with(change_window=2, change_quantiles=[1.5]), "change_quantiles must be numbers from 0.0"),
        (config_with(change_window=2, change_quantiles=["most"]), "change_quantiles"),
        (
            config_with(change_window=0, change_shots=0, change_quantiles=[0.5]),
            "change_quantiles need a change_window",
        ),
        (config_with(patch_position_scale=float("nan")), "patch_position_scale"),
        (config_with(patch_position_scale="large"), "patch_position_scale"),
        (config_with(spatial_prototypes=[16, 0]), "spatial_prototypes must be whole numbers above 0"),
        (config_with(spatial_neighbours=[8, -3]), "spatial_neighbours must be whole numbers above 0"),
        (config_with(spatial_neighbours=[8, 2.5]), "spatial_neighbours"),
        (config_with(spatial_neighbours=[8]), "a number for each level"),
        (without("tokenizer.json"), "no tokenizer.json"),
        (file_with("tokenizer.json", "{}"), "The tokenizer in"),
        (without("preprocessor_config.json"), "preprocessor_config.json"),
        (file_with("preprocessor_config.json", "{"), "preprocessor_config.json"),
        (file_with("preprocessor_config.json", '{"size": 32}'), "does not say 'mean'"),
        (
            file_with("preprocessor_config.json", '{"size": 64, "mean": [0, 0, 0], "std": [1, 1, 1]}'),
            "64 pixels",
        ),
        (
            file_with("preprocessor_config.json", '{"fit": "zoom", "mean": [0, 0, 0], "std": [1, 1, 1]}'),
            "fit must be one of",
        ),
        (file_with("familiarity.safetensors", b"nothing" * 20), "familiarity.safetensors"),
        (
            lambda folder: save_file({"mean": torch.zeros(16)}, folder / "familiarity.safetensors"),
            "familiarity.safetensors",
        ),
        (Familiarity(torch.zeros(8), torch.eye(8), 1.0).save, "vision encoder's width is 16"),
        (Familiarity(torch.zeros(16), torch.eye(8), 1.0).save, "vision encoder's width is 16"),
    ],
)
def test_what_is_wrong_is_named(saved: Path, tmp_path: Path, damage: Damage, said: str) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(saved, folder)
    damage(folder)
    with pytest.raises(ModelUnavailable) as caught:
        load_model(str(folder), "cpu")
    message = str(caught.value)
    assert said in message
    assert str(folder) in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_memory_that_ran_out_is_no_fault_of_the_folder(saved: Path, monkeypatch, error: Exception) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(loading, "read_network", no_room)
    with pytest.raises(type(error)) as caught:
        load_model(str(saved), "cpu")
    assert caught.value is error


def test_a_folders_own_code_is_neither_run_nor_asked_about(saved: Path, tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "coded"
    shutil.copytree(saved, folder)
    config_with(auto_map={"AutoConfig": "code.Config", "AutoTokenizer": ["code.Words", None]})(folder)
    (folder / "code.py").write_text("raise SystemExit('ran')")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on the terminal"))
    assert load_model(str(folder), "cpu").info.name == "coded"


def test_a_familiarity_file_is_read(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "known"
    shutil.copytree(saved, folder)
    Familiarity(torch.zeros(16), torch.eye(16), 2.5).save(folder)
    known = load_model(str(folder), "cpu").familiarity
    assert known is not None
    assert known.threshold == 2.5


def test_the_revision_is_of_the_weights(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(saved, folder)
    assert revision(folder) == revision(saved) == load_model(str(saved), "cpu").info.revision
    weights_with(lambda tensors: tensors[QUERY].add_(1e-3))(folder)
    assert revision(folder) != revision(saved)


@pytest.mark.parametrize(
    "name", ["nope", "", "nowhere/at/all", "x" * 300, "a\0b", "https://example.org/m"], ids=repr
)
def test_an_unknown_model_is_named(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="neither a known name") as caught:
        find_model(name)
    assert repr(name) in str(caught.value)


def test_a_folder_without_a_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"folder without config\.json"):
        find_model(str(tmp_path))


def test_a_kind_of_weights_that_is_none_is_named(saved: Path) -> None:
    with pytest.raises(UsageError, match="`quantize` must be one of none, int8, nf4, got 'int4'"):
        load_model(str(saved), "cpu", "int4")  # type: ignore[arg-type]


def test_a_folder_is_found_from_anywhere(saved: Path, monkeypatch) -> None:
    monkeypatch.chdir(saved.parent)
    # Whole: parts of it are read later, wherever the process has gone by then.
    assert find_model("small") == ("small", saved)
    monkeypatch.chdir(saved)
    assert find_model(".")[0] == "small"
    assert "small" not in bundled_models()


def test_devices(saved: Path) -> None:
    with pytest.raises(UsageError, match="`device`"):
        load_model(str(saved), "tpu")
    if not torch.cuda.is_available():
        assert load_model(str(saved), "auto").device.type == "cpu"
        with pytest.raises(ModelUnavailable, match="No CUDA GPU"):
            load_model(str(saved), "cuda")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_a_folder_stored_quantized_runs_as_one_that_is_quantized_on_loading(
    saved: Path, tmp_path: Path, kind: str
) -> None:
    """To the letter: the same codes, and all else in the precision that the network computes in."""
    stored = convert(open_source(saved), tmp_path / kind, kind, Silent())
    found, expected = load_model(str(stored), "cpu"), load_model(str(saved), "cpu", kind)
    assert found.info.quantization == expected.info.quantization == kind
    for (name, mine), (other, its) in zip(
        found.network.named_parameters(), expected.network.named_parameters(), strict=True
    ):
        assert (name, mine.dtype) == (other, its.dtype)
        assert torch.equal(mine, its), name
    assert {p.dtype for p in found.network.vision.parameters()} == {torch.float32}
    with pytest.raises(UsageError, match=f"is stored in {kind}, and cannot run as none"):
        load_model(str(stored), "cpu", "none")


@pytest.mark.slow
def test_nothing_is_fetched_to_quantize(tmp_path: Path) -> None:
    """bitsandbytes asks a package named `kernels`, where there is one, for compiled code from a hub."""
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").write_text("def get_kernel(*_, **__):\n    raise SystemExit('fetched')\n")
    code = (
        "from dynfocus_cli.quantization import quieten; quieten(); import kernels\n"
        "print(kernels.get_kernel.__name__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (0, "get_kernel\n"), run.stderr


def test_the_config_digest_is_of_what_else_decides_an_answer(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(saved, folder)
    info = load_model(str(folder), "cpu").info
    assert info.config == load_model(str(saved), "cpu").info.config
    for name in ("README.md", "training_log.jsonl", "conversion.json"):
        (folder / name).write_text("{}")
    assert config_digest(folder) == info.config
    weights_with(lambda tensors: tensors[QUERY].add_(1e-3))(folder)
    assert config_digest(folder) == info.config
    digests = {info.config}
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        (folder / name).write_text((folder / name).read_text() + "\n")
        digests.add(config_digest(folder))
    (folder / "familiarity.safetensors").write_bytes(b"measured")
    assert len(digests | {config_digest(folder)}) == 5


def test_features_are_of_the_config_too(saved: Path, tmp_path: Path) -> None:
    """Which layer they are taken from stands there."""
    folder = tmp_path / "other"
    shutil.copytree(saved, folder)
    before = load_model(str(folder), "cpu").vision_tower.revision
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert load_model(str(folder), "cpu").vision_tower.revision != before


def test_the_weights_of_a_plain_folder_are_read_once_for_the_revision(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, reads = tmp_path / "plain", list[str]()
    shutil.copytree(saved, folder)
    (folder / "conversion.json").unlink(missing_ok=True)
    weights = folder / "model.safetensors"
    os.utime(weights, (1e9, 1e9))
    whole = hashlib.file_digest

    def file_digest(file, kind):
        reads.append(file.name)
        return whole(file, kind)

    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(hashlib, "file_digest", file_digest)
    first = revision(folder)
    assert (revision(folder), reads.count(str(weights))) == (first, 1)
    monkeypatch.setattr(files, "_digests", {})  # as in the next process
    assert (revision(folder), reads.count(str(weights))) == (first, 1)
    assert first == hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
    weights_with(lambda tensors: tensors[QUERY].add_(1e-3))(folder)
    assert revision(folder) != first
