"""Our own format: nothing is renamed. Converting it quantizes it, or joins its shards anew."""

from __future__ import annotations

from pathlib import Path

from dynfocus_cli.checkpoints.sources.config_file import sound
from dynfocus_cli.checkpoints.sources.recipe import KeyMap, same
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.checkpoints.sources.tensor_files import Part, TensorFiles, checkpoint_files
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.model.config import DynFocusConfig
from dynfocus_cli.model.skeleton import parameter_shapes

_KEPT = ("familiarity.safetensors",)
"""What else a model folder may hold that belongs to the model."""


def own_source(folder: Path) -> Source:
    """A model folder of ours.

    Raises:
        ModelUnavailable: something is missing or damaged, or it is quantized already.
    """
    with sound(folder):
        config = DynFocusConfig.from_pretrained(folder, local_files_only=True)
        shapes = parameter_shapes(config)
    if getattr(config, "quantization_config", None) is not None:
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
