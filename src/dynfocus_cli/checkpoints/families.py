"""The families of networks that dynfocus runs, by config.json's `model_type`."""

from __future__ import annotations

FAMILIES = {
    "qwen2_5_vl": "Qwen2.5-VL",
    "qwen3_vl": "Qwen3-VL",
    "smolvlm": "SmolVLM",
    "llava_onevision": "LLaVA-OneVision",
    "internvl": "InternVL",
    "video_llava": "Video-LLaVA",
    "llava_next_video": "LLaVA-NeXT-Video",
}
"""Model type -> what people call the family; public vision-language models, run by transformers."""

SELECTORS = {"siglip": "SigLIP", "siglip2": "SigLIP 2", "clip": "CLIP"}
"""Likewise of what `--selector-model` takes. SigLIP 2 of one fixed size calls itself `siglip`; `siglip2` is
NaFlex, of any aspect."""

PUBLIC = FAMILIES | SELECTORS
"""All that comes from the hub as it is."""

OWN, OWN_TYPE = "DynFocus", "dynfocus"
"""Our own network, and its model type."""
