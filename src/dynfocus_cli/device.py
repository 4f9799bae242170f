"""The memory of the device that a network runs on, and the precision that it computes fast in."""

from __future__ import annotations

import ctypes
import math
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from dynfocus_cli.errors import OutOfMemory

CGROUPS = Path("/sys/fs/cgroup")

SMALL_BYTES = 128 << 20
"""Of weights, up to which a network is small: it computes in float32, and on a CPU with one thread."""
LARGE_BLOCK = 4 << 20
_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of malloc.h."""


_share = 1.0
"""Of a device's memory that this process plans with."""


def take_memory_share(share: float) -> None:
    """Has this process plan with a share of the device's memory alone, for others work there as well."""
    global _share
    _share = share


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken: on a GPU with what torch holds and does not use; on a CPU the memory
    that can be had without swapping. Of a share of the device no more than is left of that."""
    if device.type == "cuda":
        free, whole = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(min(free + held, _share * whole - torch.cuda.memory_allocated(device)))
    return int(_share * min(psutil.virtual_memory().available, _container_limit()))


@contextmanager
def threads_for(weights: int, device: torch.device) -> Iterator[None]:
    """Has torch compute with one thread where a network with `weights` bytes is small and on a CPU.

    Its tensors are too small to be shared out, and a second thread is busy while it waits for its share: on
    busy cores an answer took 1.7 times the processor time that it takes with one thread.
    """
    before = torch.get_num_threads()
    if device.type == "cpu" and weights <= SMALL_BYTES:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def same_device(device: torch.device, other: torch.device) -> bool:
    """Whether both are one device: torch compares names, and `cuda` is `cuda:0`.

    A GPU without a number is the current one, which is always the first here.
    """
    return device.type == other.type and (device.index or 0) == (other.index or 0)


def whole_memory() -> int:
    """Bytes that this machine has, or its control group may take: the same whatever else runs."""
    try:
        limit = float((_control_group() / "memory.max").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        limit = math.inf  # no such groups here, or `max`
    return int(min(psutil.virtual_memory().total, limit))


def emulates_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is emulated there: by x86 CPUs without AVX-512, whose matrix products (1,024 squared,
    one core) then take 45 times as long as in float32."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return device.type == "cpu" and x86 and not torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def _control_group() -> Path:
    group = Path("/proc/self/cgroup").read_text(encoding="utf-8").strip().rpartition("::")[2]
    return CGROUPS / group.lstrip("/")


def _container_limit() -> float:
    """Bytes that this process's control group (cgroup v2) may still take; without a limit infinity.

    What its files occupy and nobody uses is given back when it is needed, so it counts as free.
    """
    try:
        folder = _control_group()
        limit = int((folder / "memory.max").read_text(encoding="utf-8"))
        taken = int((folder / "memory.current").read_text(encoding="utf-8"))
        statistics = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
        unused = next(int(line.split()[1]) for line in statistics if line.startswith("inactive_file "))
    except (OSError, ValueError, StopIteration):
        return math.inf  # no such groups here, or `max`
    return max(0, limit - taken + unused)


def give_back_early() -> None:
    """Lets the C library (glibc) return every large block to the system as soon as it is free.

    Left to itself it learns to keep blocks of up to 32 MiB, a layer's results, in case they are wanted again:
    a 7B network then held 4 GB more than it used, and no plan could foresee what. Fresh pages cost time, in
    S-DPC a third, next to minutes in the language model: worth it for large networks alone.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # musl has none
        libc.mallopt(_MMAP_THRESHOLD, LARGE_BLOCK)


def require_room(name: str, weights: int, free: int) -> None:
    """
    Raises:
        OutOfMemory: a model's weights are more than what is free.
    """
    if weights > free:
        raise OutOfMemory(
            f"The weights of {name} take {weights / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free: "
            "take a smaller or quantized model (`quantize=nf4`), or another `device`."
        )


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch has a class for it on GPUs, and none on CPUs."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # torch's CPU allocator raises a bare RuntimeError, and so do some of the libraries that CUDA calls.
    said = str(error)
    return isinstance(error, RuntimeError) and ("DefaultCPUAllocator" in said or "out of memory" in said)


def release(device: torch.device) -> None:
    """Gives back what torch holds and does not use, so that a smaller try finds it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
