"""Loading a model folder; the one place that decides on device and dtype."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from dynfocus_cli.checkpoints.choice import DeviceKind, default_model
from dynfocus_cli.checkpoints.entries import ModelEntry, published_folder
from dynfocus_cli.checkpoints.estimated_tokenizer import EstimatedTokenizer, not_here
from dynfocus_cli.checkpoints.families import FAMILIES, SELECTORS
from dynfocus_cli.checkpoints.folder import (
    LARGE_BYTES,
    part,
    precision,
    quantization_of,
    stored_bytes,
)
from dynfocus_cli.checkpoints.identity import config_digest, revision
from dynfocus_cli.checkpoints.record import quantization_here
from dynfocus_cli.checkpoints.registry import available_entry, find_model
from dynfocus_cli.device import free_memory, give_back_early, require_room, threads_for
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.features.domain import Domain
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.models.dynfocus.memory import DynFocusMemory
from dynfocus_cli.models.dynfocus.model import DynFocusSpec, LoadedModel
from dynfocus_cli.models.dynfocus.weights import read_network
from dynfocus_cli.models.protocol import Backend, ModelSpec
from dynfocus_cli.network.config import PARTS, DynFocusConfig
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.tokenizer import Tokenizer
from dynfocus_cli.types import Fallback, ModelInfo, Quantization

if TYPE_CHECKING:
    from dynfocus_cli.models.vlm.selector import SelectorSpec


def load_model(
    name_or_path: str | None,
    device: str = "auto",
    quantize: Quantization | None = None,
    selector: str | None = None,
) -> Backend:
    """Loads a model by name or folder onto `auto`, `cpu` or `cuda`.

    Args:
        quantize: None leaves the model as it is stored.
        selector: for a public model, name or folder of the SigLIP or CLIP that finds the frames of a
            question.

    Raises:
        ModelUnavailable: unknown, incomplete or damaged, or CUDA is asked for and not there.
        UsageError: a quantization other than the one that the model is stored in.
        OutOfMemory: its weights are more than the memory that is free.
    """
    return read_model_spec(name_or_path, device, quantize, selector).load()


def read_model_spec(
    name_or_path: str | None,
    device: str = "auto",
    quantize: Quantization | None = None,
    selector: str | None = None,
) -> ModelSpec:
    """Reads all of a model but its weights. Raises as `load_model`."""
    chooser = None if selector is None else SelectorRequest(selector, may_be_away=False)
    return _read_spec(name_or_path, _device(device), quantize, chooser)


def published_model_spec(
    name_or_path: str | None,
    device: str = "auto",
    quantize: Quantization | None = None,
    selector: str | None = None,
) -> ModelSpec:
    """As `read_model_spec`, for a dry run: of a model that has an entry and is still to be fetched it is what
    the published configs tell. Raises as `load_model`."""
    place = _device(device)
    chooser = None if selector is None else SelectorRequest(selector, may_be_away=True)
    entry = None if name_or_path is None else available_entry(name_or_path)
    if entry is None:
        return _read_spec(name_or_path, place, quantize, chooser)
    if entry.family is None:
        _refuse_selector(entry.name, chooser)
        return _published_dynfocus_spec(entry, place, quantize)
    _require_answering(entry.name, entry.family)
    _quieten_transformers()
    from dynfocus_cli.models.vlm.loading import published_vlm_spec

    return published_vlm_spec(entry, place, quantize, None if chooser is None else chooser.spec(place))


@dataclass(frozen=True, slots=True)
class SelectorRequest:
    """What is to find the frames of a question."""

    name: str
    """Or folder, or id on the hub."""
    may_be_away: bool
    """Whether its published configs do where it is still to be fetched."""

    def spec(self, place: torch.device) -> SelectorSpec:
        """All of it but its weights. Raises ModelUnavailable."""
        from dynfocus_cli.models.vlm.selector import published_selector_spec, read_selector_spec

        entry = available_entry(self.name) if self.may_be_away else None
        return (
            read_selector_spec(self.name, place) if entry is None else published_selector_spec(entry, place)
        )


def _read_spec(
    name_or_path: str | None,
    place: torch.device,
    quantize: Quantization | None,
    selector: SelectorRequest | None,
) -> ModelSpec:
    fallback = None
    if name_or_path is None:
        kind_of_device: DeviceKind = "cuda" if place.type == "cuda" else "cpu"
        chosen = default_model(kind_of_device, free_memory(place))
        name, folder, fallback = chosen.name, chosen.folder, chosen.fallback
        quantize = quantize or chosen.quantization
    else:
        name, folder = find_model(name_or_path)
    with part(folder, "config.json"):
        model_type = _model_type(folder)
    if model_type != DynFocusConfig.model_type:
        _quieten_transformers()
        from dynfocus_cli.models.vlm.loading import read_vlm_spec

        kind = quantize or quantization_here(folder)
        chooser = None if selector is None else selector.spec(place)
        return read_vlm_spec(name, folder, model_type, place, kind, chooser)
    _refuse_selector(name, selector)
    return _read_dynfocus_spec(name, folder, place, quantize, fallback)


def _refuse_selector(name: str, selector: SelectorRequest | None) -> None:
    if selector is not None:
        raise UsageError(
            f"--selector-model is for models of the Hugging Face hub: {name} ranks events itself."
        )


def _require_answering(name: str, family: str) -> None:
    """
    Raises:
        ModelUnavailable: a model of this family finds frames and answers nothing.
    """
    if family in SELECTORS:
        raise ModelUnavailable(
            f"{name} is a {SELECTORS[family]} model, which finds the frames of a question and answers none: "
            "name it with --selector-model, beside a --model of the hub."
        )


def _quieten_transformers() -> None:
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def _published_dynfocus_spec(
    entry: ModelEntry, place: torch.device, quantize: Quantization | None
) -> DynFocusSpec:
    """Of the paper's network, as `models pull` would store it."""
    folder = published_folder(entry.name)
    config = DynFocusConfig.from_pretrained(folder)
    tokenizer: Any = EstimatedTokenizer()
    kind = quantize or entry.quantization
    dtype = precision(entry.bytes, place, kind)
    return DynFocusSpec(
        name=entry.name,
        folder=folder,
        config=config,
        prompt=PromptWriter(config, tokenizer),
        preprocessing=Preprocessing.load(folder),
        quantization=kind,
        device=place,
        dtype=dtype,
        memory=DynFocusMemory(config, kind, dtype, place),
        info=ModelInfo(entry.name, "dynfocus", "", kind, place.type),
        caveat=not_here(entry),
    )


