"""Folders of public models, as far as finding, fetching and describing them goes: shapes, and no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from hub import stated

VISION = {"model.visual.blocks.0.attn.qkv.weight": (8, 4), "model.vision_tower.layers.0.fc.weight": (4, 4)}
LANGUAGE = {"model.language_model.layers.0.mlp.up_proj.weight": (300, 300)}
OTHERS = {
    "model.language_model.embed_tokens.weight": (10, 6),
    "model.language_model.layers.0.norm.weight": (6,),
}

PARAMETERS, LAYERS = 8 * 4 + 4 * 4 + 300 * 300 + 10 * 6 + 6, 300 * 300


def write_public(
    folder: Path, family: str = "qwen3_vl", shards: int = 1, seed: int = 0, **config: Any
) -> Path:
    """A folder with all that a model of `family` needs."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    shapes = VISION | LANGUAGE | OTHERS
    tensors = {name: random.normal(size=shape).astype(np.float16) for name, shape in shapes.items()}
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
    else:
        weight_map = {}
        for number in range(shards):
            name = f"model-{number + 1:05}-of-{shards:05}.safetensors"
            part = dict(list(tensors.items())[number::shards])
            save_file(part, folder / name)
            weight_map |= dict.fromkeys(part, name)
        write(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})
    write(folder / "config.json", {"model_type": family, "vision_config": {}, "text_config": {}} | config)
    for name in ("generation_config", "preprocessor_config", "tokenizer", "tokenizer_config", "vocab"):
        write(folder / f"{name}.json", {"of": name})
    (folder / "merges.txt").write_text("#version\n")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def write(path: Path, content: object) -> None:
    """Writes JSON."""
    path.write_text(json.dumps(content))


def into_cache(cache: Path, repository: str, folder: Path, commit: str, branch: str | None = "main") -> Path:
    """Puts a folder into a hub's cache, as the hub's client would; returns the snapshot."""
    place = cache / f"models--{repository.replace('/', '--')}"
    snapshot = place / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (place / "blobs").mkdir(exist_ok=True)
    for file in folder.iterdir():
        content = file.read_bytes()
        blob = place / "blobs" / stated(content)
        blob.write_bytes(content)
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    if branch is not None:
        (place / "refs").mkdir(exist_ok=True)
        (place / "refs" / branch).write_text(commit)
    return snapshot
