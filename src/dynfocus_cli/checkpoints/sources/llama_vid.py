"""LLaMA-VID folders, and folders in the layout of the DynFocus release: the same names, and some more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from dynfocus_cli.checkpoints.sources import instructblip
from dynfocus_cli.checkpoints.sources.config_file import read_config, sound
from dynfocus_cli.checkpoints.sources.eva import eva_config, eva_key_map
from dynfocus_cli.checkpoints.sources.language_model import language_model_key_map, llama_config
from dynfocus_cli.checkpoints.sources.qformer import qformer_config, qformer_key_map
from dynfocus_cli.checkpoints.sources.question_tokenizer import find_question_tokenizer
from dynfocus_cli.checkpoints.sources.recipe import KeyMap, Recipe, linear
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.checkpoints.sources.tensor_files import Part, TensorFiles, checkpoint_files
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.prompt import VICUNA_V1

EVA_FILE = "eva_vit_g.pth"

_TOWER = "model.vision_tower.vision_tower."
_QFORMER = "model.vlm_att_encoder.bert."
_SCORE = "selective_net.score_network."
_SCORE_LAYERS = {
    "norm": "in_conv.0",
    "input": "in_conv.1",
    "head.0": "out_conv.0",
    "head.2": "out_conv.2",
    "head.4": "out_conv.4",
}
_DEAD = re.compile(
    r"merge\.(proj_k|proj_q|norm)\.|selective_net\.merge\.|sf_former\.|model\.vlm_att_em_projector\."
    # A bias on the keys adds the same to all points of a query, which softmax ignores.
    r"|model\.vlm_att_key_projector\.bias$|.*\.rotary_emb\.inv_freq$"
)
"""Of the release's parameters, those without any effect on its output."""

LLAMA_VID_SETTINGS: dict[str, Any] = {
    "rod_source": "patches",
    "score_network": False,
    "scorer": "attention",
}
"""LLaMA-VID's rods on plain patches, behind the paper's T-DPC, S-DPC and cones."""

RELEASE_SETTINGS: dict[str, Any] = {
    "temporal_clustering": "kmeans",
    "spatial_rule": "release",
    "prototype_gate": True,
    "key_frame_rods": False,
    "rod_order": "content_context",
    "scorer": "visual",
    "prototypes": 80,
    "key_ratio": 0.45,
}
"""What the DynFocus release does, which is not in all things what the paper says."""


def is_llama_vid(config: Mapping[str, Any]) -> bool:
    """Whether a `config.json` is LLaMA-VID's or the DynFocus release's."""
    return "mm_vision_tower" in config and "bert_type" in config


def llama_vid_source(folder: Path, vision: Path | None, question_tokenizer: Path | None) -> Source:
    """A LLaMA-VID or DynFocus folder: shards, `config.json`, `tokenizer.model`, and the vision tower in the
    shards, in an `eva_vit_g.pth`, or in an InstructBLIP folder.

    Args:
        vision: where the vision tower is; None looks in and beside `folder`.

    Raises:
        ModelUnavailable: something is missing, damaged or of another model.
    """
    given = read_config(folder)
    kind = given.get("mm_projector_type")
    if kind != "mlp2x_gelu":
        raise ModelUnavailable(
            f"{folder} has a projector of type {kind!r}, and a DynFocus network has mlp2x_gelu: see "
            "mm_projector_type in its config.json."
        )
    shards = checkpoint_files(folder, ("pytorch_model.bin", "model.safetensors"))
    files = TensorFiles(map(Part, shards))
    blip = None
    if any(key.startswith(_TOWER) for key in files.shapes):
        if vision is not None:
            raise UsageError(f"`vision`: {folder} has its own vision tower, trained with the rest.")
    else:
        tower = vision or _find_tower(folder, given)
        if tower.is_dir() and (tower / EVA_FILE).is_file():
            tower = tower / EVA_FILE
        blip = tower if tower.is_dir() else None
        parts = [Part(tower, _TOWER)] if blip is None else instructblip.vision_parts(blip)
        files = TensorFiles([*map(Part, shards), *parts])
    shapes = files.shapes
    source = str(folder)
    if blip is None:
        vision_config = eva_config(shapes, _TOWER, source)
        seen = eva_key_map(shapes, _TOWER, vision_config.num_hidden_layers)
    else:
        vision_config = instructblip.vision_config(blip)
        seen = instructblip.vision_key_map(shapes)
    released = any(key.startswith(_SCORE) for key in shapes)
    with sound(folder):
        text_config = llama_config(given, shapes, source)
        read = qformer_config(shapes, _QFORMER, source)
        config = DynFocusConfig(
            vision_config=vision_config,
            qformer_config=read,
            text_config=text_config,
            num_query_tokens=_queries(shapes, source),
            class_token=True,
            rod_projectors="split",
            pin_focus=True,
            prompt_template=VICUNA_V1,
            content_side=_content_side(given, folder),
            **(RELEASE_SETTINGS if released else LLAMA_VID_SETTINGS),
        )
    return Source(
        layout="the DynFocus release" if released else "LLaMA-VID",
        folder=folder,
        config=config,
        files=files,
        key_map=_key_map(config, seen, shapes, released),
        tokenizer=folder,
        question_tokenizer=find_question_tokenizer(
            (question_tokenizer, folder, folder.parent, blip), read.vocab_size
        ),
        preprocessing=Preprocessing(size=config.image_size, fit="center_crop"),
    )


