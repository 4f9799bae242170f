"""What the recipes share: a run's folder, the stages in it, and the model folder that comes of them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from dynfocus_cli.features.preprocess import Preprocessing
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.open import load_model
from dynfocus_cli.network.network import DynFocusModel
from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.training.run_checkpoints import WEIGHTS, last_checkpoint, load_trained
from dynfocus_cli.training.run_log import log_lines
from dynfocus_cli.training.trainer import steps_done
from dynfocus_tiny.domain import TrainedWorld, write_domain

VISION, GROUNDING, ANSWERS = "vision", "grounding", "answers"
"""The stages, and their folders in a run's."""
LOG_NAME = "training_log.jsonl"
LOGGED_EVERY = 50
"""Steps from one loss in a model folder's log to the next; validations are all there."""


def set_up_torch() -> None:
    """Has torch train with one thread, and without a notice that says nothing new.

    Two threads win little alone, and beside other work they wait for each other.
    """
    torch.set_num_threads(1)
    # Autocast hands bfloat16 to a float32 norm, which torch takes a slower road for, and says so.
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")


def trained_model(folder: Path) -> tuple[DynFocusModel, PromptWriter]:
    """The network of a model folder that a recipe wrote, in float32, and its tokenizer."""
    model = load_model(str(folder), "cpu")
    assert isinstance(model, LoadedModel)
    return model.network, model.prompt


def claim(work: Path, settings: Mapping[str, object]) -> None:
    """Makes the folder `work` that of a run of these settings, or finds that it is.

    Raises:
        SystemExit: the folder is another run's.
    """
    record = work / "run.json"
    if record.exists():
        recorded = json.loads(record.read_text())
        if recorded != settings:
            raise SystemExit(f"{work} is a run of {recorded}, not of {dict(settings)}: name another --work.")
        return
    work.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(settings))


class Run:
    """The stages of a recipe in the folder `work`, one after the other on one network.

    A folder belongs to one run: `settings` say which.

    Args:
        preprocessing: of the model folder.
        scenes: that the clips had at most.
        trained: what the network knows by the end.

    Raises:
        SystemExit: the folder is another run's.
    """

    def __init__(
        self,
        work: Path,
        settings: Mapping[str, object],
        model: DynFocusModel,
        prompt: PromptWriter,
        preprocessing: Preprocessing,
        trained: TrainedWorld,
        scenes: int,
    ) -> None:
        self.work, self.model, self.prompt = work, model, prompt
        self.preprocessing, self.trained, self._scenes = preprocessing, trained, scenes
        claim(work, settings)

    def stages(self) -> dict[str, Callable[[], nn.Module]]:
        """The network in each stage that this run has, by the stage's name, in order."""
        raise NotImplementedError

    def load(self) -> dict[str, int]:
        """Loads what was learned by the last checkpoint of each stage so far; returns their steps."""
        done = {name: steps_done(self.work / name) for name in self.stages()}
        for name, model in self.stages().items():
            if done[name]:
                load_last(model(), self.work / name)
                self.finish(name)
        return done

    def finish(self, stage: str) -> None:
        """What follows a stage once the network has learned, or loaded, what it teaches: nothing."""

    def export(self, out: Path) -> None:
        """Writes the model folder, with the stages' logs."""
        change = self.model.connector.change
        if change is not None and change.shots is not None:
            numbers = change.shots.number.weight.data
            numbers[self._scenes :] = numbers[self._scenes - 1]  # no clip has had so many shots
        out.mkdir(parents=True, exist_ok=True)
        self.model.bfloat16().save_pretrained(out)
        self.prompt.tokenizer.save_pretrained(out)
        self.preprocessing.save(out)
        write_domain(out, self.model, self.preprocessing, self.trained)
        (out / LOG_NAME).write_text("".join(self._log()), encoding="utf-8")
        for written in out.iterdir():
            written.chmod(0o644)  # safetensors writes for the owner's eyes alone

    def _log(self) -> list[str]:
        return [
            json.dumps({"stage": stage} | line) + "\n"
            for stage in self.stages()
            for line in log_lines(self.work / stage)
            if line["step"] % LOGGED_EVERY == 0 or "loss" not in line  # a validation
        ]


def load_last(model: nn.Module, folder: Path) -> None:
    """Loads what a model had learned by the last checkpoint in `folder`.

    Raises:
        FileNotFoundError: there is none yet.
    """
    last = last_checkpoint(folder)
    if last is None:
        raise FileNotFoundError(f"{folder} holds no checkpoint yet")
    load_trained(model, last / WEIGHTS)
