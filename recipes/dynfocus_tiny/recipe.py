"""The recipe of the old world, from nothing to the network that `wide.py` goes on with: the first half of
`make tiny`.

    python -m dynfocus_tiny --work runs/old-world --out runs/old-world-model

Every stage resumes from its last checkpoint, so the command may be killed and given again at any time.
`--start FOLDER` goes on from a model folder instead, with its vision encoder as it is: fewer steps of
grounding, and a shorter curriculum, which `--share` shortens and `--focus` turns to what is still weak. A
run's folder belongs to one start, one seed and one curriculum. With `--mean` the weights that are written are
halfway between those that such a run started from and those it came to: either forgets some of what the other
knows, and the mean less (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
Seeds of clips: 1,000,000 onwards for training, 500,000 onwards for validation, 2,000,000 onwards for the
tokenizer, above 2^41 for the vision stage. Seeds below 500,000 are never trained on: tests take those.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.synth.world import MAX_SCENES
from dynfocus_tiny.answers import initialise
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.config import IMAGE_SIZE, tiny_config
from dynfocus_tiny.curriculum import CURRICULUM, FURTHER, TYPES, CurriculumModel, train_answers
from dynfocus_tiny.domain import TrainedWorld
from dynfocus_tiny.grounding import GroundingModel, initialise_question_encoder, train_grounding
from dynfocus_tiny.run import ANSWERS, GROUNDING, VISION, Run, set_up_torch, trained_model
from dynfocus_tiny.tokenizer import train_tokenizer
from dynfocus_tiny.vision import VisionModel, train_vision

TRAINING_CLIPS, TRAINING_SEED = 3000, 1_000_000
VALIDATION_CLIPS, VALIDATION_SEED = 150, 500_000
VISION_STEPS, VISION_BATCH = 12000, 32
GROUNDING_STEPS, FURTHER_GROUNDING_STEPS = 4000, 1500

PREPROCESSING = Preprocessing(size=IMAGE_SIZE, fit="squash")


def fresh_model(seed: int) -> tuple[DynFocusModel, PromptWriter]:
    """The untrained network and its tokenizer."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(seed)
    config = tiny_config(tokenizer)
    return DynFocusModel(config), PromptWriter(config, tokenizer)


class Recipe(Run):
    """The stages of a run in `work`, one after the other on one network.

    Args:
        start: a model folder to go on from; None begins with nothing.
        share: of each phase's steps of answers.
        focus: types of question that are asked more often.

    Raises:
        SystemExit: the folder is that of a run with another seed, start or curriculum.
    """

    def __init__(
        self,
        work: Path,
        seed: int,
        start: Path | None = None,
        *,
        share: float = 1.0,
        focus: Collection[str] = (),
    ) -> None:
        self.seed, self.start = seed, start
        self.share, self.focus = share, sorted(focus)
        settings = {
            "seed": seed,
            "start": None if start is None else revision(start),
            "share": share,
            "focus": self.focus,
        }
        model, prompt = fresh_model(seed) if start is None else trained_model(start)
        super().__init__(work, settings, model, prompt, PREPROCESSING, TrainedWorld(), MAX_SCENES)
        self.training = ClipStore(work / "training", TRAINING_CLIPS, TRAINING_SEED)
        self.validation = ClipStore(work / "validation", VALIDATION_CLIPS, VALIDATION_SEED)

    def train(self) -> None:
        """Runs the stages that are not done yet, and loads what those that are had learned."""
        grounding_steps = FURTHER_GROUNDING_STEPS
        if self.start is None:
            vision = self.vision_model()
            train_vision(self.work / VISION, vision, steps=VISION_STEPS, seed=self.seed)
            initialise_question_encoder(self.model, self.seed)
            grounding_steps = GROUNDING_STEPS
        for clips in (self.validation, self.training):
            clips.build(self.model, PREPROCESSING, self.seed)
        grounding = self.grounding_model()
        train_grounding(
            self.work / GROUNDING, grounding, self.validation, steps=grounding_steps, seed=self.seed
        )
        if self.start is None:
            initialise(self.model, vision.heads, self.seed)
        train_answers(self.work / ANSWERS, self.curriculum_model())

    def vision_model(self) -> VisionModel:
        """The network in stage 1."""
        return VisionModel(self.model, batch=VISION_BATCH, seed=self.seed)

    def grounding_model(self) -> GroundingModel:
        """The network in stage 2."""
        return GroundingModel(self.model, self.prompt, self.training, self.seed)

    def curriculum_model(self) -> CurriculumModel:
        """The network in stage 3."""
        phases = CURRICULUM if self.start is None else FURTHER
        curriculum = [replace(phase, steps=max(1, round(self.share * phase.steps))) for phase in phases]
        return CurriculumModel(
            self.model,
            self.prompt,
            self.training,
            self.validation,
            self.seed,
            curriculum,
            focus=self.focus,
        )

    def stages(self) -> dict[str, Callable[[], nn.Module]]:
        """As `Run`; a network that goes on sees as before."""
        stages: dict[str, Callable[[], nn.Module]] = {VISION: self.vision_model} if self.start is None else {}
        return stages | {GROUNDING: self.grounding_model, ANSWERS: self.curriculum_model}

    @torch.no_grad()
    def average_with_start(self) -> None:
        """Takes the mean of the network's weights and those of `start`."""
        assert self.start is not None
        start = trained_model(self.start)[0].state_dict()
        for name, value in self.model.named_parameters():  # each tied one once
            value.lerp_(start[name], 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network on the old world; resumes by itself.")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/old-world"), help="checkpoints, caches and the logs"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/old-world-model"), help="the model folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, default=None, help="a model folder to go on from")
    parser.add_argument("--share", type=float, default=1.0, help="of each phase's steps of answers")
    parser.add_argument(
        "--focus",
        action="append",
        choices=TYPES,
        default=[],
        help="a type to ask three times as often; repeats",
    )
    parser.add_argument("--so-far", action="store_true", help="train no further: write the folder alone")
    parser.add_argument("--mean", action="store_true", help="write the mean of --start and what came of it")
    arguments = parser.parse_args()
    if arguments.mean and arguments.start is None:
        parser.error("--mean needs --start.")
    set_up_torch()
    recipe = Recipe(
        arguments.work, arguments.seed, arguments.start, share=arguments.share, focus=arguments.focus
    )
    if arguments.so_far:
        print(recipe.load())
    else:
        recipe.train()
    if arguments.mean:
        recipe.average_with_start()
    recipe.export(arguments.out)
