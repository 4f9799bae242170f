"""`make tiny`: the whole recipe of `dynfocus-tiny`, from nothing to a model folder.

    python -m dynfocus_tiny --work runs/tiny --out weights/dynfocus-tiny

Every stage resumes from its last checkpoint, so the command may be killed and given again at any time.
`--start FOLDER` goes on from a model folder instead, with its vision encoder as it is: less looking, and a
shorter curriculum, which `--share` shortens and `--focus` turns to what is still weak. A run's folder is one
start's, one seed's and one curriculum's. With `--mean` what is written is halfway
between the weights that such a run started from and those it came to: either forgets some of what the other
knows, and the mean less (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
Seeds of clips: the lessons' scripts are 1,000,000 onwards, the exam's 500,000 onwards, the tokenizer's
2,000,000 onwards, the vision stage's above 2^41. Seeds below 500,000 are never trained on: tests take those.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch

from dynfocus_cli.checkpoints.identity import revision
from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.open import load_model
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.synth.world import MAX_SCENES
from dynfocus_cli.training.run_checkpoints import load_last
from dynfocus_tiny.answers import initialise
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.config import IMAGE_SIZE, tiny_config
from dynfocus_tiny.curriculum import CURRICULUM, FURTHER, TYPES, Student, learn_to_answer
from dynfocus_tiny.domain import write_domain
from dynfocus_tiny.grounding import Looker, learn_to_look, wake
from dynfocus_tiny.tokenizer import train_tokenizer
from dynfocus_tiny.vision import VisionLearner, learn_vision

VISION, GROUNDING, ANSWERS = "vision", "grounding", "answers"
"""The stages, and their folders in a run's."""
LESSON_CLIPS, LESSON_SEED = 3000, 1_000_000
EXAM_CLIPS, EXAM_SEED = 150, 500_000
VISION_STEPS, VISION_BATCH = 12000, 32
GROUNDING_STEPS, FURTHER_GROUNDING_STEPS = 4000, 1500

PREPROCESSING = Preprocessing(size=IMAGE_SIZE, fit="squash")


def fresh_model(seed: int) -> tuple[DynFocusModel, PromptWriter]:
    """The untrained network and its tokenizer."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(seed)
    config = tiny_config(tokenizer)
    return DynFocusModel(config), PromptWriter(config, tokenizer)


def trained_model(folder: Path) -> tuple[DynFocusModel, PromptWriter]:
    """The network of a model folder that this recipe wrote, in float32, and its tokenizer."""
    model = load_model(str(folder), "cpu")
    assert isinstance(model, LoadedModel)
    return model.network, model.prompt


class Recipe:
    """The stages of a run in `work`, one after the other on one network.

    Args:
        start: a model folder to go on from; None begins with nothing.
        share: of each phase's steps of answers.
        focus: types of question that are asked more often.
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
        self.work, self.seed, self.start = work, seed, start
        self.share, self.focus = share, sorted(focus)
        self._claim()
        self.model, self.prompt = fresh_model(seed) if start is None else trained_model(start)
        self.lessons = ClipStore(work / "lessons", LESSON_CLIPS, LESSON_SEED)
        self.exam = ClipStore(work / "exam", EXAM_CLIPS, EXAM_SEED)

    def _claim(self) -> None:
        """
        Raises:
            SystemExit: the folder is that of a run with another seed, beginning or curriculum.
        """
        ours = {
            "seed": self.seed,
            "start": None if self.start is None else revision(self.start),
            "share": self.share,
            "focus": self.focus,
        }
        record = self.work / "run.json"
        if not record.exists():
            self.work.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps(ours))
        elif (theirs := json.loads(record.read_text())) != ours:
            raise SystemExit(f"{self.work} is a run of {theirs}, not of {ours}: name another --work.")

    def train(self) -> None:
        """Runs the stages that are not done yet, and loads what those that are had learned."""
        if self.start is None:
            seen = VisionLearner(self.model, batch=VISION_BATCH, seed=self.seed)
            learn_vision(self.work / VISION, seen, steps=VISION_STEPS, seed=self.seed)
            wake(self.model, self.seed)
            looking = GROUNDING_STEPS
        else:
            looking = FURTHER_GROUNDING_STEPS
        for store in (self.exam, self.lessons):
            store.build(self.model, PREPROCESSING, self.seed)
        looker = Looker(self.model, self.prompt, self.lessons, self.seed)
        learn_to_look(self.work / GROUNDING, looker, self.exam, steps=looking, seed=self.seed)
        if self.start is None:
            initialise(self.model, seen.heads, self.seed)
        learn_to_answer(self.work / ANSWERS, self.student())

    def student(self) -> Student:
        """The network as it learns from questions and answers."""
        phases = CURRICULUM if self.start is None else FURTHER
        curriculum = [replace(phase, steps=max(1, round(self.share * phase.steps))) for phase in phases]
        return Student(
            self.model, self.prompt, self.lessons, self.exam, self.seed, curriculum, focus=self.focus
        )

    def load(self) -> int:
        """Loads what was learned by the last checkpoint of each stage; returns the last one's step.

        Raises:
            FileNotFoundError: a stage has none yet.
        """
        if self.start is None:
            load_last(VisionLearner(self.model, batch=VISION_BATCH, seed=self.seed), self.work / VISION)
        load_last(Looker(self.model, self.prompt, self.lessons, self.seed), self.work / GROUNDING)
        return load_last(self.student(), self.work / ANSWERS)

    @torch.no_grad()
    def halfway(self) -> None:
        """Takes the network back half the way to `start`, which is a folder."""
        assert self.start is not None
        begun = trained_model(self.start)[0].state_dict()
        for name, value in self.model.named_parameters():  # each tied one once
            value.lerp_(begun[name], 0.5)

    def export(self, out: Path) -> None:
        """Writes the model folder."""
        change = self.model.connector.change
        if change is not None and change.shots is not None:
            numbers = change.shots.number.weight.data
            numbers[MAX_SCENES:] = numbers[MAX_SCENES - 1]  # no clip has had so many shots
        out.mkdir(parents=True, exist_ok=True)
        self.model.bfloat16().save_pretrained(out)
        self.prompt.tokenizer.save_pretrained(out)
        PREPROCESSING.save(out)
        write_domain(out, self.model, PREPROCESSING)
        for written in out.iterdir():
            written.chmod(0o644)  # safetensors writes for the owner's eyes alone


def main() -> None:
    parser = argparse.ArgumentParser(description="Train dynfocus-tiny from nothing; resumes by itself.")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/tiny"), help="checkpoints, caches and the logs"
    )
    parser.add_argument("--out", type=Path, default=Path("weights/dynfocus-tiny"), help="the model folder")
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
    # Two threads win little alone, and beside other work they wait for each other.
    torch.set_num_threads(1)
    # Autocast hands bfloat16 to a float32 norm, which torch takes a slower road for, and says so.
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    recipe = Recipe(
        arguments.work, arguments.seed, arguments.start, share=arguments.share, focus=arguments.focus
    )
    if arguments.so_far:
        print(f"step {recipe.load()}")
    else:
        recipe.train()
    if arguments.mean:
        recipe.halfway()
    recipe.export(arguments.out)
