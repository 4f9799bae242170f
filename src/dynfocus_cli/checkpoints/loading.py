"""Loading a model folder; the one place that decides on device and dtype."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from dynfocus_cli.backends.native import LoadedModel, ModelOutline
from dynfocus_cli.checkpoints.quantization import Quantization, arrange_for_cpu, kind_of, quieten, settings
from dynfocus_cli.checkpoints.record import revision
from dynfocus_cli.checkpoints.registry import find_model
from dynfocus_cli.checkpoints.sources.question_tokenizer import load_question_tokenizer
from dynfocus_cli.checkpoints.sources.tensor_files import checkpoint_files, open_safetensors
from dynfocus_cli.errors import DynFocusError, ModelUnavailable, UsageError, first_line
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.model.config import DynFocusConfig
from dynfocus_cli.model.network import DynFocusModel
from dynfocus_cli.model.prompt import PromptWriter
from dynfocus_cli.planning.device import free_memory, give_back_early, ran_out, require_room
from dynfocus_cli.planning.memory import MemoryModel
from dynfocus_cli.types import ModelInfo

_COMPLAINTS = {
    "missing_keys": "missing",
    "unexpected_keys": "not known",
    "mismatched_keys": "of the wrong size",
}
"""What transformers reports of the weights, and how it is said."""

SMALL_BYTES = 128 << 20
"""Weights up to this size run in float32."""
LARGE_BYTES = 512 << 20
"""Weights above this size are worth slower memory for less of it."""


def load_model(
    name_or_path: str | None, device: str = "auto", quantize: Quantization | None = None
) -> LoadedModel:
    """Loads a model by name or folder onto `auto`, `cpu` or `cuda`.

    Args:
        quantize: None leaves the model as it is stored.

    Raises:
        ModelUnavailable: unknown, incomplete or damaged, or CUDA is asked for and not there.
        UsageError: a quantization other than the one that the model is stored in.
        OutOfMemory: its weights are more than the memory that is free.
    """
    return load_weights(outline_model(name_or_path, device, quantize))


def outline_model(
    name_or_path: str | None, device: str = "auto", quantize: Quantization | None = None
) -> ModelOutline:
    """Reads all of a model but its weights. Raises as `load_model`."""
    name, folder = find_model(name_or_path)
    place = _device(device)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with _part(folder, "config.json"):
        _check_config(folder)
        config = DynFocusConfig.from_pretrained(folder, local_files_only=True)
        kind = _quantization(folder, config, quantize)
    with _part(folder, "tokenizer"):
        if not (folder / "tokenizer.json").is_file():
            raise ModelUnavailable(f"{folder} is incomplete: it has no tokenizer.json.")
        # False, not left out: else transformers asks on the terminal whether to run a folder's own code.
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if len(tokenizer) > config.text_config.vocab_size:
            raise ModelUnavailable(
                f"The tokenizer in {folder} has {len(tokenizer)} words, and the network knows "
                f"{config.text_config.vocab_size}."
            )
        questions = folder / "question_tokenizer"
        question_tokenizer = load_question_tokenizer(questions) if questions.is_dir() else None
    with _part(folder, "prompt_template"):
        prompt = PromptWriter(config, tokenizer, question_tokenizer)
    preprocessing = Preprocessing.load(folder)
    if preprocessing.size != config.vision_config.image_size:
        raise ModelUnavailable(
            f"The preprocessor_config.json in {folder} makes frames of {preprocessing.size} pixels, and its "
            f"config.json takes {config.vision_config.image_size}."
        )
    dtype = _precision(folder, place)
    with _part(folder, "config.json"):
        memory = MemoryModel(config, kind, dtype, place)
    return ModelOutline(
        name=name,
        folder=folder,
        config=config,
        prompt=prompt,
        preprocessing=preprocessing,
        quantization=kind,
        device=place,
        dtype=dtype,
        memory=memory,
        info=ModelInfo(name, "dynfocus", revision(folder), kind, place.type),
    )


def load_weights(outline: ModelOutline) -> LoadedModel:
    """The network of a model that was outlined.

    Raises:
        ModelUnavailable: the weights are not those of its config.
        OutOfMemory: they are more than the memory that is free.
    """
    folder, config = outline.folder, outline.config
    with _part(folder, "weights"):
        require_room(outline.name, outline.memory.weights, free_memory(outline.device))
        if outline.device.type == "cpu" and outline.memory.weights > LARGE_BYTES:
            give_back_early()
        network = _network(outline)
    familiarity = Familiarity.load(folder)
    if familiarity is not None:
        _check_familiarity(folder, familiarity, config.vision_config.hidden_size)
    return LoadedModel(outline.info, outline, network, familiarity)


@contextmanager
def _part(folder: Path, part: str) -> Iterator[None]:
    """Says which part of a model folder is at fault. Memory that ran out is no fault of the folder."""
    try:
        yield
    except DynFocusError:
        raise
    except Exception as error:
        # No list of kinds: a damaged folder raises nearly anything, from tokenizers even a bare Exception.
        if ran_out(error):
            raise
        raise ModelUnavailable(f"The {part} in {folder} cannot be used: {first_line(error)}") from error


def _check_config(folder: Path) -> None:
    """Raises ModelUnavailable for the `config.json` of another model, or of half a one."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != DynFocusConfig.model_type:
        what = f"a {kind!r} model" if kind else "a model that does not say what it is"
        raise ModelUnavailable(f"{folder} holds {what}, not a DynFocus one: see model_type in config.json.")
    # Left to the defaults of transformers, a part that is not described has billions of parameters.
    missing = [part for part in DynFocusConfig.sub_configs if not isinstance(config.get(part), dict)]
    if missing:
        raise ModelUnavailable(f"The config.json in {folder} does not describe {', '.join(missing)}.")


