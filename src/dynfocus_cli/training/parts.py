"""Which weights are trained, by stage and by how the language model is tuned."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from dynfocus_cli.dpe.score import ScoreNetwork
from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.network.config import DynFocusConfig
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.quantization import quieten
from dynfocus_cli.training.settings import Stage, Tune

Part = Literal["score network", "connector", "language model"]
PARTS: tuple[Part, ...] = ("score network", "connector", "language model")

LORA_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The language model's linear layers but its head, as for QLoRA."""
LORA_ALPHA = 2
"""Scale of an adapter, as a multiple of its rank."""


@dataclass(frozen=True, slots=True)
class PartSize:
    """How many parameters of a part are trained."""

    part: str
    learning: int
    frozen: int


def part_of(name: str) -> str:
    """The part that a parameter of the network belongs to."""
    if name.startswith("connector.score_network."):
        return "score network"
    if name.startswith("connector."):
        return "connector"
    return "vision encoder" if name.startswith("vision.") else "language model"


def trained_parts(stage: Stage) -> tuple[Part, ...]:
    """The parts that a stage trains. Stage align learns words for what is seen from captions, which need no
    frame in particular, so the score network is trained in stage instruct alone."""
    return ("connector",) if stage == "align" else PARTS


def set_trainable(network: DynFocusModel, stage: Stage, tune: Tune, rank: int, seed: int) -> None:
    """Makes the parameters that the stage trains require gradients, in float32, and no others.

    Raises:
        ModelUnavailable: adapters are needed, and peft is not installed.
    """
    network.requires_grad_(False)
    parts = trained_parts(stage)
    adapted = tune != "full" and "language model" in parts
    if adapted:
        _add_adapters(network.language_model, rank, seed)
    for name, parameter in network.named_parameters():
        part = part_of(name)
        if part in parts and (part != "language model" or not adapted or "lora_" in name):
            # Steps are smaller than what 16 bits can tell apart.
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)


def part_sizes(
    config: DynFocusConfig, stage: Stage, tune: Tune, rank: int, added_scorer: bool | None
) -> list[PartSize]:
    """How much of each part would be trained, counted on a network without weights.

    Args:
        added_scorer: whether a score network that is added reads the question; None: none is added.
    """
    with torch.device("meta"):
        network = DynFocusModel(deepcopy(config))  # adding a score network changes it
        if added_scorer is not None:
            add_score_network(network, added_scorer, seed=0)
        set_trainable(network, stage, tune, rank, seed=0)
    sizes = {part: [0, 0] for part in (*PARTS, "vision encoder")}
    for name, parameter in network.named_parameters():
        sizes[part_of(name)][not parameter.requires_grad] += parameter.numel()
    return [PartSize(part, *counts) for part, counts in sizes.items()]


def trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that require gradients, by name, in the module's order."""
    return ((name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad)


def add_score_network(network: DynFocusModel, question_aware: bool, seed: int) -> bool:
    """Gives a network the score network that the scorer needs; returns whether it lacked it.

    Weights that the network's own score network shares with the new one are kept; the others are random.
    """
    config, connector = network.config, network.connector
    if connector.score_network is not None and (not question_aware or config.question_aware_score):
        return False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        added = ScoreNetwork(
            config.vision_config.hidden_size,
            config.score_hidden_size,
            config.qformer_config.hidden_size if question_aware else None,
        )
    like = next(connector.parameters())
    if connector.score_network is not None:
        added.load_state_dict(connector.score_network.state_dict(), strict=False)
    connector.score_network = added.to(like.device, like.dtype)
    config.score_network, config.question_aware_score = True, question_aware
    config.scorer = "question" if question_aware else "visual"
    return True


def _add_adapters(language_model: nn.Module, rank: int, seed: int) -> None:
    require_peft()
    quieten()  # peft imports bitsandbytes
    from peft import LoraConfig, inject_adapter_in_model

    adapter = LoraConfig(
        r=rank, lora_alpha=LORA_ALPHA * rank, target_modules=list(LORA_LAYERS), lora_dropout=0.0
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(adapter, language_model)


def require_peft() -> None:
    """Raises ModelUnavailable where peft is not installed."""
    from importlib.util import find_spec

    if find_spec("peft") is None:
        raise ModelUnavailable(
            "LoRA needs the package peft, which is not installed: pip install 'dynfocus[train]'."
        )
