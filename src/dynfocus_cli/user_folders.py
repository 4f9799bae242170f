"""The folders of a user's own, on machines where the user may have none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

NO_HOME = Path(os.devnull)
"""The home of a user without one, as in a container or a service: nothing is there, and nothing is kept."""


def user_folder(kind: Literal["cache", "config", "data"]) -> Path:
    """Where dynfocus keeps what it worked out, its settings, or its models, as `~/.cache/dynfocus`."""
    import platformdirs

    try:
        return Path(getattr(platformdirs, f"user_{kind}_dir")("dynfocus"))
    except RuntimeError:  # no HOME, and a user id without an entry in the password file
        return NO_HOME / kind / "dynfocus"


def expand(path: str) -> Path:
    """A path as a user writes it, absolute: `~/models` -> `/home/ada/models`."""
    expanded = os.path.expanduser(path)
    return (NO_HOME / expanded[1:].lstrip("/") if expanded.startswith("~/") else Path(expanded)).absolute()
