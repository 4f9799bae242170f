"""Opening a model by its name or folder: all but its weights, or with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import torch

from dynfocus_cli.checkpoints.choice import default_model
from dynfocus_cli.checkpoints.families import FAMILIES, SELECTORS
from dynfocus_cli.checkpoints.folder import part
from dynfocus_cli.checkpoints.record import quantization_here
from dynfocus_cli.device import free_memory
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.models.dynfocus.loading import load_weights, read_dynfocus_spec
from dynfocus_cli.models.dynfocus.spec import DynFocusSpec
from dynfocus_cli.models.protocol import Backend, ModelSpec
from dynfocus_cli.models.source import ModelSource, find_source
from dynfocus_cli.network.config import PARTS, DynFocusConfig
from dynfocus_cli.types import Quantization


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
        ModelUnavailable: unknown, incomplete or damaged, CUDA is asked for and not there, or the weights are
            not those of the model's config.
        UsageError: a quantization other than the one that the model is stored in.
        OutOfMemory: its weights are more than the memory that is free.
    """
    spec = read_model_spec(name_or_path, device, quantize, selector)
    if isinstance(spec, DynFocusSpec):
        return load_weights(spec)
    from dynfocus_cli.models.vlm.loading import load_vlm
    from dynfocus_cli.models.vlm.spec import VlmSpec

    assert isinstance(spec, VlmSpec), "there are two kinds of models"
    return load_vlm(spec)


def read_model_spec(
    name_or_path: str | None,
    device: str = "auto",
    quantize: Quantization | None = None,
    selector: str | None = None,
    *,
    may_be_away: bool = False,
) -> ModelSpec:
    """Reads all of a model but its weights. Raises as `load_model`.

    Args:
        may_be_away: to plan with, published configs do for a model that has an entry and is still to be
            fetched.
    """
    if quantize not in (None, *get_args(Quantization)):
        raise UsageError(f"`quantize` must be one of {', '.join(get_args(Quantization))}, got {quantize!r}.")
    place = place_of(device)
    fallback = None
    if name_or_path is None:
        chosen = default_model("cuda" if place.type == "cuda" else "cpu", free_memory(place))
        source, fallback = ModelSource(chosen.name, chosen.folder, place), chosen.fallback
        quantize = quantize or chosen.quantization
    else:
        source = find_source(name_or_path, place, may_be_away=may_be_away)
    model_type = _model_type(source)
    if model_type == DynFocusConfig.model_type:
        if selector is not None:
            raise UsageError(
                f"`selector` is for models of the Hugging Face hub: {source.name} ranks events itself."
            )
        return read_dynfocus_spec(source, quantize, fallback)
    from transformers.utils import logging

    from dynfocus_cli.models.vlm.loading import read_vlm_spec
    from dynfocus_cli.models.vlm.selector import read_selector_spec

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if source.entry is None:
        quantize = quantize or quantization_here(source.folder)
    beside = None if selector is None else read_selector_spec(selector, place, may_be_away=may_be_away)
    return read_vlm_spec(source, model_type, quantize, beside)


def finds_frames_only(name_or_path: str | None, device: str = "auto") -> bool:
    """Whether a model compares frames with texts and answers nothing, as SigLIP.

    Raises:
        ModelUnavailable: it is unknown, or CUDA is asked for and not there.
    """
    if name_or_path is None:
        return False
    source = find_source(name_or_path, place_of(device), may_be_away=False)
    if source.entry is not None:
        return source.entry.family in SELECTORS
    with part(source.folder, "config.json"):
        config = json.loads((source.folder / "config.json").read_text(encoding="utf-8"))
    return isinstance(config, dict) and config.get("model_type") in SELECTORS


def _model_type(source: ModelSource) -> str:
    """What the entry or `config.json` says that the model is.

    Raises:
        ModelUnavailable: a model of no known kind, half a one, or one that answers nothing.
    """
    if source.entry is not None:
        model_type = source.entry.family or DynFocusConfig.model_type
        _require_answering(source.name, model_type)
        return model_type
    with part(source.folder, "config.json"):
        return _type_in_config(source.folder)


def _type_in_config(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind in FAMILIES:
        return str(kind)
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


def _require_answering(name: str, model_type: str) -> None:
    """Raises ModelUnavailable for a model that finds frames and answers nothing."""
    if model_type in SELECTORS:
        raise ModelUnavailable(
            f"{name} is a {SELECTORS[model_type]} model, which finds the frames of a question and answers "
            "none: name it with `selector`, beside a `model` of the hub."
        )


def place_of(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` stands for here.

    Raises:
        UsageError: it is none of these.
        ModelUnavailable: CUDA is asked for and not there.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"`device` must be auto, cpu or cuda, got {name!r}.")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ModelUnavailable("No CUDA GPU can be used here: take `device=cpu`, or `device=auto`.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
