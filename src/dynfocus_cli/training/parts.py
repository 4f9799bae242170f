"""Which weights learn, by stage and by how the language model is tuned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from dynfocus_cli.dpe.score import ScoreNetwork
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.training.settings import Stage, Tune

Part = Literal["score network", "connector", "language model"]
PARTS: tuple[Part, ...] = ("score network", "connector", "language model")

LORA_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The language model's linear layers but its head, as for QLoRA."""
LORA_ALPHA = 2
"""Scale of an adapter, as a multiple of its rank."""

NO_PEFT = "LoRA needs the package peft, which is not installed: pip install 'dynfocus[train]'."


@dataclass(frozen=True, slots=True)
class PartSize:
    """How much of a part learns."""

    part: str
    learning: int
    """Parameters."""
    frozen: int


def part_of(name: str) -> str:
    """The part that a parameter of the network belongs to."""
    if name.startswith("connector.score_network."):
        return "score network"
    if name.startswith("connector."):
        return "connector"
    return "vision encoder" if name.startswith("vision.") else "language model"


def learning_parts(stage: Stage) -> tuple[Part, ...]:
    """The parts of a stage. The paper's first stage is about words for what is seen, and a caption needs no
    frame in particular: the score network learns in the second alone."""
    return ("connector",) if stage == "align" else PARTS


def set_learning(network: DynFocusModel, stage: Stage, tune: Tune, rank: int, seed: int) -> None:
    """Lets what is to learn require gradients, in float32, and nothing else.

    Raises:
        ModelUnavailable: peft is not installed.
    """
    network.requires_grad_(False)
    parts = learning_parts(stage)
    adapted = tune != "full" and "language model" in parts
    if adapted:
        _adapt(network.language_model, rank, seed)
    for name, parameter in network.named_parameters():
        part = part_of(name)
        learns = part in parts and (part != "language model" or not adapted or "lora_" in name)
        if learns:
            # Steps are smaller than what 16 bits can tell apart.
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)


def learning(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """What learns, by name, in the order of the module's parameters."""
    return ((name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad)


def grow_score_network(network: DynFocusModel, question_aware: bool, seed: int) -> bool:
    """Gives a network the score network that the scorer needs and it lacks, untrained but for what it has;
    says whether it was needed."""
    config, connector = network.config, network.connector
    if connector.score_network is not None and (not question_aware or config.question_aware_score):
        return False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        grown = ScoreNetwork(
            config.vision_config.hidden_size,
            config.score_hidden_size,
            config.qformer_config.hidden_size if question_aware else None,
        )
    place = next(connector.parameters())
    if connector.score_network is not None:
        grown.load_state_dict(connector.score_network.state_dict(), strict=False)
    connector.score_network = grown.to(place.device, place.dtype)
    config.score_network, config.question_aware_score = True, question_aware
    config.scorer = "question" if question_aware else "visual"
    return True


def _adapt(language_model: nn.Module, rank: int, seed: int) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ModelUnavailable(NO_PEFT) from error
    adapter = LoraConfig(
        r=rank, lora_alpha=LORA_ALPHA * rank, target_modules=list(LORA_LAYERS), lora_dropout=0.0
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(adapter, language_model)


def require_peft() -> None:
    """Raises ModelUnavailable where it is not installed, before anything is loaded."""
    from importlib.util import find_spec

    if find_spec("peft") is None:
        raise ModelUnavailable(NO_PEFT)
