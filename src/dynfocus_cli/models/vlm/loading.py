"""Loading a stock model's folder. Nothing is fetched, and no code of the folder's own is run."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer, BitsAndBytesConfig

from dynfocus_cli.checkpoints.entries import ModelEntry, published_folder
from dynfocus_cli.checkpoints.estimated_tokenizer import EstimatedTokenizer, not_here
from dynfocus_cli.checkpoints.folder import (
    LARGE_BYTES,
    complaint,
    part,
    precision,
    quantization_of,
    stored_bytes,
)
from dynfocus_cli.checkpoints.identity import config_digest, revision
from dynfocus_cli.device import free_memory, give_back_early, require_room
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.models.families import family_class
from dynfocus_cli.models.vlm.memory import VlmMemory
from dynfocus_cli.models.vlm.model import VlmSpec
from dynfocus_cli.models.vlm.prompt import ChatWriter
from dynfocus_cli.models.vlm.scaling import ProcessorFiles
from dynfocus_cli.models.vlm.selector import SelectorSpec
from dynfocus_cli.models.vlm.skeleton import skeleton
from dynfocus_cli.quantization import arrange_for_cpu, quieten, settings
from dynfocus_cli.types import ModelInfo, Quantization


def read_vlm_spec(
    name: str,
    folder: Path,
    model_type: str,
    place: torch.device,
    quantize: Quantization | None,
    selector: SelectorSpec | None = None,
) -> VlmSpec:
    """Reads all of a model but its weights; `selector` is to find the frames of a question.

    Raises:
        ModelUnavailable: a file is missing or damaged.
        UsageError: a quantization other than the one that the model is stored in.
    """
    with part(folder, "config.json"):
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        kind = quantization_of(folder, getattr(config, "quantization_config", None), quantize)
        family = family_class(model_type)(config, ProcessorFiles(folder))
    with part(folder, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if tokenizer.chat_template is None:
            tokenizer.chat_template = _chat_template(folder)
        prompt = ChatWriter(family, tokenizer)
    if not list(folder.glob("model*.safetensors")):
        raise ModelUnavailable(f"{folder} is incomplete: it has no weights (*.safetensors).")
    info = ModelInfo(
        name,
        "transformers",
        revision(folder),
        kind,
        place.type,
        config_digest(folder),
        "" if selector is None else selector.revision,
    )
    return _read_spec(info, kind, folder, prompt, place, stored_bytes(folder), selector)


def published_vlm_spec(
    entry: ModelEntry, place: torch.device, quantize: Quantization | None, selector: SelectorSpec | None
) -> VlmSpec:
    """As `read_vlm_spec`, of a model that is still to be fetched: by its published configs, and with an
    estimate of the tokens of a text."""
    folder, model_type = published_folder(entry.name), entry.family
    assert model_type is not None, "a public model"
    config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    family = family_class(model_type)(config, ProcessorFiles(folder))
    prompt = ChatWriter(family, EstimatedTokenizer(family.placeholder, family.mark))
    kind = quantize or "none"
    info = ModelInfo(entry.name, "transformers", "", kind, place.type)
    return _read_spec(info, kind, folder, prompt, place, entry.bytes, selector, not_here(entry))


def _read_spec(
    info: ModelInfo,
    kind: Quantization,
    folder: Path,
    prompt: ChatWriter,
    place: torch.device,
    stored: int,
    selector: SelectorSpec | None,
    caveat: str = "",
) -> VlmSpec:
    family = prompt.family
    dtype = precision(stored, place, kind)
    with part(folder, "config.json"):
        sizes = skeleton(family.config, family.vision)
        memory = VlmMemory(family, sizes, kind, dtype, place, selector)
    return VlmSpec(
        name=info.name,
        folder=folder,
        family=family,
        prompt=prompt,
        skeleton=sizes,
        quantization=kind,
        device=place,
        dtype=dtype,
        memory=memory,
        info=info,
        selector=selector,
        caveat=" ".join(filter(None, (caveat, selector.caveat if selector else ""))),
    )


def load_network(spec: VlmSpec) -> Any:
    """The network with each of its weights read from its folder.

    Raises:
        ModelUnavailable: the weights are not those of its config.
        OutOfMemory: they are more than the memory that is free.
    """
    folder, kind, dtype = spec.folder, spec.quantization, spec.dtype
    options: dict[str, Any] = {}
    if kind != "none":
        quieten()
        warnings.filterwarnings("ignore", "MatMul8bitLt: inputs will be cast", UserWarning)
        if getattr(spec.family.config, "quantization_config", None) is None:
            chosen = settings(kind, dtype, spec.skeleton.kept)
            options["quantization_config"] = BitsAndBytesConfig.from_dict(chosen)
    with part(folder, "weights"):
        require_room(spec.name, spec.memory.weights, free_memory(spec.device))
        if spec.device.type == "cpu" and spec.memory.weights > LARGE_BYTES:
            give_back_early()
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            folder,
            config=spec.family.config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, by name
            dtype=dtype,
            device_map={"": spec.device},
            **options,
        )
        network, report = loaded
        problem = complaint(folder, report, ("missing_keys", "mismatched_keys"))
        if problem is not None:
            raise ModelUnavailable(problem)
    network.eval()
    if kind == "nf4" and spec.device.type == "cpu":
        arrange_for_cpu(network)
    return network


def _chat_template(folder: Path) -> str | None:
    """The template of a folder whose tokenizer has none of its own."""
    plain = folder / "chat_template.jinja"
    if plain.is_file():
        return plain.read_text(encoding="utf-8")
    told = folder / "chat_template.json"
    if told.is_file():
        found: str = json.loads(told.read_text(encoding="utf-8"))["chat_template"]
        return found
    return None
