"""What the recipe computes in."""

from __future__ import annotations

import torch


def lesson_precision() -> torch.autocast:
    """bfloat16 on a CPU that multiplies in it. One without AVX-512 only emulates that, 45 times as slowly as
    float32 (1,024 squared, one core), so there it is float32."""
    fast = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    return torch.autocast("cpu", torch.bfloat16, enabled=fast)