def _key_map(config: DynFocusConfig, seen: KeyMap, shapes: Mapping[str, object], released: bool) -> KeyMap:
    words = language_model_key_map("model.", "lm_head.weight", config.text_config)
    read = qformer_key_map(_QFORMER, config.qformer_config.num_hidden_layers)
    recipes = {**seen.recipes, **words, **read.recipes, **connector_recipes()}
    if released:
        recipes |= score_recipes(config.vision_config.hidden_size)
        recipes |= linear("connector.gate.score", "merge.score")
    dead = {key for key in shapes if _DEAD.match(key)}
    return KeyMap(recipes, seen.dropped | (read.dropped & shapes.keys()) | dead, seen.fresh)


def connector_recipes(ours: str = "connector.") -> dict[str, Recipe]:
    """Key map of what LLaMA-VID and the release share."""
    return {
        f"{ours}question_encoder.queries": Recipe(("model.vlm_att_query",)),
        **linear(f"{ours}question_encoder.visual_norm", "model.vlm_att_ln"),
        **linear(f"{ours}rods.query", "model.vlm_att_projector"),
        **linear(f"{ours}rods.key", "model.vlm_att_key_projector", bias=False),
        **linear(f"{ours}context", "model.vlm_att_val_projector"),
        **linear(f"{ours}fine.0", "model.mm_projector.0"),
        **linear(f"{ours}fine.2", "model.mm_projector.2"),
    }


def score_recipes(width: int, ours: str = "connector.score_network.") -> dict[str, Recipe]:
    """Key map of the release's score network. Its input is mean || max and ours max || mean: the halves of
    what reads it change places."""

    def swapped(tensor: Tensor) -> Tensor:
        return tensor.roll(width, dims=-1)

    recipes: dict[str, Recipe] = {}
    for mine, theirs in _SCORE_LAYERS.items():
        recipes |= linear(f"{ours}{mine}", f"{_SCORE}{theirs}")
    for name in ("norm.weight", "norm.bias", "input.weight"):
        recipes[f"{ours}{name}"] = Recipe(recipes[f"{ours}{name}"].sources, swapped)
    return recipes


def _find_tower(folder: Path, given: Mapping[str, Any]) -> Path:
    named = Path(str(given["mm_vision_tower"]))
    places = (folder / named.name, folder.parent / named.name, folder / EVA_FILE, folder.parent / EVA_FILE)
    for place in places:
        if place.is_file():
            return place
    raise ModelUnavailable(
        f"{folder} has no vision tower: put {EVA_FILE} into it, or name that file, or a folder of "
        "InstructBLIP's, with `vision`."
    )


def _queries(shapes: Mapping[str, tuple[int, ...]], source: str) -> int:
    shape = shapes.get("model.vlm_att_query")
    if shape is None or len(shape) != 3:
        raise ModelUnavailable(f"{source} lacks model.vlm_att_query, the Q-Former's queries.")
    return shape[1]


def _content_side(given: Mapping[str, Any], folder: Path) -> int:
    """LLaMA-VID's `compress_type`: `mean`, or `grid:n` for n x n content tokens."""
    kind = given.get("compress_type") or "mean"
    match = re.fullmatch(r"grid:(\d+)", str(kind))
    if kind != "mean" and not match:
        raise ModelUnavailable(
            f"{folder} has compress_type {kind!r} in its config.json; mean and grid:n are known."
        )
    return int(match[1]) if match else 1
