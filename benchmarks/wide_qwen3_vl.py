"""Writes a Qwen3-VL folder of random weights: the 4B's widths with few layers, a few hundred tokens of
vocabulary, and otherwise the files that the published folder has."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MINIATURES = Path(__file__).resolve().parents[1] / "tests" / "models"
TOTAL_PIXELS = 25_165_824
"""Of all frames together, in the published video_preprocessor_config.json: 12 288 tokens, however many frames
and however large."""
FRAME_TOKENS = 768
"""Of a frame, at most, where that cap is lifted: the makers' other one (qwen-vl-utils)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a published model."""

    width: int
    """D_l."""
    inner: int
    layers: int
    heads: int
    vision_width: int
    """D_v."""
    vision_inner: int
    vision_layers: int
    deepstack: int
    """Layers of the language model that are given the vision encoder's earlier layers too."""
    key_value_heads: int = 8
    head: int = 128
    vision_heads: int = 16


PUBLISHED = {
    "2B": Shape(2048, 6144, 28, 16, 1024, 4096, 24, 3),
    "4B": Shape(2560, 9728, 36, 32, 1024, 4096, 24, 3),
    "8B": Shape(4096, 12288, 36, 32, 1152, 4304, 27, 3),
}
CUT = replace(PUBLISHED["4B"], layers=3, vision_layers=2, deepstack=1)
"""A twelfth of the 4B's layers in both parts."""


def write(folder: Path, shape: Shape = CUT) -> Path:
    """The folder, if it is not there yet."""
    if not (folder / "model.safetensors").exists():
        sys.path.insert(0, str(MINIATURES))
        import miniatures

        miniatures.FAMILIES["wide"] = _widened(miniatures.FAMILIES["qwen3_vl"], shape)
        miniatures.build("wide", folder)
    return folder


def write_uncapped(folder: Path, capped: Path, frames: int) -> Path:
    """The same model, with room for `frames` frames of `FRAME_TOKENS` each."""
    folder.mkdir(exist_ok=True)
    for file in capped.iterdir():
        if not (folder / file.name).exists():
            os.link(file, folder / file.name)
    settings = json.loads((capped / "video_preprocessor_config.json").read_text())
    settings["size"]["longest_edge"] = frames * FRAME_TOKENS * 32**2
    lifted = folder / "video_preprocessor_config.json"
    lifted.unlink()  # it was the very file of the other folder
    lifted.write_text(json.dumps(settings, indent=2) + "\n")
    return folder


def _widened(miniature: Any, shape: Shape) -> Any:
    """The test suite's miniature with the sizes that it has cut down as published."""
    text, vision = miniature.config["text_config"], miniature.config["vision_config"]
    config = miniature.config | {
        "text_config": text
        | {
            "hidden_size": shape.width,
            "intermediate_size": shape.inner,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.key_value_heads,
            "head_dim": shape.head,
            "max_position_embeddings": 262144,
            "rope_scaling": text["rope_scaling"] | {"mrope_section": [24, 20, 20]},
        },
        "vision_config": vision
        | {
            "deepstack_visual_indexes": list(range(shape.deepstack)),
            "depth": shape.vision_layers,
            "hidden_size": shape.vision_width,
            "intermediate_size": shape.vision_inner,
            "num_heads": shape.vision_heads,
            "num_position_embeddings": 2304,
            "out_hidden_size": shape.width,
        },
    }
    size = miniature.video["size"] | {"longest_edge": TOTAL_PIXELS}
    return replace(miniature, config=config, video=miniature.video | {"size": size})
