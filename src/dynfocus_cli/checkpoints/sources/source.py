"""The weights and settings of another project's model, ready to be converted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.checkpoints.sources.recipe import KeyMap
from dynfocus_cli.checkpoints.sources.tensor_files import TensorFiles
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.config import DynFocusConfig


@dataclass(frozen=True, slots=True)
class Source:
    """All that a model folder is made of."""

    layout: str
    """Its name in the model card."""
    folder: Path
    config: DynFocusConfig
    files: TensorFiles
    key_map: KeyMap
    tokenizer: Path
    """Folder of the language model's tokenizer."""
    question_tokenizer: Path | None
    """Folder of the Q-Former's tokenizer; None where it shares the language model's."""
    preprocessing: Preprocessing
    extra: tuple[Path, ...] = ()
    """More files of the model, which are copied unchanged."""