def _check_familiarity(folder: Path, known: Familiarity, width: int) -> None:
    """Raises ModelUnavailable where it was measured on features of another width."""
    shapes = tuple(known.mean.shape), tuple(known.whitening.shape)
    if shapes != ((width,), (width, width)):
        raise ModelUnavailable(
            f"The familiarity.safetensors in {folder} is of other features: its mean is {shapes[0]} and its "
            f"whitening {shapes[1]}, and the vision encoder's width is {width}."
        )


def _quantization(folder: Path, config: DynFocusConfig, wanted: Quantization | None) -> Quantization:
    """The quantization that runs: as stored, or as asked for of a model that is stored without any."""
    stored = kind_of(getattr(config, "quantization_config", None))
    if wanted is None or wanted == stored:
        return stored
    if stored != "none":
        raise UsageError(
            f"{folder.resolve().name} is stored in {stored}, and cannot run as {wanted}: leave --quantize "
            "out, or convert what it was made of anew."
        )
    return wanted


def _precision(folder: Path, place: torch.device) -> torch.dtype:
    """What a network computes in. A small one in float32, for the same answers on every device; else in
    bfloat16, or in float16 on a GPU that is older than that."""
    weights = sum(file.stat().st_size for file in folder.glob("model*.safetensors"))
    if weights <= SMALL_BYTES:
        return torch.float32
    if place.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def _network(outline: ModelOutline) -> DynFocusModel:
    """The network with each of its weights read from its folder, and with none left over."""
    folder, config, precision, kind = outline.folder, outline.config, outline.dtype, outline.quantization
    options: dict[str, Any] = {}
    if kind != "none":
        quieten()
        # Says of every layer that it computes in float16, which is what int8 does.
        warnings.filterwarnings("ignore", "MatMul8bitLt: inputs will be cast", UserWarning)
        stored = settings(kind, precision)
        if getattr(config, "quantization_config", None) is not None:
            config.quantization_config = stored
        else:
            options["quantization_config"] = BitsAndBytesConfig.from_dict(stored)
    loaded: Any = DynFocusModel.from_pretrained(
        None,
        config=config,
        state_dict=_stored(folder, outline.device),
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are told below, by name
        dtype=precision,
        device_map={"": outline.device},
        **options,
    )
    network, report = loaded
    for problem, complaint in _COMPLAINTS.items():
        if found := sorted(map(_key, report[problem])):
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            raise ModelUnavailable(
                f"The weights in {folder} do not fit its config.json: "
                f"{', '.join(found[:3])}{more} {complaint}."
            )
    ready: DynFocusModel = network.eval()
    for parameter in ready.parameters():
        # Of a model that is stored quantized, transformers leaves the rest as it is stored.
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(precision)
    if kind == "nf4" and outline.device.type == "cpu":
        arrange_for_cpu(ready)
    return ready


def _stored(folder: Path, place: torch.device) -> dict[str, Any]:
    """The folder's tensors by name, each read when it is asked for.

    On a CPU they are read and not mapped: pages of a mapped file count as ours until it is closed, at the end
    the whole model a second time.
    """
    how = {"backend": "pread"} if place.type == "cpu" else {}
    stored: dict[str, Any] = {}
    for file in checkpoint_files(folder, ("model.safetensors",)):
        opened = open_safetensors(file, **how)
        stored |= {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
    return stored


def _key(reported: str | tuple[str, torch.Size, torch.Size]) -> str:
    """A parameter's name, and for one of the wrong size what it has and needs."""
    if isinstance(reported, str):
        return reported
    name, has, needs = reported
    return f"{name} {tuple(has)} for {tuple(needs)}"


def _device(wanted: str) -> torch.device:
    if wanted not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device must be auto, cpu or cuda, got {wanted!r}.")
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelUnavailable("No CUDA GPU can be used here: take --device cpu, or --device auto.")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")
