"""Loading a stock model's folder. Nothing is fetched, and no code of the folder's own is run."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer, BitsAndBytesConfig

from dynfocus_cli.backends.families.registry import FAMILY_OF
from dynfocus_cli.backends.vlm.memory import VlmMemory
from dynfocus_cli.backends.vlm.model import VlmOutline
from dynfocus_cli.backends.vlm.prompt import ChatWriter
from dynfocus_cli.backends.vlm.scaling import ProcessorFiles
from dynfocus_cli.backends.vlm.selector import SelectorOutline
from dynfocus_cli.backends.vlm.skeleton import skeleton
from dynfocus_cli.checkpoints.entries import ModelEntry
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
from dynfocus_cli.checkpoints.published import published_folder
from dynfocus_cli.checkpoints.quantization import Quantization, arrange_for_cpu, quieten, settings
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.planning.device import free_memory, give_back_early, require_room
from dynfocus_cli.types import ModelInfo


def outline_vlm(
    name: str,
    folder: Path,
    model_type: str,
    place: torch.device,
    quantize: Quantization | None,
    selector: SelectorOutline | None = None,
) -> VlmOutline:
    """Reads all of a model but its weights; `selector` is to find the frames of a question.

    Raises:
        ModelUnavailable: a file is missing or damaged.
        UsageError: a quantization other than the one that the model is stored in.
    """
    with part(folder, "config.json"):
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        kind = quantization_of(folder, getattr(config, "quantization_config", None), quantize)
        family = FAMILY_OF[model_type](config, ProcessorFiles(folder))
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
    return _outline(info, kind, folder, prompt, place, stored_bytes(folder), selector)


def outline_published(
    entry: ModelEntry, place: torch.device, quantize: Quantization | None, selector: SelectorOutline | None
) -> VlmOutline:
    """As `outline_vlm`, of a model that is not here: by its published configs, and with about as many tokens
    of text."""
    folder, model_type = published_folder(entry.name), entry.family
    assert model_type is not None, "a public model"
    config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    family = FAMILY_OF[model_type](config, ProcessorFiles(folder))
    prompt = ChatWriter(family, EstimatedTokenizer(family.placeholder, family.mark))
    kind = quantize or "none"
    info = ModelInfo(entry.name, "transformers", "", kind, place.type)
    return _outline(info, kind, folder, prompt, place, entry.bytes, selector, not_here(entry))


def _outline(
    info: ModelInfo,
    kind: Quantization,
    folder: Path,
    prompt: ChatWriter,
    place: torch.device,
    stored: int,
    selector: SelectorOutline | None,
    caveat: str = "",
) -> VlmOutline:
    family = prompt.family
    dtype = precision(stored, place, kind)
    with part(folder, "config.json"):
        sizes = skeleton(family.config, family.vision)
        memory = VlmMemory(family, sizes, kind, dtype, place, selector)
    return VlmOutline(
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


def load_network(outline: VlmOutline) -> Any:
    """The network with each of its weights read from its folder.

    Raises:
        ModelUnavailable: the weights are not those of its config.
        OutOfMemory: they are more than the memory that is free.
    """
    folder, kind, dtype = outline.folder, outline.quantization, outline.dtype
    options: dict[str, Any] = {}
    if kind != "none":
        quieten()
        warnings.filterwarnings("ignore", "MatMul8bitLt: inputs will be cast", UserWarning)
        if getattr(outline.family.config, "quantization_config", None) is None:
            chosen = settings(kind, dtype, outline.skeleton.kept)
            options["quantization_config"] = BitsAndBytesConfig.from_dict(chosen)
    with part(folder, "weights"):
        require_room(outline.name, outline.memory.weights, free_memory(outline.device))
        if outline.device.type == "cpu" and outline.memory.weights > LARGE_BYTES:
            give_back_early()
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            folder,
            config=outline.family.config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, by name
            dtype=dtype,
            device_map={"": outline.device},
            **options,
        )
        network, report = loaded
        problem = complaint(folder, report, ("missing_keys", "mismatched_keys"))
        if problem is not None:
            raise ModelUnavailable(problem)
    network.eval()
    if kind == "nf4" and outline.device.type == "cpu":
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
