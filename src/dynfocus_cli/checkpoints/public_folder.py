"""A folder of a public vision-language model, as transformers saves it: what it is, and if it is whole."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

from dynfocus_cli.checkpoints.families import FAMILIES, OWN_TYPE, PUBLIC, SELECTORS
from dynfocus_cli.checkpoints.footprint import Footprint
from dynfocus_cli.checkpoints.record import reading
from dynfocus_cli.checkpoints.sources.config_file import read_config
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.types import Quantization

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

SIDE_FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
)
"""What transformers reads beside the weights: text, and sentencepiece's words. No code, no pickles."""

_HEADER_LIMIT = 100 << 20
"""Bytes of a safetensors header; the format's own bound."""


def family_of(folder: Path) -> str | None:
    """The `model_type` of a folder that transformers runs for us; None for any other, also a broken one."""
    kind = model_type_of(folder)
    return kind if kind in FAMILIES else None


def public_family_of(folder: Path) -> str | None:
    """The same, and of a selector's folder."""
    kind = model_type_of(folder)
    return kind if kind in PUBLIC else None


def model_type_of(folder: Path) -> str | None:
    """What a folder's config.json says that it is; None where it cannot be read."""
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
    return kind if isinstance(kind, str) else None


def weight_files(folder: Path) -> tuple[str, ...]:
    """The names of the files that hold the weights, whether they are there or not.

    Raises:
        ModelUnavailable: the index of the weights is damaged.
    """
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        return (WEIGHTS,)
    try:
        named = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        files = sorted({name for name in named if _plain(name)})
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"{folder / INDEX} cannot be read: it is no index of weights.") from error
    if not files:
        raise ModelUnavailable(f"{folder / INDEX} names no files of weights.")
    return tuple(files)


def missing_file(folder: Path) -> str | None:
    """The first file that a model cannot do without and that is not there; None where it is whole.

    Raises:
        ModelUnavailable: the index of the weights is damaged.
    """

    def there(*names: str) -> bool:
        return all((folder / name).is_file() for name in names)

    if not there("config.json"):
        return "config.json"
    for name in weight_files(folder):
        if not there(name):
            return name
    words = (("tokenizer.json",), ("tokenizer.model",), ("spiece.model",), ("vocab.json", "merges.txt"))
    if not any(there(*files) for files in words):
        return "tokenizer.json"
    if not (there("preprocessor_config.json") or there("processor_config.json")):
        return "preprocessor_config.json"
    return None


def require_whole(name: str, folder: Path, todo: str) -> None:
    """
    Raises:
        ModelUnavailable: a file is missing; the message names it, and ends with `todo`.
    """
    if (missing := missing_file(folder)) is not None:
        raise ModelUnavailable(f"{name} is incomplete: {folder} has no {missing}. {todo}")


def require_supported(name: str, folder: Path) -> None:
    """
    Raises:
        ModelUnavailable: `folder` holds a network that dynfocus does not run, or none.
    """
    config = read_config(folder)
    if config.get("model_type") != OWN_TYPE:
        require_public(name, config)


def require_public(name: str, config: dict[str, Any]) -> str:
    """As `require_family`, and a selector will do as well."""
    kind = config.get("model_type")
    return kind if isinstance(kind, str) and kind in SELECTORS else require_family(name, config)


def require_family(name: str, config: dict[str, Any]) -> str:
    """The family of a public model, by its config.json.

    Raises:
        ModelUnavailable: it is of none that dynfocus runs, or stored in a way that is not known here.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        what = f"a {kind!r} model" if kind else "a model that does not say what it is"
        if kind and not any("vision" in key or "visual" in key for key in config):
            what += ", which reads text alone"
        hint = " Where its makers have a version for transformers, often named -hf, take that."
        raise ModelUnavailable(
            f"{name} is {what}. Of the hub dynfocus runs {', '.join(FAMILIES.values())}."
            f"{hint if 'auto_map' in config else ''}"
        )
    if _stored(config) is None:
        stored = config["quantization_config"]
        method = stored.get("quant_method") if isinstance(stored, dict) else None
        raise ModelUnavailable(
            f"{name} is stored in {method or 'bits'}, and dynfocus knows NF4 and int8 of bitsandbytes alone: "
            "take the model that it was made of, which --quantize makes as small."
        )
    return kind


def stored_quantization(folder: Path) -> Quantization:
    """What a public model is stored in.

    Raises:
        ModelUnavailable: something that is not known here.
    """
    config = read_config(folder)
    require_public(str(folder), config)
    return _stored(config) or "none"


def weights_bytes(folder: Path) -> dict[Quantization, int]:
    """What a public model's weights take in memory, by each quantization that it can run in.

    Raises:
        ModelUnavailable: a file of weights cannot be read.
    """
    if (footprint := footprint_of(folder)) is None:
        with reading():
            return {
                stored_quantization(folder): sum((folder / n).stat().st_size for n in weight_files(folder))
            }
    return footprint.by_quantization()


def footprint_of(folder: Path) -> Footprint | None:
    """What decides the memory of a public model, by the shapes of its tensors; their numbers are not read.
    None for one that is stored in fewer bits, whose tensors have other shapes.

    Raises:
        ModelUnavailable: a file of weights cannot be read.
    """
    if stored_quantization(folder) != "none":
        return None
    parameters = layers = 0
    for name in weight_files(folder):
        for key, shape in _shapes(folder / name).items():
            parameters += prod(shape)
            if len(shape) == 2 and ".layers." in key and "vision" not in key:
                layers += prod(shape)
    return Footprint(parameters, layers)


def _stored(config: dict[str, Any]) -> Quantization | None:
    """What a config.json says that its weights are stored in; None for what is not known here."""
    stored = config.get("quantization_config")
    if stored is None:
        return "none"
    if not isinstance(stored, dict) or stored.get("quant_method") != "bitsandbytes":
        return None
    if stored.get("load_in_8bit"):
        return "int8"
    return "nf4" if stored.get("load_in_4bit") and stored.get("bnb_4bit_quant_type") == "nf4" else None


def _shapes(file: Path) -> dict[str, list[int]]:
    """The tensors of a safetensors file, read off its header, without the packages that would read it."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > _HEADER_LIMIT:
                raise ValueError("the header is too long")
            header: dict[str, Any] = json.loads(opened.read(length))
        return {key: entry["shape"] for key, entry in header.items() if key != "__metadata__"}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"{file} cannot be read: it is damaged, or was cut short.") from error


def _plain(name: Any) -> bool:
    """Whether a name of the index is a file beside it, and not a way out of the folder."""
    if not isinstance(name, str) or "/" in name or not name.endswith(".safetensors"):
        raise ValueError(f"{name!r} is no file of weights")
    return True
