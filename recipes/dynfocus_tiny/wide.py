"""The recipe of the widened world: `dynfocus-tiny` goes on where drawings, sizes and proportions vary.

    python -m dynfocus_tiny.wide --work runs/wide --materials materials --out runs/wide-model

The network of `--start` grows (`growth.py`), its vision encoder learns from frames of the widened world, then
the Q-Former and the rods to look, and the language model to answer, also that it cannot tell. Every stage
goes on from its last checkpoint. `--materials` is a folder of fonts and pictures (`materials.py`). Seeds of
clips: 4,000,000 onwards for training, 3,500,000 onwards for validation, above 2^41 for the vision stage.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import torch

from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.synth.unanswerable import CANNOT_TELL, UNANSWERABLE
from dynfocus_cli.synth.world import WIDE
from dynfocus_cli.training.trainer import steps_done
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.curriculum import TYPES, CurriculumModel, Phase, train_answers
from dynfocus_tiny.domain import TrainedWorld, write_domain
from dynfocus_tiny.frames import draw_wide
from dynfocus_tiny.grounding import GroundingModel, train_grounding
from dynfocus_tiny.growth import grown
from dynfocus_tiny.materials import load_materials
from dynfocus_tiny.recipe import ANSWERS, GROUNDING, VISION, load_last, trained_model
from dynfocus_tiny.vision import VisionModel, train_vision

IMAGE_SIZE, VISION_LAYERS, MAX_FRAMES = 96, 6, 300
TRAINING_CLIPS, TRAINING_SEED = 1200, 4_000_000
VALIDATION_CLIPS, VALIDATION_SEED = 60, 3_500_000
OLD_VALIDATION_CLIPS, OLD_VALIDATION_SEED = 50, 500_000
VISION_STEPS, VISION_BATCH, ENCODER_SHARE = 6000, 32, 0.5
GROUNDING_STEPS = 1400
ASPECT_RATIOS = (0.5, 2.3)
"""Of what `wide_looks` draws."""
PREPROCESSING = Preprocessing(size=IMAGE_SIZE, fit="letterbox")
WIDE_TYPES = (*TYPES, UNANSWERABLE)
CURRICULUM = (
    Phase("again", 500, (8, 16, 24, 32, 48), 32, (1, 2, 4), 7e-4, 0.9, sigma=(0.1, 0.1)),
    Phase(
        "wide", 2000, (16, 24, 32, 48, 64, 96, 128, 180, 240, 280), 32, (2, 4, 4, 4), 6e-4, 0.02,
        sigma=(0.1, 0.05),
    ),
)  # fmt: skip


class WideRecipe:
    """The stages of a run in `work`, one after the other on one network.

    Args:
        start: a model folder to begin with.
        materials: a folder of fonts and pictures.

    Raises:
        SystemExit: the folder is that of a run with another seed or start.
    """

    def __init__(self, work: Path, seed: int, start: Path, materials: Path) -> None:
        self.work, self.seed = work, seed
        self._claim_folder(start)
        self.materials = load_materials(materials)
        self.draw = draw_wide(self.materials)
        model, self.prompt = trained_model(start)
        torch.manual_seed(seed)  # of what a new layer begins with
        self.model = grown(
            model,
            image_size=IMAGE_SIZE,
            layers=VISION_LAYERS,
            max_frames=MAX_FRAMES,
            abstention=CANNOT_TELL,
        )
        self.training = ClipStore(work / "training", TRAINING_CLIPS, TRAINING_SEED, draw=self.draw)
        self.validation = ClipStore(work / "validation", VALIDATION_CLIPS, VALIDATION_SEED, draw=self.draw)
        self.old_validation = ClipStore(work / "old-validation", OLD_VALIDATION_CLIPS, OLD_VALIDATION_SEED)

    def _claim_folder(self, start: Path) -> None:
        settings = {"seed": self.seed, "start": revision(start)}
        record = self.work / "run.json"
        if not record.exists():
            self.work.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps(settings))
        elif (recorded := json.loads(record.read_text())) != settings:
            raise SystemExit(f"{self.work} is a run of {recorded}, not of {settings}: name another --work.")

    def train(self) -> None:
        """Runs the stages that are not done yet, and loads what those that are had learned."""
        vision = self.vision_model()
        train_vision(
            self.work / VISION, vision, steps=VISION_STEPS, seed=self.seed, encoder_share=ENCODER_SHARE
        )
        for clips in (self.validation, self.old_validation, self.training):
            clips.build(self.model, PREPROCESSING, self.seed)
        grounding = self.grounding_model()
        train_grounding(
            self.work / GROUNDING, grounding, self.validation, steps=GROUNDING_STEPS, seed=self.seed
        )
        train_answers(self.work / ANSWERS, self.curriculum_model())

    def vision_model(self) -> VisionModel:
        """The network in stage 1."""
        return VisionModel(self.model, batch=VISION_BATCH, seed=self.seed, draw=self.draw)

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
            CURRICULUM,
            focus=(UNANSWERABLE,),
            types=WIDE_TYPES,
            other_validation={"old": self.old_validation},
        )

    def load(self) -> dict[str, int]:
        """Loads what was learned by the last checkpoint of each stage so far; returns their steps."""
        stages = {
            VISION: self.vision_model,
            GROUNDING: self.grounding_model,
            ANSWERS: self.curriculum_model,
        }
        done = {name: steps_done(self.work / name) for name in stages}
        for name, steps in done.items():
            if steps:
                load_last(stages[name](), self.work / name)
        return done

    def export(self, out: Path) -> None:
        """Writes the model folder."""
        change = self.model.connector.change
        if change is not None and change.shots is not None:
            numbers, most = change.shots.number.weight.data, WIDE.scenes[1]
            numbers[most:] = numbers[most - 1]  # no clip has had so many shots
        out.mkdir(parents=True, exist_ok=True)
        self.model.bfloat16().save_pretrained(out)
        self.prompt.tokenizer.save_pretrained(out)
        PREPROCESSING.save(out)
        write_domain(out, self.model, PREPROCESSING, self.trained_world())
        for written in out.iterdir():
            written.chmod(0o644)  # safetensors writes for the owner's eyes alone

    def trained_world(self) -> TrainedWorld:
        """What the network knows by the end."""
        return TrainedWorld(WIDE, ASPECT_RATIOS, self.draw, self.materials.backdrop)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Train dynfocus-tiny on the widened world; resumes by itself."
    )
    parser.add_argument(
        "--work", type=Path, default=Path("runs/wide"), help="checkpoints, caches and the logs"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/wide-model"), help="the model folder")
    parser.add_argument("--start", type=Path, default=Path("weights/dynfocus-tiny"))
    parser.add_argument("--materials", type=Path, required=True, help="a folder with fonts/ and pictures/")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--so-far", action="store_true", help="train no further: write the folder alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # Autocast hands bfloat16 to a float32 norm, which torch takes a slower road for, and says so.
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    recipe = WideRecipe(arguments.work, arguments.seed, arguments.start, arguments.materials)
    if arguments.so_far:
        print(recipe.load())
    else:
        recipe.train()
    recipe.export(arguments.out)


if __name__ == "__main__":
    main()
