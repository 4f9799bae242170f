"""What the fixture `golden` is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

GoldenCase = Callable[[str], tuple[dict[str, Any], dict[str, Tensor]]]
"""Description and tensors of a recorded case, by its name."""
