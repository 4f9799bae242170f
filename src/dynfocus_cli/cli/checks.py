"""What `dynfocus doctor` looks at. A part that is missing or broken is a finding, no error."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dynfocus_cli.cli.commands import environment
from dynfocus_cli.errors import (
    DynFocusError,
    ModelUnavailable,
    OutOfMemory,
    UsageError,
    VideoUnreadable,
    first_line,
)

if TYPE_CHECKING:
    from dynfocus_cli.cli.settings import Settings

State = Literal["ok", "note", "fix"]

ODD = 1
"""Exit code where dynfocus itself, or a package, is not whole."""

LITTLE_DISK = 1 << 30
"""Bytes; a disk with less room is worth a note."""

CODECS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "prores", "mjpeg")
"""What nearly all videos are in."""

COMMON_CODECS = frozenset(("h264", "hevc", "av1", "vp9"))
"""Those that one expects to work."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    state: State
    """`note` where dynfocus can answer, if not in every way."""
    said: str
    todo: str = ""
    code: int = 0
    """What a command would exit with; 0 unless the state is `fix`."""


def all_checks() -> Iterator[Check]:
    """Everything, in an order in which causes come before effects; slow ones last."""
    settings, configuration = _configuration()
    yield configuration
    yield from _settled(settings)
    with environment({} if settings is None else settings.folders()):
        for name, check in _checks(settings).items():
            yield _safely(name, check)


def _checks(settings: Settings | None) -> dict[str, Callable[[], Check]]:
    model, quantize, device = (_value(settings, key) for key in ("model", "quantize", "device"))
    return {
        "variables": _variables,
        "python": _python,
        "packages": _packages,
        "terminal": _terminal,
        "codecs": _codecs,
        "models": _models_folder,
        "model": lambda: _model(model),
        "cache": _cache,
        "bitsandbytes": lambda: _bitsandbytes(quantize),
        "torch": _torch,
        "cuda": lambda: _cuda(device),
        "memory": lambda: _memory(model),
    }


