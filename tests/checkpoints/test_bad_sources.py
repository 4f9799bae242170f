"""Damaged, foreign and treacherous sources: a sentence that names the file or the key; nothing is written."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conversions import TINY, converted
from safetensors.torch import load_file, save_file

from dynfocus_cli.errors import DynFocusError, ModelUnavailable, UsageError

Damage = Callable[[Path], object]
FIRST, SECOND = "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"
INDEX = "pytorch_model.bin.index.json"
QUERY, GATE = "model.vlm_att_query", "model.layers.0.mlp.gate_proj.weight"


def cut(name: str, share: float = 0.6) -> Damage:
    """A download that was cut short."""

    def damage(folder: Path) -> None:
        os.truncate(folder / name, int((folder / name).stat().st_size * share))

    return damage


def text(name: str, content: str) -> Damage:
    return lambda folder: (folder / name).write_text(content, encoding="utf-8")


def without(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def config(**changes: object) -> Damage:
    def damage(folder: Path) -> None:
        given = json.loads((folder / "config.json").read_text())
        kept = {name: value for name, value in (given | changes).items() if value is not ...}
        (folder / "config.json").write_text(json.dumps(kept))

    return damage


def index(change: Callable[[dict[str, str]], object]) -> Damage:
    def damage(folder: Path) -> None:
        given = json.loads((folder / INDEX).read_text())
        change(given["weight_map"])
        (folder / INDEX).write_text(json.dumps(given))

    return damage


def tensors(change: Callable[[dict[str, torch.Tensor]], object], key: str = "") -> Damage:
    """Changes the shard that holds `key`."""

    def damage(folder: Path) -> None:
        for name in (FIRST, SECOND):
            state = torch.load(folder / name, weights_only=True)
            if key in state or not key:
                change(state)
                torch.save(state, folder / name)
                return

    return damage


class Bomb:
    """A pickle that creates a file where it is loaded without care."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def zipped_bomb(folder: Path) -> None:
    torch.save({"weight": torch.zeros(2), "more": Bomb(folder / "exploded")}, folder / FIRST)


def plain_bomb(folder: Path) -> None:
    (folder / FIRST).write_bytes(pickle.dumps(Bomb(folder / "exploded")))


def nan(state: dict[str, torch.Tensor]) -> None:
    state[GATE][3, 4] = float("nan")


def infinite(state: dict[str, torch.Tensor]) -> None:
    state[GATE][0, 0] = float("inf")


def another_models(folder: Path) -> None:
    torch.save({"transformer.h.0.attn.weight": torch.zeros(3, 3)}, folder / FIRST)
    torch.save({"transformer.h.1.attn.weight": torch.zeros(3, 3)}, folder / SECOND)


def in_both(folder: Path) -> None:
    state = torch.load(folder / SECOND, weights_only=True)
    torch.save(state | torch.load(folder / FIRST, weights_only=True), folder / SECOND)


