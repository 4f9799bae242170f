"""Which recordings are read, and what the fixture `golden` is."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from torch import Tensor

# Read at import: what surrounds every test unsets DYNFOCUS_*.
FULL_RECORDINGS = os.environ.get("DYNFOCUS_GOLDEN")
"""The folder of the full recordings; None: the cut ones in tests/golden/ are read."""

GoldenCase = Callable[[str], tuple[dict[str, Any], dict[str, Tensor]]]
"""Description and tensors of a recorded case, by its name."""
