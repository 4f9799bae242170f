"""Our own format: nothing is renamed. Converting it quantizes it, or joins its shards anew."""

from __future__ import annotations

from pathlib import Path

from dynfocus_cli.checkpoints.identity import RETRIEVAL
from dynfocus_cli.checkpoints.sources.config_file import read_config, sound
from dynfocus_cli.checkpoints.sources.recipe import KeyMap, same
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.checkpoints.sources.tensor_files import Part, TensorFiles, checkpoint_files
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.skeleton import parameter_shapes

_KEPT = ("familiarity.safetensors", "domain.json", RETRIEVAL)
"""What else a model folder may hold that belongs to the model."""


def own_config(folder: Path) -> DynFocusConfig:
    """The `config.json` of a model folder of ours. Raises ModelUnavailable where it is none, or damaged."""
    if (kind := read_config(folder).get("model_type")) != DynFocusConfig.model_type:
        what = f"a {kind!r} model" if kind else "a model that does not say what it is"
        raise ModelUnavailable(
            f"{folder} holds {what}, not a DynFocus one. If it is LLaMA-VID or InstructBLIP, "
            "`dynfocus models convert` makes a DynFocus model of it."
        )
    with sound(folder):
        return DynFocusConfig.from_pretrained(folder)


def own_source(folder: Path) -> Source:
    """A model folder of ours.

    Raises:
        ModelUnavailable: something is missing or damaged, or it is quantized already.
    """
    config = own_config(folder)
    with sound(folder):
        shapes = parameter_shapes(config)
    if config.quantization_config is not None:
        raise ModelUnavailable(f"{folder} is quantized already: convert what it was made of instead.")
    files = TensorFiles(map(Part, checkpoint_files(folder, ("model.safetensors",))))
    questions = folder / "question_tokenizer"
    return Source(
        layout="dynfocus",
        folder=folder,
        config=config,
        files=files,
        key_map=KeyMap(same("", "", shapes)),
        tokenizer=folder,
        question_tokenizer=questions if questions.is_dir() else None,
        preprocessing=Preprocessing.load(folder),
        extra=tuple(folder / name for name in _KEPT if (folder / name).is_file()),
    )