def _read_dynfocus_spec(
    name: str, folder: Path, place: torch.device, quantize: Quantization | None, fallback: Fallback | None
) -> DynFocusSpec:
    """Of the paper's network; `fallback` says why it was chosen where none was named."""
    with part(folder, "config.json"):
        config = DynFocusConfig.from_pretrained(folder)
        kind = quantization_of(folder, config.quantization_config, quantize)
    with part(folder, "tokenizer"):
        if not (folder / "tokenizer.json").is_file():
            raise ModelUnavailable(f"{folder} is incomplete: it has no tokenizer.json.")
        tokenizer = Tokenizer(folder)
        if len(tokenizer) > config.text_config.vocab_size:
            raise ModelUnavailable(
                f"The tokenizer in {folder} has {len(tokenizer)} words, and the network knows "
                f"{config.text_config.vocab_size}."
            )
        questions = folder / "question_tokenizer"
        question_tokenizer = Tokenizer(questions, truncation_side="left") if questions.is_dir() else None
    with part(folder, "prompt_template"):
        prompt = PromptWriter(config, tokenizer, question_tokenizer)
    preprocessing = Preprocessing.load(folder)
    if preprocessing.size != config.vision_config.image_size:
        raise ModelUnavailable(
            f"The preprocessor_config.json in {folder} makes frames of {preprocessing.size} pixels, and its "
            f"config.json takes {config.vision_config.image_size}."
        )
    dtype = precision(stored_bytes(folder), place, kind)
    with part(folder, "config.json"):
        memory = DynFocusMemory(config, kind, dtype, place)
    return DynFocusSpec(
        name=name,
        folder=folder,
        config=config,
        prompt=prompt,
        preprocessing=preprocessing,
        quantization=kind,
        device=place,
        dtype=dtype,
        memory=memory,
        info=ModelInfo(name, "dynfocus", revision(folder), kind, place.type, config_digest(folder)),
        fallback=fallback,
    )


def load_weights(spec: DynFocusSpec, *, learns: bool = False) -> LoadedModel:
    """The network of a model that was specified.

    Args:
        learns: gradients are to pass through it, which they cannot where 4-bit weights are arranged for
            answering alone.

    Raises:
        ModelUnavailable: the weights are not those of its config.
        OutOfMemory: they are more than the memory that is free.
    """
    folder, config = spec.folder, spec.config
    with part(folder, "weights"), threads_for(spec.memory.weights, spec.device):
        require_room(spec.name, spec.memory.weights, free_memory(spec.device))
        if spec.device.type == "cpu" and spec.memory.weights > LARGE_BYTES:
            give_back_early()
        network = read_network(folder, config, spec.device, spec.dtype, spec.quantization, learns=learns)
    familiarity = Familiarity.load(folder)
    if familiarity is not None:
        _check_familiarity(folder, familiarity, config)
    return LoadedModel(spec, network, familiarity, Domain.load(folder))


def _model_type(folder: Path) -> str:
    """What `config.json` describes. Raises ModelUnavailable for a model of no known kind, or half a one."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind in FAMILIES:
        return str(kind)
    if kind in SELECTORS:
        _require_answering(str(folder), str(kind))
    if kind != DynFocusConfig.model_type:
        what = f"a {kind!r} model" if kind else "a model that does not say what it is"
        raise ModelUnavailable(
            f"{folder} holds {what}, not a DynFocus one, nor one of {', '.join(FAMILIES.values())}: see "
            "model_type in config.json."
        )
    # Left to its defaults, a part that is not described has billions of parameters.
    missing = [part for part in PARTS if not isinstance(config.get(part), dict)]
    if missing:
        raise ModelUnavailable(f"The config.json in {folder} does not describe {', '.join(missing)}.")
    return str(kind)


def _check_familiarity(folder: Path, known: Familiarity, config: DynFocusConfig) -> None:
    """Raises ModelUnavailable where it was measured on features of another width, or on other patches."""
    width = config.vision_config.hidden_size
    shapes = tuple(known.mean.shape), tuple(known.whitening.shape)
    fits = known.classifier is None or known.classifier.fits(3 * width + config.patches)
    if shapes != ((width,), (width, width)) or not fits:
        raise ModelUnavailable(
            f"The familiarity.safetensors in {folder} is of other features: its mean is {shapes[0]} and its "
            f"whitening {shapes[1]}, and the vision encoder's width is {width}."
        )


def _device(wanted: str) -> torch.device:
    if wanted not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device must be auto, cpu or cuda, got {wanted!r}.")
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelUnavailable("No CUDA GPU can be used here: take --device cpu, or --device auto.")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")