LLAMA_VID: list[tuple[Damage, str]] = [
    (cut(FIRST), FIRST),
    (cut(FIRST, 0.0), FIRST),
    (cut("eva_vit_g.pth"), "eva_vit_g.pth"),
    (lambda folder: (folder / SECOND).write_bytes(b"<html>sign in first</html>"), SECOND),
    (zipped_bomb, f"{FIRST} is refused"),
    (plain_bomb, f"{FIRST} is refused"),
    (lambda folder: torch.save([torch.zeros(2)], folder / FIRST), f"{FIRST} is no checkpoint"),
    (
        lambda folder: torch.save({"state": {"w": torch.zeros(2)}}, folder / FIRST),
        f"{FIRST} is no checkpoint",
    ),
    (lambda folder: torch.save({"w": torch.zeros(2, device="meta")}, folder / FIRST), "is no checkpoint"),
    (another_models, "has no Q-Former: 'model.vlm_att_encoder."),
    (in_both, "both hold"),
    (tensors(lambda state: state.pop(QUERY), QUERY), f"lacks {QUERY}"),
    (tensors(lambda state: state.pop(GATE), GATE), f"lacks {GATE}"),
    (tensors(lambda state: state.update(extra=torch.zeros(2))), "holds extra, which no DynFocus network has"),
    (tensors(lambda state: state.update({GATE: torch.zeros(3, 5)}), GATE), f"{GATE} makes"),
    (tensors(lambda state: state.update({GATE: torch.zeros(3)}), GATE), f"{GATE} makes"),
    (tensors(nan, GATE), f"{GATE} holds values that are no finite numbers"),
    (tensors(infinite, GATE), f"{GATE} holds values"),
    (tensors(lambda state: state.update({GATE: state[GATE].to(torch.int8)}), GATE), f"{GATE} is int8"),
    (without(SECOND), f"{SECOND}, which {INDEX} names, is not there"),
    (index(lambda files: files.update({QUERY: "pytorch_model-00003-of-00003.bin"})), "00003.bin"),
    (index(lambda files: files.update({QUERY: "../elsewhere.bin"})), "../elsewhere.bin"),
    (index(lambda files: files.update({QUERY: "/etc/passwd"})), "/etc/passwd, which is no file beside it"),
    (index(lambda files: files.clear()), INDEX),
    (text(INDEX, "{"), INDEX),
    (text(INDEX, '{"weight_map": {"a": 3}}'), INDEX),
    (text(INDEX, "[]"), INDEX),
    (lambda folder: [without(name)(folder) for name in (INDEX, FIRST, SECOND)], "holds no weights"),
    (without("eva_vit_g.pth"), "has no vision tower: put eva_vit_g.pth into it"),
    (lambda folder: torch.save({"w": torch.zeros(2)}, folder / "eva_vit_g.pth"), "is no EVA vision tower"),
    (without("tokenizer.model"), "neither tokenizer.json nor tokenizer.model"),
    (text("tokenizer.model", "no model"), "The tokenizer in"),
    (without("vocab.txt"), "`question_tokenizer`"),
    (text("vocab.txt", "[PAD]\n[UNK]\n"), "the Q-Former knows"),
    (config(mm_projector_type="linear"), "'linear'"),
    (config(compress_type="pool"), "'pool'"),
    (config(hidden_size=...), "hidden_size"),
    (config(hidden_size="wide"), "hidden_size"),
    (config(num_hidden_layers=3), "lacks model.layers.2."),
    (config(num_hidden_layers=1), "holds model.layers.1."),
    (config(intermediate_size=96), "makes language_model.model.layers.0.mlp"),
    (config(num_attention_heads=5), "not a multiple of the number of attention heads"),
    (config(intermediate_size=-5), "The config.json in"),
    (config(model_type="qwen2_5_vl", bert_type=...), "a 'qwen2_5_vl' model"),
    (config(model_type=..., bert_type=...), "does not say what it is"),
    (text("config.json", "{"), "is no JSON"),
    (text("config.json", "[" * 100_000), "is no JSON"),
    (text("config.json", "[1]"), "it holds no object"),
    (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"), "config.json"),
    (without("config.json"), "folder without config.json"),
    (lambda folder: shutil.rmtree(folder), "There is no"),
]


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """`refused(folder)` converts it, and returns what was said instead; nothing may be left."""

    def attempt(folder: Path, kind: type[DynFocusError] = ModelUnavailable, **options: Any) -> str:
        target = tmp_path / "out"
        target.mkdir()
        with pytest.raises(kind) as caught:
            converted(folder, target / "model", **options)
        assert list(target.iterdir()) == []
        message = str(caught.value)
        assert len(message.splitlines()) == 1, message
        return message

    return attempt


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("damage", "said"), LLAMA_VID)
def test_llama_vid(damage: Damage, said: str, originals: Any, tmp_path: Path, refused: Any) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(originals["llama_vid"][0], folder)
    damage(folder)
    message = refused(folder)
    assert said in message
    assert str(folder) in message
    assert not (folder / "exploded").exists()


