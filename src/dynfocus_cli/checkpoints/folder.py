"""Loading a model folder, whatever network it holds: the part at fault, the dtype, the quantization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dynfocus_cli.device import SMALL_BYTES, emulates_bfloat16, ran_out, whole_memory
from dynfocus_cli.errors import DynFocusError, ModelUnavailable, UsageError, first_line
from dynfocus_cli.quantization import kind_of
from dynfocus_cli.types import Quantization

_COMPLAINTS = {
    "missing_keys": "missing",
    "unexpected_keys": "not known",
    "mismatched_keys": "of the wrong size",
}
"""What transformers reports of the weights, and how it is said."""

LARGE_BYTES = 512 << 20
"""Weights above this size are worth slower memory for less of it."""


@contextmanager
def part(folder: Path, name: str) -> Iterator[None]:
    """Raises ModelUnavailable, which names the part of a folder that the block reads, where the block fails.
    Memory that ran out is no fault of the folder.
    """
    try:
        yield
    except DynFocusError:
        raise
    except Exception as error:
        # No list of kinds: a damaged folder raises nearly anything, from tokenizers even a bare Exception.
        if ran_out(error):
            raise
        raise ModelUnavailable(f"The {name} in {folder} cannot be used: {first_line(error)}") from error


def quantization_of(
    folder: Path, config: dict[str, Any] | None, quantize: Quantization | None
) -> Quantization:
    """The quantization that a model runs in: `quantize`, or else the one that it is stored in.

    Args:
        config: the quantization_config of its config.json.

    Raises:
        UsageError: it is stored in another one.
    """
    stored = kind_of(config)
    if quantize is None or quantize == stored:
        return stored
    if stored != "none":
        raise UsageError(
            f"{folder.resolve().name} is stored in {stored}, and cannot run as {quantize}: leave `quantize` "
            "out, or convert what it was made of anew."
        )
    return quantize


def stored_bytes(folder: Path) -> int:
    """Bytes of the weights on disk."""
    return sum(file.stat().st_size for file in folder.glob("model*.safetensors"))


def precision(weights: int, place: torch.device, kind: Quantization = "none") -> torch.dtype:
    """The dtype that a network computes in.

    A small one has float32, for the same answers on every device; others bfloat16, or float16 on a GPU
    without bfloat16. On a CPU that only emulates bfloat16 it is float32, if the weights, twice as large then,
    leave half of the machine's memory.

    Args:
        weights: bytes of the weights on disk.
    """
    if weights <= SMALL_BYTES:
        return torch.float32
    if kind == "none" and emulates_bfloat16(place) and 2 * weights <= whole_memory() / 2:
        return torch.float32
    if place.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def complaint(folder: Path, report: Mapping[str, Sequence[Any]], problems: Sequence[str]) -> str | None:
    """Which weights are missing, unexpected or misshapen, by transformers' report; None if none."""
    for problem in problems:
        if keys := sorted(map(_key, report[problem])):
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            return (
                f"The weights in {folder} do not fit its config.json: "
                f"{', '.join(keys[:3])}{more} {_COMPLAINTS[problem]}."
            )
    return None


def _key(reported: str | tuple[str, torch.Size, torch.Size]) -> str:
    """A parameter's name; of one with the wrong shape also the shape it has and the one it needs."""
    if isinstance(reported, str):
        return reported
    name, has, needs = reported
    return f"{name} {tuple(has)} for {tuple(needs)}"
