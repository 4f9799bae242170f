"""The recipe of the widened world, the second half of `make tiny`: the network of the old world goes on where
drawings, sizes and proportions vary, and becomes `dynfocus-tiny`.

    python -m dynfocus_tiny.wide --work runs/wide --materials materials --out weights/dynfocus-tiny
    torchrun --standalone --nproc-per-node 2 -m -- dynfocus_tiny.wide ...

The network of `--start` grows (`growth.py`), its vision encoder learns from frames of the widened world, then
the Q-Former and the rods to look, and the language model to answer, also that it cannot tell. Between seeing
and looking features are brought to the scale that density peaks need (`feature_scale.py`). With `torchrun`
several processes share the work (`workers.py`). Every stage goes on from its last checkpoint. `--materials`
is a folder of fonts and pictures (`materials.py`). Seeds of clips: 4,000,000 onwards for training, 3,500,000
onwards for validation, above 2^41 for the vision stage.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.synth.unanswerable import CANNOT_TELL, UNANSWERABLE
from dynfocus_cli.synth.world import WIDE
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.curriculum import TYPES, CurriculumModel, Phase, train_answers
from dynfocus_tiny.domain import widened_world
from dynfocus_tiny.feature_scale import DEVIATION, deviation, divide_features
from dynfocus_tiny.frames import more_small
from dynfocus_tiny.grounding import GroundingModel, train_grounding
from dynfocus_tiny.growth import grown
from dynfocus_tiny.materials import load_materials
from dynfocus_tiny.run import ANSWERS, GROUNDING, VISION, Run, set_up_torch, trained_model
from dynfocus_tiny.vision import DenseHeads, ReadOuts, VisionModel, train_vision
from dynfocus_tiny.workers import ALONE, Worker, join, leave

READ_OUTS = "read-outs"
"""The folder of the heads that the vision stage begins with."""
IMAGE_SIZE, VISION_LAYERS, MAX_FRAMES = 96, 6, 300
TRAINING_CLIPS, TRAINING_SEED = 3000, 4_000_000
"""Of 1,200 clips, 2,400 steps learned a good part by heart: 79 % right on them, 66 % on others."""
VALIDATION_CLIPS, VALIDATION_SEED = 150, 3_500_000
OLD_VALIDATION_CLIPS, OLD_VALIDATION_SEED = 100, 500_000
CHANGE_QUANTILES = (0.3, 0.5, 0.7, 0.85)
"""Of a letterboxed picture as few as two fifths of the patches change at a cut, and at most a third where a
thing enters: from 0.7 on a cut shows in any picture, and without bars the lower ones tell it surer."""
READ_OUT_STEPS = 200
"""Of the heads alone, before the encoder moves: what it sees already is not to be unlearned."""
VISION_STEPS, VISION_BATCH, ENCODER_SHARE = 6000, 32, 0.5
GROUNDING_STEPS = 1400
PREPROCESSING = Preprocessing(size=IMAGE_SIZE, fit="letterbox")
WIDE_TYPES = (*TYPES, UNANSWERABLE)
CURRICULUM = (
    Phase("again", 500, (8, 16, 24, 32, 48), 32, (1, 2, 4), 7e-4, 0.9, sigma=(0.1, 0.1)),
    Phase("wide", 4000, (16, 24, 32, 32, 48, 48, 64, 96), 32, (1, 2, 2, 4), 7e-4, 0.5, sigma=(0.1, 0.1)),
    Phase(
        "long", 2000, (16, 24, 32, 48, 64, 96, 128, 180, 240, 280), 32, (2, 4, 4, 4), 3.5e-4, 0.02,
        sigma=(0.1, 0.05),
    ),
)  # fmt: skip


class WideRecipe(Run):
    """The stages of a run in `work`, one after the other on one network.

    Args:
        start: a model folder to begin with, of either recipe.
        materials: a folder of fonts and pictures.
        clips: to train on.
        first_clip: the seed of the first training clip; of those it has trained on, a network learned much by
            heart.
        vision_steps, grounding_steps: 0 leaves a stage as the network of `start` has it.
        curriculum: of the stage of answers.
        worker: which of the processes that train this network; each has its share of the clips.

    Raises:
        SystemExit: the folder is that of a run with another seed, start, clips or number of workers; or the
            clips cannot be shared equally.
    """

    def __init__(
        self,
        work: Path,
        seed: int,
        start: Path,
        materials: Path,
        *,
        clips: int | None = None,
        first_clip: int = TRAINING_SEED,
        vision_steps: int | None = None,
        grounding_steps: int | None = None,
        curriculum: Sequence[Phase] | None = None,
        worker: Worker = ALONE,
    ) -> None:
        self.seed, self.worker, self._first_work = seed, worker, work
        self._vision_steps = VISION_STEPS if vision_steps is None else vision_steps
        self._grounding_steps = GROUNDING_STEPS if grounding_steps is None else grounding_steps
        self._curriculum = CURRICULUM if curriculum is None else curriculum
        trained = widened_world(load_materials(materials))
        assert trained.draw is not None
        self.draw = trained.draw
        begun, prompt = trained_model(start)
        torch.manual_seed(seed)  # of what a new layer begins with
        model = grown(
            begun,
            image_size=IMAGE_SIZE,
            layers=VISION_LAYERS,
            max_frames=MAX_FRAMES,
            abstention=CANNOT_TELL,
            change_quantiles=CHANGE_QUANTILES,
        )
        clips = TRAINING_CLIPS if clips is None else clips
        settings = {
            "seed": seed,
            "start": revision(start),
            "clips": clips,
            "first_clip": first_clip,
            "workers": worker.world_size,
            "change_quantiles": list(CHANGE_QUANTILES),
        }
        own = worker.folder(work)
        super().__init__(own, settings, model, prompt, PREPROCESSING, trained, WIDE.scenes[1])
        share, left = divmod(clips, worker.world_size)
        if left or not share:
            raise SystemExit(f"{clips} clips cannot be shared equally among {worker.world_size} workers.")
        self.training = ClipStore(own / "training", share, first_clip + worker.rank * share, draw=self.draw)
        self.validation = ClipStore(work / "validation", VALIDATION_CLIPS, VALIDATION_SEED, draw=self.draw)
        self.old_validation = ClipStore(work / "old-validation", OLD_VALIDATION_CLIPS, OLD_VALIDATION_SEED)

    def stages(self) -> dict[str, Callable[[], nn.Module]]:
        """As `Run`."""
        return {VISION: self.vision_model, GROUNDING: self.grounding_model, ANSWERS: self.curriculum_model}

    def train(self) -> None:
        """Runs the stages that are not done yet, and loads what those that are had learned."""
        if self._vision_steps:
            heads = self._trained_heads()
            vision = self.vision_model()
            vision.heads = heads
            self._take_over(VISION)
            train_vision(
                self.work / VISION,
                vision,
                steps=self._vision_steps,
                seed=self.seed,
                encoder_share=ENCODER_SHARE,
            )
            self.finish(VISION)
        for clips in (*self._validation_clips(), self.training):
            clips.build(self.model, PREPROCESSING, self.seed)
        if self._grounding_steps:
            grounding = self.grounding_model()
            self._take_over(GROUNDING)
            train_grounding(
                self.work / GROUNDING,
                grounding,
                self.validation if self.worker.is_first else None,
                steps=self._grounding_steps,
                seed=self.seed,
            )
        self._take_over(ANSWERS)
        train_answers(self.work / ANSWERS, self.curriculum_model(), validate=self.worker.is_first)

    def finish(self, stage: str) -> None:
        """As `Run`: density peaks need features of a certain scale, which the vision stage does not keep."""
        if stage == VISION:
            now = deviation(self.model, PREPROCESSING, self.draw, self.seed)
            divide_features(self.model, now / DEVIATION)

    def vision_model(self) -> VisionModel:
        """The network in stage 1."""
        return VisionModel(self.model, batch=VISION_BATCH, seed=self.seed, draw=more_small(self.draw))

    def _trained_heads(self) -> DenseHeads:
        read_outs = ReadOuts(self.model, batch=VISION_BATCH, seed=self.seed, draw=more_small(self.draw))
        self._take_over(READ_OUTS)
        train_vision(self.work / READ_OUTS, read_outs, steps=READ_OUT_STEPS, seed=self.seed)
        return read_outs.heads

    def _take_over(self, stage: str) -> None:
        self.worker.take_over(self._first_work, stage)

    def _validation_clips(self) -> tuple[ClipStore, ...]:
        return (self.validation, self.old_validation) if self.worker.is_first else ()

    def grounding_model(self) -> GroundingModel:
        """The network in stage 2."""
        return GroundingModel(self.model, self.prompt, self.training, self.seed)

    def curriculum_model(self) -> CurriculumModel:
        """The network in stage 3."""
        return CurriculumModel(
            self.model,
            self.prompt,
            self.training,
            self.validation,
            self.seed,
            self._curriculum,
            focus=(UNANSWERABLE,),
            types=WIDE_TYPES,
            other_validation={"old": self.old_validation},
        )


def blend(model: nn.Module, start: nn.Module, share: float) -> None:
    """Moves the weights of `model` towards those of `start`, from which it was trained further: `share` of
    the way. The mean of both answers more than either (Wortsman et al., Robust fine-tuning of zero-shot
    models, CVPR 2022).

    Raises:
        SystemExit: they are networks of different sizes.
    """
    own, theirs = dict(model.named_parameters()), dict(start.named_parameters())
    if {name: weight.shape for name, weight in own.items()} != {n: w.shape for n, w in theirs.items()}:
        raise SystemExit("--start-share needs a --start of the same size as the network that was trained.")
    with torch.no_grad():
        for name, weight in own.items():
            weight.lerp_(theirs[name].to(weight), share)


def with_steps(curriculum: Sequence[Phase], given: Sequence[str]) -> tuple[Phase, ...]:
    """The curriculum with other numbers of steps, given as NAME=STEPS; without phases that have none.

    Raises:
        SystemExit: what is given names no phase, or no number of steps.
    """
    steps = {phase.name: phase.steps for phase in curriculum}
    for each in given:
        name, _, count = each.partition("=")
        if name not in steps or not count.isdecimal():
            raise SystemExit(
                f"{each!r} is not one of {', '.join(steps)}, followed by = and a number of steps."
            )
        steps[name] = int(count)
    return tuple(replace(phase, steps=steps[phase.name]) for phase in curriculum if steps[phase.name])


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network on the widened world; resumes by itself.")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/wide"), help="checkpoints, caches and the logs"
    )
    parser.add_argument("--out", type=Path, default=Path("weights/dynfocus-tiny"), help="the model folder")
    parser.add_argument("--start", type=Path, default=Path("runs/old-world-model"))
    parser.add_argument("--materials", type=Path, required=True, help="a folder with fonts/ and pictures/")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--so-far", action="store_true", help="train no further: write the folder alone")
    parser.add_argument(
        "--first-clip", type=int, default=TRAINING_SEED, help="seed of the first training clip"
    )
    parser.add_argument("--clips", type=int, default=TRAINING_CLIPS, help="to train on")
    parser.add_argument("--vision-steps", type=int, default=VISION_STEPS, help="0: sees as the start does")
    parser.add_argument(
        "--grounding-steps", type=int, default=GROUNDING_STEPS, help="0: looks as the start does"
    )
    parser.add_argument(
        "--phase",
        action="append",
        default=[],
        metavar="NAME=STEPS",
        help="of answers; repeats; 0 leaves it out",
    )
    parser.add_argument(
        "--start-share", type=float, default=0.0, help="0 to 1: of the weights written, that are the start's"
    )
    arguments = parser.parse_args()
    set_up_torch()
    worker = join()
    recipe = WideRecipe(
        arguments.work,
        arguments.seed,
        arguments.start,
        arguments.materials,
        clips=arguments.clips,
        first_clip=arguments.first_clip,
        vision_steps=arguments.vision_steps,
        grounding_steps=arguments.grounding_steps,
        curriculum=with_steps(CURRICULUM, arguments.phase),
        worker=worker,
    )
    if arguments.so_far:
        print(recipe.load())
    else:
        recipe.train()
    leave()  # what is fitted from here on is the first worker's alone
    if worker.is_first:
        if arguments.start_share:
            blend(recipe.model, trained_model(arguments.start)[0], arguments.start_share)
        recipe.export(arguments.out)


if __name__ == "__main__":
    main()