def test_the_bombs_would_explode(tmp_path: Path) -> None:
    """Else the two tests above would prove nothing."""
    plain_bomb(tmp_path)
    pickle.loads((tmp_path / FIRST).read_bytes())
    (tmp_path / "exploded").unlink()
    zipped_bomb(tmp_path)
    torch.load(tmp_path / FIRST, weights_only=False)
    assert (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut("model.safetensors"), "model.safetensors cannot be read"),
        (cut("model.safetensors", 0.001), "model.safetensors cannot be read"),
        (text("model.safetensors", "weights"), "model.safetensors cannot be read"),
        (without("model.safetensors"), "holds no weights"),
        (config(vision_config=None), "does not describe vision_config"),
        (config(text_config={"model_type": "t5"}), "a 't5' language model"),
        (config(num_query_tokens=4), "query_tokens"),
        (lambda folder: shutil.rmtree(folder / "qformer_tokenizer"), "`question_tokenizer`"),
    ],
)
def test_instructblip(damage: Damage, said: str, originals: Any, tmp_path: Path, refused: Any) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(originals["instructblip"][0], folder)
    damage(folder)
    message = refused(folder)
    assert said in message
    assert str(folder) in message


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut("model.safetensors"), "model.safetensors cannot be read"),
        (config(prototypes=0), "prototypes"),
        (config(text_config=None), "config"),
        (text("tokenizer.json", "{}"), "The tokenizer in"),
        (without("preprocessor_config.json"), "preprocessor_config.json"),
    ],
)
def test_ours(damage: Damage, said: str, tmp_path: Path, refused: Any) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(TINY, folder)
    damage(folder)
    message = refused(folder)
    assert said in message
    assert str(folder) in message


def test_numbers_that_are_none_in_safetensors(tmp_path: Path, refused: Any) -> None:
    folder, name = tmp_path / "damaged", "connector.rods.query.weight"
    shutil.copytree(TINY, folder)
    state = load_file(folder / "model.safetensors")
    state[name][0, 0] = float("nan")
    save_file(state, folder / "model.safetensors")
    assert f"model.safetensors: {name} holds values that are no finite numbers" in refused(folder)


def test_a_file_is_no_folder(originals: Any, refused: Any) -> None:
    message = refused(originals["llama_vid"][0] / FIRST)
    assert f"{FIRST} is a file" in message


def test_a_folder_that_may_not_be_opened(
    originals: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = originals["llama_vid"][0]
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, how: path not in (folder, str(folder)) and allowed(path, how)
    )
    assert refused(folder) == f"{folder} cannot be opened: Permission denied."


def test_options_that_do_not_fit(originals: Any, tmp_path: Path, refused: Any) -> None:
    llama_vid, instructblip, inside = (originals[name][0] for name in ("llama_vid", "instructblip", "inside"))
    assert "`vision`: there is no" in refused(llama_vid, vision=tmp_path / "nowhere")
    (tmp_path / "out").rmdir()
    assert "its own vision tower" in refused(instructblip, UsageError, vision=llama_vid)
    (tmp_path / "out").rmdir()
    assert "its own vision tower" in refused(inside, UsageError, vision=instructblip)
    (tmp_path / "out").rmdir()
    assert "no InstructBLIP model: its type is 'llava'" in refused(
        originals["towerless"][0], vision=originals["towerless"][0]
    )
    (tmp_path / "out").rmdir()
    assert "has its own" in refused(TINY, UsageError, question_tokenizer=llama_vid)


def test_a_destination_that_exists(originals: Any, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        converted(originals["llama_vid"][0], tmp_path / "here")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="exists already"):
        converted(originals["llama_vid"][0], tmp_path / "link")
