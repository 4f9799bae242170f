"""The text half of a dual encoder: a caption's embedding without the weights that encode pictures."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor

from dynfocus_cli.checkpoints.folder import part
from dynfocus_cli.checkpoints.sources.tensor_files import checkpoint_files, open_safetensors
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.models.source import load_public_network
from dynfocus_cli.models.vlm.selector import SelectorSpec, text_ids, unit

_CLASSES = {
    "siglip": "SiglipTextModel",
    "siglip2": "Siglip2TextModel",
    "clip": "CLIPTextModelWithProjection",
}
"""transformers' class for the text half, by the model type of the whole."""
_SCALE, _BIAS = "logit_scale", "logit_bias"


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a dual encoder's makers make a logit of a cosine: scale * cosine + bias."""

    scale: float
    bias: float | None
    """None of a CLIP, whose logits are compared with those of other captions alone."""


@dataclass(frozen=True, slots=True)
class SelectorText:
    """A dual encoder's text half with its weights."""

    spec: SelectorSpec
    network: Any
    """transformers' SiglipTextModel, Siglip2TextModel or CLIPTextModelWithProjection."""

    @torch.inference_mode()
    def __call__(self, text: str) -> Tensor:
        """(D,) float32 of length 1, on the CPU: what `Selector.text` gives."""
        output = self.network(input_ids=text_ids(self.spec, text).to(self.network.device))
        return unit(output.text_embeds if self.spec.model_type == "clip" else output.pooler_output)[0].cpu()


def load_selector_text(spec: SelectorSpec) -> SelectorText:
    """The text half of a dual encoder.

    Raises:
        ModelUnavailable: the weights are not those of its config.
        OutOfMemory: they are more than the memory that is free.
    """
    kind: Any = getattr(transformers, _CLASSES[spec.model_type])
    config = copy(spec.config.text_config)
    if spec.model_type == "clip":  # the whole model's width counts, which the half's config need not say
        config.projection_dim = spec.config.projection_dim
    with torch.device("meta"):
        weights = sum(weight.numel() for weight in kind(config).parameters()) * spec.dtype.itemsize
    network = load_public_network(kind, spec.name, spec.folder, config, spec.device, spec.dtype, weights)
    return SelectorText(spec, network)


def read_calibration(spec: SelectorSpec) -> Calibration:
    """The scale and bias among a dual encoder's weights, of which nothing else is read.

    Raises:
        ModelUnavailable: they are not there.
    """
    values: dict[str, float] = {}
    with part(spec.folder, "weights"):
        for file in checkpoint_files(spec.folder, ("model.safetensors",)):
            opened = open_safetensors(file)
            for name in {_SCALE, _BIAS} & set(opened.keys()):
                values[name] = float(opened.get_tensor(name))
    needed = {_SCALE} if spec.model_type == "clip" else {_SCALE, _BIAS}
    if missing := sorted(needed - values.keys()):
        raise ModelUnavailable(f"The weights in {spec.folder} lack {', '.join(missing)}.")
    # Both kinds store the logarithm of their scale.
    return Calibration(float(torch.tensor(values[_SCALE]).exp()), values.get(_BIAS))
