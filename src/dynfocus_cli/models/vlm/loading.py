"""Reading a public model's folder. Nothing is fetched, and no code of the folder's own is run."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

from dynfocus_cli.checkpoints.estimated_tokenizer import EstimatedTokenizer
from dynfocus_cli.checkpoints.folder import part, precision
from dynfocus_cli.models.families import family_class
from dynfocus_cli.models.source import ModelSource, load_public_network
from dynfocus_cli.models.vlm.memory import VlmMemory
from dynfocus_cli.models.vlm.model import VlmModel
from dynfocus_cli.models.vlm.prompt import ChatWriter
from dynfocus_cli.models.vlm.scaling import ProcessorFiles
from dynfocus_cli.models.vlm.selector import SelectorSpec
from dynfocus_cli.models.vlm.skeleton import skeleton
from dynfocus_cli.models.vlm.spec import VlmSpec
from dynfocus_cli.quantization import arrange_for_cpu, quieten, settings
from dynfocus_cli.types import Quantization


def read_vlm_spec(
    source: ModelSource, model_type: str, quantize: Quantization | None, selector: SelectorSpec | None
) -> VlmSpec:
    """All of a model but its weights. Of one that is still to be fetched, tokens of text are estimated.

    Args:
        selector: what is to find the frames of a question.

    Raises:
        ModelUnavailable: a file is missing or damaged.
        UsageError: a quantization other than the one that the model is stored in.
    """
    folder, device = source.folder, source.device
    with part(folder, "config.json"):
        config = source.public_config()
        kind = source.quantization(getattr(config, "quantization_config", None), quantize)
        family = family_class(model_type)(config, ProcessorFiles(folder))
    with part(folder, "tokenizer"):
        if source.entry is not None:
            tokenizer: Any = EstimatedTokenizer(family.placeholder, family.mark)
        else:
            tokenizer = source.public_tokenizer()
            tokenizer.chat_template = tokenizer.chat_template or _chat_template(folder)
        prompt = ChatWriter(family, tokenizer)
    source.require_weights()
    dtype = precision(source.bytes, device, kind)
    with part(folder, "config.json"):
        sizes = skeleton(family.config, family.vision)
        memory = VlmMemory(family, sizes, kind, dtype, device, selector)
    return VlmSpec(
        name=source.name,
        folder=folder,
        family=family,
        prompt=prompt,
        skeleton=sizes,
        quantization=kind,
        device=device,
        dtype=dtype,
        memory=memory,
        info=source.info("transformers", kind, "" if selector is None else selector.revision),
        selector=selector,
        caveat=" ".join(filter(None, (source.caveat, selector.caveat if selector else ""))),
    )


def load_vlm(spec: VlmSpec) -> VlmModel:
    """A model that was read without its weights, and what chooses frames for it. Raises as `load_model`."""
    network = _load_network(spec)
    return VlmModel(spec, network, None if spec.selector is None else spec.selector.load())


def _load_network(spec: VlmSpec) -> Any:
    """The network with each of its weights read from its folder."""
    kind, config = spec.quantization, spec.family.config
    options: dict[str, Any] = {}
    if kind != "none":
        quieten()
        warnings.filterwarnings("ignore", "MatMul8bitLt: inputs will be cast", UserWarning)
        if getattr(config, "quantization_config", None) is None:
            stored = settings(kind, spec.dtype, spec.skeleton.kept)
            options["quantization_config"] = BitsAndBytesConfig.from_dict(stored)
    network = load_public_network(
        AutoModelForImageTextToText,
        spec.name,
        spec.folder,
        config,
        spec.device,
        spec.dtype,
        spec.memory.weights,
        **options,
    )
    if kind == "nf4" and spec.device.type == "cpu":
        arrange_for_cpu(network)
    return network


def _chat_template(folder: Path) -> str | None:
    """The template of a folder whose tokenizer has none of its own."""
    plain = folder / "chat_template.jinja"
    if plain.is_file():
        return plain.read_text(encoding="utf-8")
    as_json = folder / "chat_template.json"
    if as_json.is_file():
        template: str = json.loads(as_json.read_text(encoding="utf-8"))["chat_template"]
        return template
    return None
