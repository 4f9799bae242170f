"""Folders of public models, as transformers saves them: which family, which files, how many bytes."""

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
    """The `model_type` of a public model that answers; None for any other folder, also a broken one."""
    model_type = model_type_of(folder)
    return model_type if model_type in FAMILIES else None


def public_family_of(folder: Path) -> str | None:
    """The `model_type` of a public model that answers or selects frames; None for any other folder."""
    model_type = model_type_of(folder)
    return model_type if model_type in PUBLIC else None


def model_type_of(folder: Path) -> str | None:
    """The `model_type` in a folder's config.json; None where it cannot be read."""
    try:
        model_type = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
    return model_type if isinstance(model_type, str) else None


def weight_files(folder: Path) -> tuple[str, ...]:
    """The names of the files that hold the weights, which may be missing.

    Raises:
        ModelUnavailable: the index of the weights is damaged.
    """
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        return (WEIGHTS,)
    try:
        names = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        files = sorted({name for name in names if _plain(name)})
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

    def has(*names: str) -> bool:
        return all((folder / name).is_file() for name in names)

    if not has("config.json"):
        return "config.json"
    for name in weight_files(folder):
        if not has(name):
            return name
    tokenizers = (("tokenizer.json",), ("tokenizer.model",), ("spiece.model",), ("vocab.json", "merges.txt"))
    if not any(has(*files) for files in tokenizers):
        return "tokenizer.json"
    if not (has("preprocessor_config.json") or has("processor_config.json")):
        return "preprocessor_config.json"
    return None


def require_whole(name: str, folder: Path, remedy: str) -> None:
    """
    Raises:
        ModelUnavailable: a file is missing; the message names it, and ends with `remedy`.
    """
    if (missing := missing_file(folder)) is not None:
        raise ModelUnavailable(f"{name} is incomplete: {folder} has no {missing}. {remedy}")


def require_supported(name: str, folder: Path) -> None:
    """
    Raises:
        ModelUnavailable: `folder` holds a network that dynfocus does not run, or none.
    """
    config = read_config(folder)
    if config.get("model_type") != OWN_TYPE:
        require_public(name, config)


def require_public(name: str, config: dict[str, Any]) -> str:
    """The `model_type` of a public model that answers or selects frames. Raises as `require_family`."""
    model_type = config.get("model_type")
    if isinstance(model_type, str) and model_type in SELECTORS:
        return model_type
    return require_family(name, config)


def require_family(name: str, config: dict[str, Any]) -> str:
    """The `model_type` of a public model that answers.

    Raises:
        ModelUnavailable: dynfocus does not run its family, or not in the quantization that it is stored in.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        what = f"a {model_type!r} model" if model_type else "a model that does not say what it is"
        if model_type and not any("vision" in key or "visual" in key for key in config):
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
            "take the model that it was made of, which `quantize` makes as small."
        )
    return model_type


def stored_quantization(folder: Path) -> Quantization:
    """The quantization that a public model is stored in. Raises ModelUnavailable for one not known here."""
    config = read_config(folder)
    require_public(str(folder), config)
    return _stored(config) or "none"


def weights_bytes(folder: Path) -> dict[Quantization, int]:
    """Bytes of a public model's weights in memory, by each quantization that it can run in.

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
    """A public model's parameters, by the shapes in the headers of its files; None for one that is stored
    quantized, whose tensors have other shapes.

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
    """The quantization that a config.json states; None for one that is not known here."""
    stored = config.get("quantization_config")
    if stored is None:
        return "none"
    if not isinstance(stored, dict) or stored.get("quant_method") != "bitsandbytes":
        return None
    if stored.get("load_in_8bit"):
        return "int8"
    return "nf4" if stored.get("load_in_4bit") and stored.get("bnb_4bit_quant_type") == "nf4" else None


def _shapes(file: Path) -> dict[str, list[int]]:
    """The shapes of a safetensors file's tensors, by its header; safetensors itself is slow to import."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > _HEADER_LIMIT:
                raise ValueError("the header is too long")
            header: dict[str, Any] = json.loads(stream.read(length))
        return {key: entry["shape"] for key, entry in header.items() if key != "__metadata__"}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"{file} cannot be read: it is damaged, or was cut short.") from error


def _plain(name: Any) -> bool:
    """True for the name of a file beside the index. Raises ValueError for any other, as a path elsewhere."""
    if not isinstance(name, str) or "/" in name or not name.endswith(".safetensors"):
        raise ValueError(f"{name!r} is no file of weights")
    return True
