"""A source of weights, ready to be converted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.checkpoints.sources.recipe import KeyMap
from dynfocus_cli.checkpoints.sources.tensor_files import TensorFiles
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.config import DynFocusConfig


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that a model folder is made of, and where it comes from."""

    layout: str
    """In words, for the model card."""
    folder: Path
    config: DynFocusConfig
    files: TensorFiles
    key_map: KeyMap
    tokenizer: Path
    """Folder of the language model's tokenizer."""
    question_tokenizer: Path | None
    """Folder of the Q-Former's; None where it reads the language model's words."""
    preprocessing: Preprocessing
    extra: tuple[Path, ...] = ()
    """Files that belong to the model and are copied as they are."""
