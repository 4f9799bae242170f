"""A network whose rods are the paper's from its first lesson: each holds its own frame alone.

    python -m dynfocus_tiny.plain --work runs/plain --out runs/plain-model

The rods of `--start` say besides how a frame differs from those around it, and in which shot it is
(`change_window`, `change_shots`). What such a network learned it cannot do without, so the paper's method is
measured with one that never had it (`benchmarks/ablation.py`, `docs/experiments.md`). Vision encoder,
Q-Former and the rods' attention, which know single frames, are those of `--start`; score network, projectors
and language model begin anew, and go through the curriculum of `recipe.py`. `--change` trains the other side
of the comparison: the same lessons from the same beginning, with the rods of `--start`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.synth.world import MAX_SCENES
from dynfocus_tiny.answers import initialise
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.curriculum import CURRICULUM, CurriculumModel, Phase, train_answers
from dynfocus_tiny.domain import TrainedWorld
from dynfocus_tiny.grounding import grounded_parts
from dynfocus_tiny.recipe import (
    PREPROCESSING,
    TRAINING_CLIPS,
    TRAINING_SEED,
    VALIDATION_CLIPS,
    VALIDATION_SEED,
    VISION_BATCH,
)
from dynfocus_tiny.run import ANSWERS, VISION, Run, set_up_torch, trained_model
from dynfocus_tiny.vision import ReadOuts, train_vision

READ_OUT_STEPS = 1000
"""Of the heads that the projectors begin with, on a vision encoder that stays as it is."""


def begun_anew(trained: DynFocusModel, seed: int, *, change: bool) -> DynFocusModel:
    """A network that sees and looks as `trained` does, and has learned nothing else.

    Args:
        change: its rods also say what is around their frame; else they are plain.
    """
    torch.manual_seed(seed)
    config = trained.config
    if not change:
        config = replace(config, change_window=0, change_shots=0, change_quantiles=())
    model = DynFocusModel(config)
    model.vision.load_state_dict(trained.vision.state_dict())
    for own, other in zip(grounded_parts(model), grounded_parts(trained), strict=True):
        own.load_state_dict(other.state_dict())
    return model


class PlainRecipe(Run):
    """The stages of a run in `work`, one after the other on one network.

    Args:
        start: the model folder whose vision encoder, Q-Former and attention of the rods are taken.
        curriculum: of the stage of answers.
        change: its rods also say what is around their frame.

    Raises:
        SystemExit: the folder is that of a run with another seed, start, curriculum or kind of rods.
    """

    def __init__(
        self, work: Path, seed: int, start: Path, curriculum: Sequence[Phase], *, change: bool = False
    ) -> None:
        self.seed, self._curriculum = seed, curriculum
        trained, prompt = trained_model(start)
        model = begun_anew(trained, seed, change=change)
        steps = [phase.steps for phase in curriculum]
        rods = "change" if change else "plain"
        settings = {"seed": seed, "start": revision(start), "rods": rods, "steps": steps}
        super().__init__(work, settings, model, prompt, PREPROCESSING, TrainedWorld(), MAX_SCENES)
        self.training = ClipStore(work / "training", TRAINING_CLIPS, TRAINING_SEED)
        self.validation = ClipStore(work / "validation", VALIDATION_CLIPS, VALIDATION_SEED)

    def stages(self) -> dict[str, Callable[[], nn.Module]]:
        """As `Run`."""
        return {VISION: self.read_outs, ANSWERS: self.curriculum_model}

    def train(self) -> None:
        """Runs the stages that are not done yet, and loads what those that are had learned."""
        read_outs = self.read_outs()
        train_vision(self.work / VISION, read_outs, steps=READ_OUT_STEPS, seed=self.seed)
        for clips in (self.validation, self.training):
            clips.build(self.model, PREPROCESSING, self.seed)
        initialise(self.model, read_outs.heads, self.seed)
        train_answers(self.work / ANSWERS, self.curriculum_model())

    def read_outs(self) -> ReadOuts:
        """The heads in their stage."""
        return ReadOuts(self.model, batch=VISION_BATCH, seed=self.seed)

    def curriculum_model(self) -> CurriculumModel:
        """The network in the stage of answers."""
        return CurriculumModel(
            self.model, self.prompt, self.training, self.validation, self.seed, self._curriculum
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network with the paper's rods; resumes by itself.")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/plain"), help="checkpoints, caches and the logs"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/plain-model"), help="the model folder")
    parser.add_argument("--start", type=Path, default=Path("weights/old-world/model"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of each phase's steps of answers")
    parser.add_argument("--change", action="store_true", help="rods that also say what is around their frame")
    parser.add_argument("--so-far", action="store_true", help="train no further: write the folder alone")
    arguments = parser.parse_args()
    set_up_torch()
    curriculum = [replace(phase, steps=max(1, round(arguments.share * phase.steps))) for phase in CURRICULUM]
    recipe = PlainRecipe(arguments.work, arguments.seed, arguments.start, curriculum, change=arguments.change)
    if arguments.so_far:
        print(recipe.load())
    else:
        recipe.train()
    recipe.export(arguments.out)


if __name__ == "__main__":
    main()
