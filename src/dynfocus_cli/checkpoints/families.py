"""The families of networks that dynfocus runs, by config.json's `model_type`."""

from __future__ import annotations

import re
from pathlib import Path

_TITLE = re.compile(r'^    title = "(.+)"$', re.MULTILINE)
_FILES = Path(__file__).resolve().parent.parent / "models" / "families"


def _title(file: Path) -> str:
    """The `title` of the class in a family's file, read as text: an import would take torch with it."""
    title = _TITLE.search(file.read_text(encoding="utf-8"))
    assert title is not None, f'{file} has no line `title = "..."` in its class'
    return title[1]


FAMILIES = {file.stem: _title(file) for file in sorted(_FILES.glob("[!_]*.py"))}
"""Model type -> what people call the family, of each file in `models/families/`: public vision-language
models."""

SELECTORS = {"siglip": "SigLIP", "siglip2": "SigLIP 2", "clip": "CLIP"}
"""Likewise of what `selector` takes. SigLIP 2 of one fixed size calls itself `siglip`; `siglip2` is
NaFlex, of any aspect."""

PUBLIC = FAMILIES | SELECTORS
"""All that comes from the hub as it is."""

OWN, OWN_TYPE = "DynFocus", "dynfocus"
"""Our own network, and its model type."""
