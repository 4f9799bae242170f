"""The precision that the recipe computes in."""

from __future__ import annotations

import torch

from dynfocus_cli.device import emulates_bfloat16


def training_precision() -> torch.autocast:
    """bfloat16 on a CPU that multiplies in it, else float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=not emulates_bfloat16(torch.device("cpu")))
