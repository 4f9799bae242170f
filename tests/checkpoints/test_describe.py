"""What models are called, where they are, and what is said of them."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conversions import TINY, converted

from dynfocus_cli.checkpoints import find_model
from dynfocus_cli.checkpoints.describe import describe, verify
from dynfocus_cli.checkpoints.entries import ENTRIES
from dynfocus_cli.checkpoints.record import Conversion
from dynfocus_cli.checkpoints.registry import find_entry, list_models, models_folder
from dynfocus_cli.checkpoints.size import Megabytes, readable
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.models.open import load_model
from dynfocus_cli.progress import Silent


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of installed models, empty."""
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_where_models_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert models_folder() == tmp_path / "dynfocus" / "models"
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", "~/mine")
    assert models_folder() == Path(os.environ["HOME"]) / "mine"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", "here")
    assert models_folder() == tmp_path / "here"


def test_names_are_looked_up_in_order(models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What came with dynfocus, what is installed, a folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("dynfocus-tiny", "mine"):
        shutil.copytree(TINY, models / name)
    for name in ("dynfocus-tiny", "mine", "dynfocus-7b", "local"):
        shutil.copytree(TINY, tmp_path / name)
    assert find_model("dynfocus-tiny")[1] == TINY
    assert find_model("mine")[1] == models / "mine"
    assert find_model("dynfocus-7b")[1] == Path("dynfocus-7b").absolute()
    assert find_model("local")[1] == Path("local").absolute()
    assert find_model(str(tmp_path / "mine"))[1] == tmp_path / "mine"


def test_a_known_name_that_is_not_here(models: Path) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        find_model("dynfocus-7b")
    assert "`dynfocus models pull dynfocus-7b`" in str(caught.value)
    assert "15.9 GB" in str(caught.value)


def test_a_folder_that_may_not_be_opened(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, how: False)
    with pytest.raises(ModelUnavailable, match="cannot be opened: Permission denied"):
        find_model(str(tmp_path))


def test_an_unknown_name(models: Path) -> None:
    for search in (find_model, find_entry):
        with pytest.raises(ModelUnavailable, match="dynfocus-tiny, dynfocus-7b"):
            search("dynfocus-70b")


def test_the_list(models: Path, originals: Any) -> None:
    converted(originals["llama_vid"][0], models / "mine", "nf4")
    shutil.copytree(TINY, models / "unfinished.partial")
    (models / "empty").mkdir()
    tiny, large, *known, mine = list_models()
    assert {model.state for model in known} == {"available"}
    assert (tiny.name, tiny.state, tiny.folder, tiny.download_bytes) == (
        "dynfocus-tiny",
        "bundled",
        str(TINY),
        0,
    )
    assert tiny.bytes == sum(file.stat().st_size for file in TINY.iterdir())
    assert (large.name, large.state, large.folder) == ("dynfocus-7b", "available", None)
    assert large.download_bytes > large.bytes > 6e9
    assert (mine.name, mine.state, mine.what) == ("mine", "installed", "converted from LLaMA-VID")
    shutil.copytree(TINY, models / "dynfocus-7b")
    assert list_models()[1].state == "installed"
    assert list_models()[1].download_bytes == 0


def test_a_models_folder_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DYNFOCUS_MODELS_DIR", str(tmp_path / "file"))
    assert {model.state for model in list_models()} == {"bundled", "available"}


def test_what_is_said_of_ours() -> None:
    found = describe("dynfocus-tiny", TINY)
    config = json.loads((TINY / "config.json").read_text())
    assert (found.prototypes, found.key_ratio) == (config["prototypes"], config["key_ratio"])
    assert (found.scorer, found.quantization) == ("question", "none")
    assert (found.tokens_per_key_frame, found.tokens_per_other_frame) == (40, 2)
    assert found.context == config["text_config"]["max_position_embeddings"]
    assert found.licence == ENTRIES["dynfocus-tiny"].licence
    assert found.sources == found.dropped == found.untrained == ()


@pytest.mark.parametrize(
    ("layout", "settings"),
    [
        ("llama_vid", (25, 0.8, "attention", 40, 2, ())),
        ("grid", (25, 0.8, "attention", 43, 5, ())),
        ("release", (80, 0.45, "visual", 38, 2, ())),
        ("instructblip", (25, 0.8, "visual", 40, 2, ("connector",))),
    ],
)
def test_what_is_said_of_others(
    layout: str, settings: tuple[object, ...], originals: Any, tmp_path: Path
) -> None:
    source, weights = originals[layout]
    folder = converted(source, tmp_path / "model", "int8")
    found = describe("model", folder)
    tokens = found.tokens_per_key_frame, found.tokens_per_other_frame
    assert (found.prototypes, found.key_ratio, found.scorer, *tokens, found.untrained) == settings
    assert (found.quantization, found.context, found.licence) == ("int8", 1024, None)
    # Each key of the source is used or named as left out, here and in the model's card.
    dead = {key for key in weights if key.startswith(("sf_former.", "selective_net.merge.", "merge.proj"))}
    assert dead <= set(found.dropped) <= weights.keys()
    assert (layout == "release") == bool(dead)
    card = (folder / "README.md").read_text()
    assert all(f"`{key}`" in card for key in found.dropped)
    for file in found.sources:
        assert file.sha256 in card
    names = {file.name for file in found.sources}
    shards = {path.name for path in source.iterdir() if path.suffix in (".bin", ".pth", ".safetensors")}
    assert names == shards | {"config.json", "tokenizer.model", "vocab.txt"} | (
        {"tokenizer.json"} if layout == "instructblip" else set()
    )


def test_verifying(originals: Any, tmp_path: Path) -> None:
    folder = converted(originals["llama_vid"][0], tmp_path / "model")
    assert verify(folder, Silent()) == 1


def flip(shard: Path) -> None:
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)


