"""Models, the memory that they need, and the cache."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dynfocus_cli.cli.checks import Check
from dynfocus_cli.cli.flag_names import with_flags
from dynfocus_cli.errors import DynFocusError, ModelUnavailable, OutOfMemory, first_line

if TYPE_CHECKING:
    from dynfocus_cli.checkpoints.choice import DeviceKind
    from dynfocus_cli.options import RunOptions
    from dynfocus_cli.types import Quantization

LITTLE_DISK = 1 << 30
"""Bytes; a disk with less room is worth a note."""


def models_folder() -> Check:
    from dynfocus_cli.checkpoints.registry import installed_models, models_folder

    folder, installed = models_folder(), installed_models()
    said = f"{folder}: {', '.join(installed) if installed else 'none installed'}"
    return _folder("models", folder, said, "Name another folder with DYNFOCUS_MODELS_DIR.")


def model(name: str | None, device: str | None, quantize: str | None, options: RunOptions) -> Check:
    """The model that a plain `ask` would take: its files are there and whole, as far as a look tells, and it
    can run as the settings ask.

    Raises:
        ModelUnavailable: it is not here, damaged, or cannot run on this machine.
        UsageError: it cannot run in `quantize`, or as `options` say.
    """
    from dynfocus_cli.checkpoints.size import readable
    from dynfocus_cli.checkpoints.sources.config_file import read_config

    kind, free = _place(device)
    called, folder, notice = _choice(name, kind, free)
    read_config(folder)
    size = sum(file.stat().st_size for file in _weights(folder))
    if size == 0:
        raise ModelUnavailable(f"{folder} holds no weights.")
    _check_run(name, kind, quantize, options)
    return Check("model", "note" if notice else "ok", f"{called}, {readable(size)}, {folder}", notice)


def memory(name: str | None, device: str | None, quantize: str | None) -> Check:
    """Free memory, compared with the weights of that model on its device in its quantization."""
    from dynfocus_cli.checkpoints.size import readable

    kind, free = _place(device)
    where = "on the GPU" if kind == "cuda" else "for the CPU"
    try:
        from dynfocus_cli.models.open import read_model_spec

        spec = read_model_spec(name, kind, cast("Quantization | None", quantize))
    except (DynFocusError, OSError, ImportError):
        return Check("memory", "ok", f"{readable(free)} free {where}")  # the cause has a line of its own
    size, runs_in = spec.memory.weights, spec.info.quantization
    quantized = "" if runs_in == "none" else f" in {runs_in}"
    said = f"{readable(free)} free {where}; {spec.name} takes {readable(size)}{quantized}"
    if size > free:
        todo = "Close other programs, or take a smaller model or --quantize nf4."
        return Check("memory", "fix", said, todo, OutOfMemory.exit_code)
    return Check("memory", "ok", said)


def _check_run(name: str | None, kind: DeviceKind, quantize: str | None, options: RunOptions) -> None:
    """Raises what `ask` raises before it decodes an ordinary video: ModelUnavailable and UsageError."""
    try:
        from dynfocus_cli.cce.budget import most_frames
        from dynfocus_cli.models.open import read_model_spec
        from dynfocus_cli.planning.token_limit import token_limit
        from dynfocus_cli.types import VideoSource

        spec = read_model_spec(name, kind, cast("Quantization | None", quantize))
    except (ImportError, OSError):  # of a package, which has a line of its own
        return
    video = VideoSource("video.mp4", 60.0, 1280, 720, 30.0, "h264", 0, False, 0, 0.0)
    question = spec.scorer("What happens?", options.selection.scorer)
    prompt = spec.text_tokens(question.text, prefix=question.prefix)
    limit = token_limit(spec, video, options, prompt, None)
    most_frames(limit.tokens, spec.price(video, 2, options.selection))


def _choice(name: str | None, kind: DeviceKind, free: int) -> tuple[str, Path, str]:
    """Name and folder of the model that answers, and what its user should know."""
    if name is None:
        from dynfocus_cli.checkpoints.choice import default_model

        choice = default_model(kind, free)
        return choice.name, choice.folder, with_flags(choice.notice)
    from dynfocus_cli.checkpoints.registry import find_model

    return *find_model(name), ""


def _place(device: str | None) -> tuple[DeviceKind, int]:
    """Where a model would run, and the bytes that are free there."""
    try:
        import torch

        from dynfocus_cli.device import free_memory

        kind: DeviceKind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        return kind, free_memory(torch.device(kind))
    except (ImportError, OSError):  # a finding of its own
        import psutil

        return "cpu", psutil.virtual_memory().available


def _weights(folder: Path) -> list[Path]:
    """A model's files. Raises ModelUnavailable for one that is missing, cut short or no safetensors."""
    import json

    from safetensors import SafetensorError, safe_open

    files = set(folder.glob("model*.safetensors"))
    index = folder / "model.safetensors.index.json"
    try:
        if index.is_file():
            files |= {folder / name for name in json.loads(index.read_text("utf-8"))["weight_map"].values()}
        for file in sorted(files):
            with safe_open(file, framework="numpy"):
                pass
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(
            f"{folder} is damaged: {first_line(error)}. Install or convert the model anew."
        ) from error
    return sorted(files)


def cache() -> Check:
    from dynfocus_cli.checkpoints.size import binary
    from dynfocus_cli.features.cache import FeatureCache

    cache = FeatureCache.of_user()
    if not cache.limit:
        return Check("cache", "ok", "off")
    todo = "Name another folder with DYNFOCUS_CACHE_DIR, or give --no-cache."
    try:
        size = cache.info().size
    except OSError as error:
        return Check("cache", "note", f"{cache.folder} cannot be read: {error.strerror}", todo)
    said = f"{cache.folder}: {binary(size)} of {binary(cache.limit)}"
    return _folder("cache", cache.folder, said, todo)


def _folder(name: str, folder: Path, said: str, todo: str) -> Check:
    """Whether anything can be written to a folder, and how much."""
    from dynfocus_cli.checkpoints.size import readable

    there = folder
    while not os.path.exists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return Check(name, "note", f"{said}; {there} is a file", todo)
    if not os.access(there, os.W_OK | os.X_OK):
        return Check(name, "note", f"{said}; {there} may not be written", todo)
    free = shutil.disk_usage(there).free
    if free < LITTLE_DISK:
        return Check(name, "note", f"{said}; only {readable(free)} free", todo)
    return Check(name, "ok", f"{said}; {readable(free)} free")