def _safely(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except DynFocusError as error:
        return Check(name, "fix", str(error), code=error.exit_code)
    except Exception as error:  # a broken package raises anything
        said = f"cannot be looked at: {type(error).__name__}: {first_line(error)}"
        return Check(name, "fix", said, "Set DYNFOCUS_DEBUG=1 and run an answer to see where.", ODD)


def _value(settings: Settings | None, key: str) -> str | None:
    """What is settled for `ask`."""
    found = None if settings is None else settings.of_command("ask").get(key)
    return None if found is None else str(found.value)


def _configuration() -> tuple[Settings | None, Check]:
    from dynfocus_cli.cli.config import load_settings

    try:
        settings = load_settings()
    except UsageError as error:
        return None, Check("settings", "fix", str(error), code=error.exit_code)
    if settings.exists:
        return settings, Check("settings", "ok", str(settings.file))
    return settings, Check("settings", "ok", f"none; they would stand in {settings.file}")


def _settled(settings: Settings | None) -> Iterator[Check]:
    for settled in settings or ():
        overruled = ", overruled" if settings is not None and settings.overruled(settled) else ""
        yield Check("setting", "ok", f"{settled.key} = {settled.value} ({settled.origin}){overruled}")


def _variables() -> Check:
    from dynfocus_cli.cli.config import unknown_variables

    unknown = unknown_variables()
    if not unknown:
        return Check("variables", "ok", "none that is misspelt")
    meant = "; ".join(f"{name} ({near}?)" if near else name for name, near in unknown.items())
    return Check("variables", "note", f"not known, so without effect: {meant}", "Correct or unset them.")


def _python() -> Check:
    import platform

    return Check("python", "ok", f"{platform.python_version()}, {sys.executable}")


def _packages() -> Check:
    """Every package that this one requires is there, in a version that will do."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in requires("dynfocus") or ()]
    except PackageNotFoundError:
        return Check("packages", "note", "dynfocus is not installed, so what it requires is not known")
    wrong = []
    needed = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    for requirement in needed:
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement.name} is {found}, needed is {requirement.specifier}")
    if wrong:
        return Check("packages", "fix", "; ".join(wrong), "Install dynfocus again, with pip.", ODD)
    return Check(
        "packages", "ok", f"all {len(needed)} that dynfocus requires, dynfocus {version('dynfocus')}"
    )


def _terminal() -> Check:
    from dynfocus_cli.report.terminal import speaks_unicode, stderr_console

    console = stderr_console()
    encoding = getattr(sys.stdout, "encoding", None) or "none"
    if not console.is_terminal:
        colours = "no terminal on stderr"
    else:
        colours = f"{console.width} columns, {console.color_system or 'no'} colours"
    said = f"{colours}; text in {encoding}"
    if speaks_unicode(encoding):
        return Check("terminal", "ok", said)
    return Check(
        "terminal",
        "note",
        f"{said}: pictures are drawn in ASCII",
        "For more set LC_ALL to a UTF-8 locale, as C.UTF-8.",
    )


def _codecs() -> Check:
    try:
        import av
        from av.codec import Codec
        from av.codec.codec import UnknownCodecError
    except (ImportError, OSError) as error:
        return Check(
            "codecs",
            "fix",
            f"PyAV cannot be used: {first_line(error)}",
            "pip install --force-reinstall av",
            VideoUnreadable.exit_code,
        )
    there = []
    for name in CODECS:
        try:
            Codec(name, "r")
        except UnknownCodecError:
            continue
        there.append(name)
    said = f"PyAV {av.__version__} decodes {', '.join(there)}"
    missing = sorted(COMMON_CODECS.difference(there))
    if missing:
        todo = "pip install --force-reinstall --only-binary av av"
        return Check("codecs", "note", f"{said}; not {', '.join(missing)}", todo)
    return Check("codecs", "ok", said)


def _models_folder() -> Check:
    from dynfocus_cli.checkpoints.registry import installed_models, models_folder

    folder, installed = models_folder(), installed_models()
    said = f"{folder}: {', '.join(installed) if installed else 'none installed'}; {_room(folder)}"
    if (problem := _unwritable(folder)) is not None:
        return Check("models", "note", f"{said}; {problem}", "Name another folder with DYNFOCUS_MODELS_DIR.")
    return Check("models", "ok", said)


def _model(wanted: str | None) -> Check:
    """The model that a plain `ask` would take: its files are there and whole, as far as a look tells."""
    from dynfocus_cli.checkpoints.registry import find_model
    from dynfocus_cli.checkpoints.size import readable
    from dynfocus_cli.checkpoints.sources.config_file import read_config

    name, folder = find_model(wanted)
    read_config(folder)
    files = _weights(folder)
    size = sum(file.stat().st_size for file in files)
    if size == 0:
        raise ModelUnavailable(f"{folder} holds no weights.")
    return Check("model", "ok", f"{name}, {readable(size)}, {folder}")


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


def _cache() -> Check:
    from dynfocus_cli.checkpoints.size import readable
    from dynfocus_cli.features.cache import FeatureCache

    cache = FeatureCache.of_user()
    if not cache.limit:
        return Check("cache", "ok", "off")
    try:
        size = cache.info().size
    except OSError as error:
        problem: str | None = f"cannot be read: {error.strerror}"
        size = 0
    else:
        problem = _unwritable(cache.folder)
    said = f"{cache.folder}: {readable(size)} of {readable(cache.limit)}; {_room(cache.folder)}"
    todo = "Name another folder with DYNFOCUS_CACHE_DIR, or give --no-cache."
    if problem is not None:
        return Check("cache", "note", f"{said}; {problem}", todo)
    if shutil.disk_usage(_nearest(cache.folder)).free < LITTLE_DISK:
        return Check("cache", "note", f"{said}, which is little", todo)
    return Check("cache", "ok", said)


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _room(folder: Path) -> str:
    from dynfocus_cli.checkpoints.size import readable

    return f"{readable(shutil.disk_usage(_nearest(folder)).free)} free"


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be written there, or None."""
    there = _nearest(folder)
    if not there.is_dir():
        return f"{there} is a file"
    return None if os.access(there, os.W_OK | os.X_OK) else f"{there} may not be written"


def _bitsandbytes(quantize: str | None) -> Check:
    """Without importing it, which takes seconds: its version, and whether its library loads."""
    import ctypes
    from importlib.metadata import PackageNotFoundError, version

    wanted = quantize in ("int8", "nf4")
    state: State = "fix" if wanted else "note"
    code = ModelUnavailable.exit_code if wanted else 0
    todo = "For --quantize and for quantized models: pip install --force-reinstall bitsandbytes"
    spec = find_spec("bitsandbytes")
    if spec is None or not spec.submodule_search_locations:
        return Check("bitsandbytes", state, "is not installed", todo, code)
    libraries = sorted(Path(spec.submodule_search_locations[0]).glob("libbitsandbytes_*"))
    cpu = [library for library in libraries if "_cpu" in library.name]
    try:
        found = version("bitsandbytes")
        ctypes.CDLL(str(cpu[0]))
    except (PackageNotFoundError, OSError, IndexError) as error:
        return Check("bitsandbytes", state, f"its library does not load: {first_line(error)}", todo, code)
    cuda = sum("_cuda" in library.name for library in libraries)
    return Check("bitsandbytes", "ok", f"{found}, libraries for CPUs and {cuda} versions of CUDA")


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check(
            "torch",
            "fix",
            f"cannot be used: {first_line(error)}",
            "pip install --force-reinstall torch",
            ModelUnavailable.exit_code,
        )
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for CPUs"
    return Check("torch", "ok", f"{torch.__version__}, {built}, {torch.get_num_threads()} threads")


def _cuda(wanted: str | None) -> Check:
    """A GPU is no need, unless the settings say so."""
    try:
        import torch
    except (ImportError, OSError):
        return Check("cuda", "note", "not known without torch", "See torch.")

    from dynfocus_cli.checkpoints.size import readable

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        free, total = torch.cuda.mem_get_info(0)
        said = f"{properties.name}, {readable(free)} of {readable(total)} free"
        return Check("cuda", "ok", f"{said}, capability {properties.major}.{properties.minor}")
    state: State = "fix" if wanted == "cuda" else "note"
    code = ModelUnavailable.exit_code if wanted == "cuda" else 0
    card = shutil.which("nvidia-smi") is not None or os.path.exists("/dev/nvidiactl")
    if card and not torch.version.cuda:
        todo = "For the GPU install a CUDA build of torch: https://pytorch.org/get-started/locally/"
        return Check("cuda", state, "an NVIDIA driver is here, but torch is built for CPUs", todo, code)
    if card:
        todo = "See what nvidia-smi says; a driver that is too old is the usual cause."
        return Check("cuda", state, "an NVIDIA driver is here, but torch cannot use it", todo, code)
    if wanted == "cuda":
        return Check(
            "cuda", "fix", "no GPU is here, and the settings ask for one", "Set device to auto.", code
        )
    return Check("cuda", "ok", "no NVIDIA GPU: the CPU does the work")


def _memory(wanted: str | None) -> Check:
    """What is free, next to the weights of the model that a plain `ask` would take."""
    from dynfocus_cli.checkpoints.registry import find_model
    from dynfocus_cli.checkpoints.size import readable

    try:
        import torch

        from dynfocus_cli.planning.device import free_memory

        free = free_memory(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    except (ImportError, OSError):
        import psutil

        free = psutil.virtual_memory().available
    try:
        name, folder = find_model(wanted)
        size = sum(file.stat().st_size for file in folder.glob("model*.safetensors"))
    except (ModelUnavailable, OSError):
        return Check("memory", "ok", f"{readable(free)} free")  # the model has a line of its own
    if size > free:
        todo = "Close other programs, or take a smaller model or --quantize nf4."
        said = f"{readable(free)} free, and {name} takes {readable(size)}"
        return Check("memory", "fix", said, todo, OutOfMemory.exit_code)
    return Check("memory", "ok", f"{readable(free)} free; {name} takes {readable(size)}")
