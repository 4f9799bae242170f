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
from dynfocus_cli.backends.vlm.selector import outline_selector
from dynfocus_cli.backends.vlm.skeleton import skeleton
from dynfocus_cli.checkpoints.folder import LARGE_BYTES, complaint, part, precision, quantization_of
from dynfocus_cli.checkpoints.identity import config_digest, revision
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
    selector: str | None = None,
) -> VlmOutline:
    """Reads all of a model but its weights; `selector` names what is to find the frames of a question.

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
    dtype = precision(folder, place, kind)
    finder = None if selector is None else outline_selector(selector, place)
    with part(folder, "config.json"):
        sizes = skeleton(config, family.vision)
        memory = VlmMemory(family, sizes, kind, dtype, place, finder)
    info = ModelInfo(
        name,
        "transformers",
        revision(folder),
        kind,
        place.type,
        config_digest(folder),
        "" if finder is None else finder.revision,
    )
    return VlmOutline(name, folder, family, prompt, sizes, kind, place, dtype, memory, info, finder)


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
