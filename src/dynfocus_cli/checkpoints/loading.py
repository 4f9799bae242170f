"""Loading a model folder; the one place that decides on device and dtype."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from dynfocus_cli.checkpoints.registry import find_model
from dynfocus_cli.errors import ModelUnavailable, UsageError
from dynfocus_cli.features.familiarity import Familiarity
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.model.config import DynFocusConfig
from dynfocus_cli.model.connector import Question
from dynfocus_cli.model.network import DynFocusModel
from dynfocus_cli.model.prompt import PromptWriter
from dynfocus_cli.types import ModelInfo


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network with everything that belongs to it."""

    info: ModelInfo
    network: DynFocusModel
    prompt: PromptWriter
    preprocessing: Preprocessing
    familiarity: Familiarity | None
    device: torch.device

    @property
    def config(self) -> DynFocusConfig:
        """The network's sizes and settings."""
        return self.network.config

    @property
    def context(self) -> int:
        """Tokens that the language model can hold."""
        tokens: int = self.config.text_config.max_position_embeddings
        return tokens

    @property
    def dtype(self) -> torch.dtype:
        """What the vision encoder computes in."""
        return self.network.vision.dtype

    def encode_question(self, question: str | None) -> Question | None:
        """The question as the Q-Former reads it, a batch of one."""
        if question is None:
            return None
        longest = self.network.connector.question_encoder.longest_question
        ids = torch.tensor([self.prompt.question(question, longest)], device=self.device)
        return Question(ids, torch.ones_like(ids))


def load_model(name_or_path: str | None, device: str = "auto") -> LoadedModel:
    """Loads a model by name or folder onto `auto`, `cpu` or `cuda`.

    Raises:
        ModelUnavailable: unknown, incomplete or damaged, or CUDA is asked for and not there.
    """
    name, folder = find_model(name_or_path)
    place = _device(device)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        config = DynFocusConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type != DynFocusConfig.model_type:
            raise ModelUnavailable(f"{folder} holds a {config.model_type!r} model, not a DynFocus one.")
        network, report = DynFocusModel.from_pretrained(
            folder, config=config, local_files_only=True, output_loading_info=True, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        prompt = PromptWriter(config, tokenizer)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelUnavailable(f"The model in {folder} cannot be loaded: {_first_line(error)}") from error
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[problem]:
            keys = ", ".join(sorted(map(str, report[problem]))[:3])
            raise ModelUnavailable(
                f"The weights in {folder} do not fit its config: {problem.replace('_', ' ')} {keys}."
            )
    return LoadedModel(
        info=ModelInfo(name, "dynfocus", revision(folder), "none", place.type),
        network=network.to(place).eval(),
        prompt=prompt,
        preprocessing=Preprocessing.load(folder),
        familiarity=Familiarity.load(folder),
        device=place,
    )


def revision(folder: Path) -> str:
    """The first 12 hex digits of the SHA-256 over the folder's weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("model*.safetensors")):
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:12]


def _device(wanted: str) -> torch.device:
    if wanted not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device must be auto, cpu or cuda, got {wanted!r}.")
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelUnavailable("No CUDA GPU can be used here: take --device cpu, or --device auto.")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
