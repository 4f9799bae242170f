"""Fewer bits for the language model's linear layers, by bitsandbytes; all else keeps its precision."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dynfocus_cli.types import Quantization

KEPT = ("vision", "connector", "lm_head")
"""Modules that stay as they are; the connector's features are clustered and compared."""
BLOCK = 64
"""Weights that share a scale in NF4."""
_NF4_PARTS = ("absmax", "quant_map", "nested_absmax", "nested_quant_map", "quant_state.bitsandbytes__nf4")
OUTLIER = 6.0
"""Activations beyond it are multiplied in 16 bits by int8 layers (Dettmers et al., LLM.int8(), 2022)."""

ORDERED_ROWS = 32
"""Rows of a 4-bit weight that bitsandbytes orders together for a CPU."""


def settings(kind: Quantization, compute: torch.dtype, kept: Sequence[str] = KEPT) -> dict[str, Any] | None:
    """What transformers calls a quantization config; None for `none`. The modules `kept` stay as they are."""
    if kind == "none":
        return None
    common: dict[str, Any] = {"quant_method": "bitsandbytes", "llm_int8_skip_modules": list(kept)}
    if kind == "int8":
        return common | {"load_in_8bit": True, "load_in_4bit": False}
    return common | {
        "load_in_8bit": False,
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": str(compute).removeprefix("torch."),
    }


def kind_of(stored: dict[str, Any] | None) -> Quantization:
    """The quantization of a model folder, by its config's `quantization_config`.

    Raises:
        ValueError: one that is not known here.
    """
    if stored is None:
        return "none"
    if stored.get("quant_method") == "bitsandbytes":
        if stored.get("load_in_8bit"):
            return "int8"
        if stored.get("load_in_4bit") and stored.get("bnb_4bit_quant_type") == "nf4":
            return "nf4"
    raise ValueError(
        f"unknown quantization {stored.get('quant_method')!r}; bitsandbytes nf4 and int8 are known"
    )


def quantized(name: str, weight: Tensor, kind: Quantization, compute: torch.dtype) -> dict[str, Tensor]:
    """A layer's weight as bitsandbytes stores it, under the names that it is loaded by.

    Shape:
        weight: (out, in), of the name `name`, which ends in `.weight`.
    """
    quieten()
    from bitsandbytes import functional

    if kind == "int8":
        codes, scales, _ = functional.int8_vectorwise_quant(weight.to(torch.float16))
        layer = name.removesuffix(".weight")
        row_major = torch.tensor(0, dtype=torch.uint8)
        return {name: codes, f"{layer}.SCB": scales, f"{layer}.weight_format": row_major}
    codes, state = functional.quantize_4bit(
        weight.contiguous(), blocksize=BLOCK, quant_type="nf4", compress_statistics=True
    )
    state.dtype = compute
    parts = {f"{name}.{part}": tensor for part, tensor in state.as_dict(packed=True).items()}
    return {name: codes, **parts}


def quantized_parts(name: str, kind: Quantization, *, whole: bool) -> tuple[str, ...]:
    """Names of what is stored of the weight `name`: of a quantized one as `quantized` gives them; a `whole`
    one is a single tensor."""
    if whole:
        return (name,)
    if kind == "int8":
        layer = name.removesuffix(".weight")
        return name, f"{layer}.SCB", f"{layer}.weight_format"
    return name, *(f"{name}.{part}" for part in _NF4_PARTS)


def quantized_linear(
    plain: nn.Linear, name: str, parts: dict[str, Tensor], kind: Quantization, compute: torch.dtype
) -> nn.Linear:
    """bitsandbytes' layer in the place of `plain`, with the weight that is stored as `parts`.

    Args:
        parts: on the device where the layer is to run, under the names that `quantized` gives.
    """
    from bitsandbytes.nn.modules import Int8Params, Linear4bit, Linear8bitLt, Params4bit

    sizes, bias = (plain.in_features, plain.out_features), plain.bias is not None
    codes = parts[name]
    if kind == "int8":
        eight = Linear8bitLt(
            *sizes, bias, has_fp16_weights=False, threshold=OUTLIER, device=torch.device("meta")
        )
        scales = parts[f"{name.removesuffix('.weight')}.SCB"]
        eight.weight = Int8Params(codes, requires_grad=False, CB=codes, SCB=scales)
        return eight
    four = Linear4bit(*sizes, bias, compute_dtype=compute, quant_type="nf4", device=torch.device("meta"))
    four.weight = Params4bit.from_prequantized(
        codes,
        {part.removeprefix(f"{name}."): tensor for part, tensor in parts.items() if part != name},
        device=codes.device,
        module=four,
    )
    return four


def stored_bytes(shape: tuple[int, ...], kind: Quantization) -> int:
    """About what a quantized weight takes on disk and in memory."""
    weights = math.prod(shape)
    if kind == "int8":
        return weights + 4 * shape[0]
    scales = weights // BLOCK
    return weights // 2 + scales + 4 * (scales // 256 + 1) + 4 * (16 + 256) + 200


def arrange_for_cpu(network: nn.Module) -> None:
    """Lets bitsandbytes order 4-bit weights as this CPU reads them: now, and not in the first answer.

    A layer whose sides are no multiples of what is ordered together stays as it is, and is slower.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in network.modules():
        if isinstance(module, Linear4bit):
            if module.out_features % ORDERED_ROWS or module.in_features % BLOCK:
                module.support_avx512bf16_for_cpu = False
                continue
            with torch.inference_mode():
                module(torch.zeros(1, module.in_features, dtype=module.compute_dtype))


def leave_unarranged(network: nn.Module) -> None:
    """Keeps bitsandbytes from ordering 4-bit weights for a CPU: ordered ones let no gradient through, and
    their scales are rounded."""
    from bitsandbytes.nn.modules import Linear4bit

    for module in network.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def quieten() -> None:
    """Imports bitsandbytes without what it would do beside: tell users about packages that could be faster,
    and fetch a compiled kernel from a hub where the package `kernels` is installed."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    if "bitsandbytes" in sys.modules:
        return
    missing = object()
    known = sys.modules.get("kernels", missing)
    sys.modules["kernels"] = None  # type: ignore[assignment]  # makes its import fail
    try:
        import bitsandbytes  # noqa: F401
    finally:
        if known is missing:
            del sys.modules["kernels"]
        else:
            sys.modules["kernels"] = known  # type: ignore[assignment]
