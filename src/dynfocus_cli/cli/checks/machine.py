"""Python, packages, the terminal, codecs and the GPU."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from dynfocus_cli.cli.checks import ODD, Check, State
from dynfocus_cli.errors import ModelUnavailable, VideoUnreadable, first_line

CODECS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "prores", "mjpeg")
"""What nearly all videos are in."""

COMMON_CODECS = frozenset(("h264", "hevc", "av1", "vp9"))
"""Those that one expects to work."""


def python() -> Check:
    import platform

    return Check("python", "ok", f"{platform.python_version()}, {sys.executable}")


def packages() -> Check:
    """Every package that this one requires is there, in a version that will do."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    try:
        requirements = [Requirement(text) for text in requires("dynfocus") or ()]
    except PackageNotFoundError:
        return Check("packages", "note", "dynfocus is not installed, so what it requires is not known")
    wrong = []
    needed = [one for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
    for requirement in needed:
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} is {installed}, needed is {requirement.specifier}")
    if wrong:
        return Check("packages", "fix", "; ".join(wrong), "Install dynfocus again, with pip.", ODD)
    said = f"all {len(needed)} that dynfocus requires, dynfocus {version('dynfocus')}"
    return Check("packages", "ok", said)


def terminal() -> Check:
    from dynfocus_cli.report.terminal import speaks_unicode, stderr_console

    console = stderr_console()
    encoding = getattr(sys.stdout, "encoding", None) or "none"
    colours = "no terminal on stderr"
    if console.is_terminal:
        colours = f"{console.width} columns, {console.color_system or 'no'} colours"
    said = f"{colours}; text in {encoding}"
    if speaks_unicode(encoding):
        return Check("terminal", "ok", said)
    todo = "For more set LC_ALL to a UTF-8 locale, as C.UTF-8."
    return Check("terminal", "note", f"{said}: pictures are drawn in ASCII", todo)


def codecs() -> Check:
    try:
        import av
        from av.codec import Codec
        from av.codec.codec import UnknownCodecError
    except (ImportError, OSError) as error:
        said, todo = f"PyAV cannot be used: {first_line(error)}", "pip install --force-reinstall av"
        return Check("codecs", "fix", said, todo, VideoUnreadable.exit_code)
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


def bitsandbytes(quantize: str | None) -> Check:
    """Its version, and whether its library loads; it is not imported, which takes seconds."""
    import ctypes
    from importlib.metadata import PackageNotFoundError, version

    state, code = _severity(quantize in ("int8", "nf4"))
    todo = "For --quantize and for quantized models: pip install --force-reinstall bitsandbytes"
    spec = find_spec("bitsandbytes")
    if spec is None or not spec.submodule_search_locations:
        return Check("bitsandbytes", state, "is not installed", todo, code)
    libraries = sorted(Path(spec.submodule_search_locations[0]).glob("libbitsandbytes_*"))
    cpu = [library for library in libraries if "_cpu" in library.name]
    try:
        installed = version("bitsandbytes")
        ctypes.CDLL(str(cpu[0]))
    except (PackageNotFoundError, OSError, IndexError) as error:
        return Check("bitsandbytes", state, f"its library does not load: {first_line(error)}", todo, code)
    cuda = sum("_cuda" in library.name for library in libraries)
    return Check("bitsandbytes", "ok", f"{installed}, libraries for CPUs and {cuda} versions of CUDA")


def torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:
        said, todo = f"cannot be used: {first_line(error)}", "pip install --force-reinstall torch"
        return Check("torch", "fix", said, todo, ModelUnavailable.exit_code)
    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for CPUs"
    return Check("torch", "ok", f"{torch.__version__}, {built}, {torch.get_num_threads()} threads")


def cuda(device: str | None) -> Check:
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
    state, code = _severity(device == "cuda")
    card = shutil.which("nvidia-smi") is not None or os.path.exists("/dev/nvidiactl")
    if card and not torch.version.cuda:
        todo = "For the GPU install a CUDA build of torch: https://pytorch.org/get-started/locally/"
        return Check("cuda", state, "an NVIDIA driver is here, but torch is built for CPUs", todo, code)
    if card:
        todo = "See what nvidia-smi says; a driver that is too old is the usual cause."
        return Check("cuda", state, "an NVIDIA driver is here, but torch cannot use it", todo, code)
    if device == "cuda":
        said = "no GPU is here, and the settings ask for one"
        return Check("cuda", state, said, "Set device to auto.", code)
    return Check("cuda", "ok", "no NVIDIA GPU: the CPU does the work")


def _severity(needed: bool) -> tuple[State, int]:
    """State and exit code of a part that does not work, whether or not the settings need it."""
    return ("fix", ModelUnavailable.exit_code) if needed else ("note", 0)