def double(shard: Path) -> None:
    shutil.copy(shard, shard.with_name("model-2.safetensors"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip, "damaged: model.safetensors is not as"),
        (lambda shard: os.truncate(shard, 100), "damaged: model.safetensors"),
        (Path.unlink, "damaged: model.safetensors"),
        (double, "damaged: model-2.safetensors"),
        (lambda shard: shard.with_name("conversion.json").unlink(), "no whole conversion.json"),
        (lambda shard: shard.with_name("conversion.json").write_text("{"), "no whole conversion.json"),
        (lambda shard: shard.with_name("conversion.json").write_text('{"sources": 3}'), "no whole"),
        (lambda shard: shard.with_name("conversion.json").write_text("[]"), "no whole conversion.json"),
    ],
)
def test_what_is_wrong_is_found(
    damage: Callable[[Path], object], said: str, originals: Any, tmp_path: Path
) -> None:
    folder = converted(originals["llama_vid"][0], tmp_path / "model")
    damage(folder / "model.safetensors")
    with pytest.raises(ModelUnavailable, match=said):
        verify(folder, Silent())


@pytest.mark.parametrize(
    "text",
    [
        '{"layout": "x"}',
        '{"sources": [3]}',
        '{"sources": [], "sizes": {"a": 1}, "shards": {}}',
        '{"sources": [], "shards": [1]}',
        '{"sources": ' + "[" * 100_000,
    ],
)
def test_a_record_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "conversion.json").write_text(text)
    assert Conversion.load(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"layout": 7},
        {"licence": None},
        {"dropped": [3]},
        {"sizes": {"model.safetensors": "7"}},
        {"sizes": {"model.safetensors": True}},
        {"sizes": {"model.safetensors": 10**400}},
        {"shards": {"model.safetensors": 7}},
        {"sources": [{"name": "config.json", "bytes": "7", "sha256": "0"}]},
        {"sources": [{"name": 7, "bytes": 7, "sha256": "0"}]},
    ],
)
def test_a_record_with_a_value_of_another_type_is_none(
    damage: dict[str, object], originals: Any, models: Path
) -> None:
    """And costs no other model its line in the list."""
    folder = converted(originals["llama_vid"][0], models / "mine")
    record = json.loads((folder / "conversion.json").read_text())
    (folder / "conversion.json").write_text(json.dumps(record | damage))
    assert Conversion.load(folder) is None
    assert (list_models()[-1].name, list_models()[-1].what) == ("mine", "a model folder")
    assert describe("mine", folder).sources == ()
    with pytest.raises(ModelUnavailable, match=r"no whole conversion\.json"):
        verify(folder, Silent())


def test_weights_that_may_not_be_read(
    originals: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = converted(originals["llama_vid"][0], tmp_path / "model")
    opened = open

    def refuse(path: Any, *args: Any, **options: Any) -> Any:
        if str(path).endswith(".safetensors"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    said = r"model\.safetensors cannot be read: Permission denied"
    with pytest.raises(ModelUnavailable, match=said):
        verify(folder, Silent())
    with pytest.raises(ModelUnavailable, match=said):
        load_model(str(folder), "cpu")
    (folder / "conversion.json").unlink()  # without it the revision is read off the weights
    with pytest.raises(ModelUnavailable, match=said):
        describe("model", folder)


def test_others_are_not_described(originals: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="holds a 'llava' model, not a DynFocus one"):
        describe("x", originals["llama_vid"][0])
    shutil.copytree(TINY, tmp_path / "broken")
    config = json.loads((TINY / "config.json").read_text())
    (tmp_path / "broken" / "config.json").write_text(json.dumps(config | {"prototypes": -1}))
    with pytest.raises(ModelUnavailable, match="prototypes must be a whole number"):
        describe("x", tmp_path / "broken")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (15_890_000_000, "15.9 GB"),
        (10**15, "1000.0 TB"),
    ],
)
def test_sizes(number: int, said: str) -> None:
    assert readable(number) == said


def test_progress_in_megabytes() -> None:
    told: list[object] = []

    class Listener(Silent):
        def stage(self, name: str, total: int | None) -> None:
            told.append((name, total))

        def advance(self, n: int) -> None:
            told.append(n)

    step = Megabytes(Listener(), "digest", 3_500_000)
    for _ in range(7):
        step(500_000)
    assert told == [("digest", 3), 1, 1, 1]
