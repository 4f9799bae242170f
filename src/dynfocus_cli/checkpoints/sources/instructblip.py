"""`Salesforce/instructblip-vicuna-7b` in transformers' format: a vision tower and a Q-Former, and the Vicuna
they were trained with. It has no rods, cones or scores: those start fresh, to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynfocus_cli.checkpoints.sources.config_file import read_config, sound
from dynfocus_cli.checkpoints.sources.language_model import language_model_key_map, llama_config
from dynfocus_cli.checkpoints.sources.question_tokenizer import find_question_tokenizer
from dynfocus_cli.checkpoints.sources.recipe import KeyMap, Recipe, linear, same
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.checkpoints.sources.tensor_files import Part, TensorFiles, checkpoint_files
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.prompt import VICUNA_V1
from dynfocus_cli.network.sizes import VisionConfig
from dynfocus_cli.network.skeleton import parameter_shapes

MODEL_TYPE = "instructblip"
PREFIX = "instructblip:"
"""Of its keys where they stand beside another source's."""

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
VISION, LANGUAGE = "vision_model.", "language_model."

_FRESH = tuple(f"connector.{part}." for part in ("rods", "fine", "coarse", "score_network"))
"""Of the connector: what InstructBLIP has nothing for."""


def vision_parts(folder: Path) -> list[Part]:
    """The vision tower alone, of the shards that hold any of it. Raises ModelUnavailable where none does."""
    return [Part(path, PREFIX, VISION) for path in checkpoint_files(folder, WEIGHTS, VISION)]


def vision_config(folder: Path) -> VisionConfig:
    """The vision tower's sizes. Raises ModelUnavailable where the folder is no InstructBLIP's."""
    given = _config(folder)["vision_config"]
    with sound(folder):
        return VisionConfig.from_dict(given)


def vision_key_map(shapes: Mapping[str, object]) -> KeyMap:
    """Key map of the vision tower beside another source's weights."""
    prefix = f"{PREFIX}{VISION}"
    return KeyMap(
        same("vision.", prefix, [key.removeprefix(prefix) for key in shapes if key.startswith(prefix)])
    )


def instructblip_source(folder: Path, question_tokenizer: Path | None) -> Source:
    """An InstructBLIP folder as the beginning of a DynFocus network.

    Raises:
        ModelUnavailable: something is missing, damaged or of another model.
    """
    given = _config(folder)
    files = TensorFiles(map(Part, checkpoint_files(folder, WEIGHTS)))
    shapes = files.shapes
    words = given.get("text_config") or {}
    if words.get("model_type") != "llama":
        raise ModelUnavailable(
            f"{folder} has a {words.get('model_type')!r} language model; a Vicuna is needed."
        )
    with sound(folder):
        config = DynFocusConfig(
            vision_config=given["vision_config"],
            qformer_config=given["qformer_config"],
            text_config=llama_config(words, shapes, str(folder)),
            num_query_tokens=given.get("num_query_tokens", 32),
            class_token=True,
            pin_focus=True,
            prompt_template=VICUNA_V1,
            untrained=["connector"],
        )
        fresh = frozenset(name for name in parameter_shapes(config) if name.startswith(_FRESH))
    return Source(
        layout="InstructBLIP",
        folder=folder,
        config=config,
        files=files,
        key_map=_key_map(config, shapes, fresh),
        tokenizer=folder,
        question_tokenizer=find_question_tokenizer(
            (question_tokenizer, folder), config.qformer_config.vocab_size
        ),
        preprocessing=Preprocessing(size=config.image_size, fit="center_crop"),
    )


def _key_map(config: DynFocusConfig, shapes: Mapping[str, object], fresh: frozenset[str]) -> KeyMap:
    reads = "connector.question_encoder.qformer."
    qformer = [name.removeprefix(reads) for name in parameter_shapes(config) if name.startswith(reads)]
    vision = [key.removeprefix(VISION) for key in shapes if key.startswith(VISION)]
    recipes = {
        **same("vision.", VISION, vision),
        **same(reads, "qformer.", qformer),
        "connector.question_encoder.queries": Recipe(("query_tokens",)),
        # InstructBLIP's Q-Former sees the tower's output through the tower's own last norm.
        **linear("connector.question_encoder.visual_norm", f"{VISION}post_layernorm"),
        **language_model_key_map(f"{LANGUAGE}model.", f"{LANGUAGE}lm_head.weight", config.text_config),
    }
    left = {"language_projection.weight", "language_projection.bias", "qformer.embeddings.position_ids"}
    rotary = {key for key in shapes if key.endswith(".rotary_emb.inv_freq")}
    return KeyMap(recipes, frozenset((left & shapes.keys()) | rotary), fresh)


def _config(folder: Path) -> dict[str, Any]:
    given = read_config(folder)
    if given.get("model_type") != MODEL_TYPE:
        raise ModelUnavailable(f"{folder} is no InstructBLIP model: its type is {given.get('model_type')!r}.")
    if missing := [part for part in ("vision_config", "qformer_config") if not given.get(part)]:
        raise ModelUnavailable(f"The config.json of {folder} does not describe {', '.join(missing)}.")
    return given
