"""The weights of the paper's network: from a model folder's tensors into its modules."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dynfocus_cli.checkpoints.folder import complaint
from dynfocus_cli.checkpoints.sources.tensor_files import checkpoint_files, open_safetensors
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.skeleton import quantized_layers, skeleton
from dynfocus_cli.quantization import (
    arrange_for_cpu,
    leave_unarranged,
    quantized,
    quantized_linear,
    quantized_parts,
    quieten,
)
from dynfocus_cli.types import Quantization


def read_network(
    folder: Path,
    config: DynFocusConfig,
    device: torch.device,
    dtype: torch.dtype,
    kind: Quantization,
    *,
    learns: bool = False,
) -> DynFocusModel:
    """The network with each of its weights read from `folder`, and with none left over.

    Args:
        dtype: what it computes in.
        learns: gradients are to pass through it, which they cannot where 4-bit weights are arranged for
            answering alone.

    Raises:
        ModelUnavailable: the weights are not those of the config.
    """
    stored, network = _stored(folder, device), skeleton(config)
    layers = quantized_layers(config) if kind != "none" else frozenset[str]()
    if layers:
        quieten()
        # Says of every layer that it computes in float16, which is what int8 does.
        warnings.filterwarnings("ignore", "MatMul8bitLt: inputs will be cast", UserWarning)
    whole = config.quantization_config is None
    _check(folder, stored, _expected(network, layers, kind, whole=whole))
    for name in layers:
        parts = {part: stored.pop(part)[...].to(device) for part in quantized_parts(name, kind, whole=whole)}
        if whole:
            parts = quantized(name, parts[name], kind, dtype)
        owner, _, layer = name.removesuffix(".weight").rpartition(".")
        plain = network.get_submodule(f"{owner}.{layer}")
        assert isinstance(plain, nn.Linear)
        setattr(network.get_submodule(owner), layer, quantized_linear(plain, name, parts, kind, dtype))
    for name, each in stored.items():
        owner, _, part = name.rpartition(".")
        setattr(network.get_submodule(owner), part, nn.Parameter(each[...].to(device, dtype)))
    network.language_model.tie()
    if kind == "nf4" and device.type == "cpu":
        leave_unarranged(network) if learns else arrange_for_cpu(network)
    return network.eval()


def _expected(
    network: DynFocusModel, layers: frozenset[str], kind: Quantization, *, whole: bool
) -> dict[str, tuple[int, ...] | None]:
    """Name of each tensor that the folder should have, with its shape; None for what is packed."""
    expected: dict[str, tuple[int, ...] | None] = {}
    for name, tensor in network.stored().items():
        if name in layers and not whole:
            expected |= dict.fromkeys(quantized_parts(name, kind, whole=False))
        else:
            expected[name] = tuple(tensor.shape)
    return expected


def _check(folder: Path, stored: Mapping[str, Any], expected: Mapping[str, tuple[int, ...] | None]) -> None:
    shapes = {name: tuple(each.get_shape()) for name, each in stored.items()}
    report = {
        "missing_keys": expected.keys() - shapes.keys(),
        "unexpected_keys": shapes.keys() - expected.keys(),
        "mismatched_keys": [
            (name, shapes[name], shape)
            for name, shape in expected.items()
            if shape is not None and shapes.get(name, shape) != shape
        ],
    }
    problem = complaint(folder, {what: list(names) for what, names in report.items()}, tuple(report))
    if problem is not None:
        raise ModelUnavailable(f"{problem} If an earlier dynfocus wrote this folder, make it anew.")


def _stored(folder: Path, device: torch.device) -> dict[str, Any]:
    """The folder's tensors by name, each read when it is asked for.

    On a CPU they are read and not mapped: pages of a mapped file count as ours until it is closed, at the end
    the whole model a second time.
    """
    how = {"backend": "pread"} if device.type == "cpu" else {}
    stored: dict[str, Any] = {}
    for file in checkpoint_files(folder, ("model.safetensors",)):
        opened = open_safetensors(file, **how)
        stored |= {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
    return stored
