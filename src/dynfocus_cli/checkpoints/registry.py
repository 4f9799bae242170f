"""Names of models, and the folders they stand for."""

from __future__ import annotations

import os
from pathlib import Path

from dynfocus_cli.errors import ModelUnavailable

DEFAULT_MODEL = "dynfocus-tiny"

_PACKAGE = Path(__file__).resolve().parent.parent
# In a wheel the weights lie inside the package, in a checkout beside `src`.
_BUNDLES = (_PACKAGE / "weights", _PACKAGE.parent.parent / "weights")


def bundled_models() -> dict[str, Path]:
    """The models that come with this installation: name -> folder."""
    found: dict[str, Path] = {}
    for bundle in _BUNDLES:
        if bundle.is_dir():
            for config in sorted(bundle.glob("*/config.json")):
                found.setdefault(config.parent.name, config.parent)
    return found


def find_model(name_or_path: str | None) -> tuple[str, Path]:
    """The name and folder of a model; None stands for the default one.

    Raises:
        ModelUnavailable: neither a known name nor a folder with a `config.json`.
    """
    wanted = DEFAULT_MODEL if name_or_path is None else name_or_path
    bundled = bundled_models()
    if wanted in bundled:
        return wanted, bundled[wanted]
    # os.path, since pathlib raises for a name that is too long to be one.
    if wanted and os.path.isfile(os.path.join(wanted, "config.json")):
        folder = Path(wanted)
        return folder.resolve().name, folder
    known = ", ".join(bundled) or "none"
    if wanted and os.path.isdir(wanted):
        raise ModelUnavailable(
            f"{wanted} is a folder without config.json, so no model. Known models: {known}."
        )
    if wanted == DEFAULT_MODEL:
        raise ModelUnavailable(
            f"{DEFAULT_MODEL} did not come with this installation: install dynfocus again, or name another "
            "--model."
        )
    raise ModelUnavailable(
        f"No model {wanted!r}: it is neither a known name ({known}) nor a folder. "
        "Leave --model out for the default."
    )
