"""transformers' Trainer over lessons that are a function of their number, with checkpoints that survive.

A learner is any module that makes a loss of a lesson; lessons are anything with a length and numbers. So
the trainer knows neither how lessons are made nor what is learned from them.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from dynfocus_cli.quantization import quieten

quieten()  # the Trainer imports peft where it is installed, and that imports bitsandbytes

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments  # noqa: E402
from transformers.trainer_callback import PrinterCallback  # noqa: E402
from transformers.utils import logging as transformers_logging  # noqa: E402

from dynfocus_cli.errors import ModelUnavailable, UsageError  # noqa: E402
from dynfocus_cli.files import flush  # noqa: E402
from dynfocus_cli.network.network import DynFocusModel  # noqa: E402
from dynfocus_cli.training.parts import learning, part_of  # noqa: E402
from dynfocus_cli.training.run_checkpoints import (  # noqa: E402
    STATE,
    WEIGHTS,
    changing,
    checkpoints,
    last_checkpoint,
    load_learned,
    require_whole,
    step_of,
)
from dynfocus_cli.training.run_log import add_to_log, rewind  # noqa: E402

SCORE_SHARE = 0.5
"""Of the learning rate, for the score network: its gradient is an estimate."""
SCARCE = 1 << 20
"""Bytes free on a disk that is taken for full."""
WRITING = ".writing"
"""How the name of a checkpoint ends that is not whole yet."""


class Lessons(Protocol):
    """The batches of a run, by number."""

    def __len__(self) -> int:
        """Batches of the whole run."""

    def __getitem__(self, number: int) -> Any:
        """The batch of that number, the same each time."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Parameters that share a learning rate and are clipped together."""

    name: str
    parameters: Sequence[nn.Parameter]
    share: float
    """Of the peak rate."""
    clip: float
    """Largest norm of their gradient."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a learner is led through its lessons."""

    steps: int
    accumulate: int
    rate: float
    """Peak learning rate."""
    warmup: int
    """Steps."""
    save_every: int
    """Steps."""
    seed: int
    decay: float = 0.0
    schedule: Callable[[int], float] | None = None
    """Share of the peak rate at a step; None warms up and then follows a cosine."""

    def rate_at(self, step: int) -> float:
        """Share of the peak rate at a step."""
        if self.schedule is not None:
            return self.schedule(step)
        return warm_cosine(step, self.steps, warmup=self.warmup)


class LessonTrainer(Trainer):
    """The Trainer of transformers, whose batches are lessons and whose checkpoints hold what learns alone."""

    def __init__(
        self,
        folder: Path,
        learner: nn.Module,
        lessons: Lessons,
        groups: Sequence[Rates],
        course: Course,
        on_step: Callable[[int, float], None],
        device: torch.device,
    ) -> None:
        """
        Args:
            folder: of checkpoints and log.
            on_step: told of each step that is done, with its loss.
        """
        transformers_logging.set_verbosity_error()
        self._learner, self._course, self._folder = learner, course, folder
        self._losses: list[float] = []
        arguments = _InPlace(
            output_dir=str(folder),
            max_steps=course.steps,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=course.accumulate,
            learning_rate=course.rate,
            max_grad_norm=0.0,  # each group by itself, in `_Clip`
            logging_strategy="no",
            save_strategy="steps",
            save_steps=course.save_every,
            eval_strategy="no",
            seed=course.seed,
            use_cpu=device.type == "cpu",
            disable_tqdm=True,
            report_to=[],
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            logging_nan_inf_filter=False,
        )
        optimizer = torch.optim.AdamW(
            [{"params": list(group.parameters), "lr": course.rate * group.share} for group in groups],
            betas=(0.9, 0.98),
            weight_decay=course.decay,
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, course.rate_at)
        super().__init__(
            model=learner,
            args=arguments,
            train_dataset=_Numbered(lessons),
            data_collator=_only,
            optimizers=(optimizer, scheduler),
            callbacks=[_Clip(groups), _Told(self, on_step)],
        )
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False

    @property
    def done(self) -> int:
        """Steps that are done already."""
        last = last_checkpoint(self._folder)
        return 0 if last is None else step_of(last)

    def learn(self) -> None:
        """Goes on from the last checkpoint that is whole, or from the beginning, to the last step.

        Raises:
            ModelUnavailable: a checkpoint or the log could not be written, or the last checkpoint is damaged.
            UsageError: the loss is no number any more.
        """
        last = last_checkpoint(self._folder)
        if last is not None:
            require_whole(last)
        try:
            rewind(self._folder, 0 if last is None else step_of(last))
        except OSError as error:
            raise self._failed(error) from error
        if last is not None and step_of(last) >= self._course.steps:
            self._load_from_checkpoint(str(last))
            return
        self.train(resume_from_checkpoint=None if last is None else str(last))

    def compute_loss(
        self, model: nn.Module, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The learner's loss of a lesson."""
        loss = model(inputs["lesson"])
        self._losses.append(float(loss.detach()))
        return (loss, {}) if return_outputs else loss

    def get_train_dataloader(self) -> DataLoader:
        """The lessons in the order of their numbers, made where and when they are needed."""
        dataset: Any = self.train_dataset
        return DataLoader(dataset, batch_size=1, sampler=SequentialSampler(dataset), collate_fn=_only)

    def floating_point_ops(self, inputs: Any) -> int:
        """Nobody asks."""
        return 0

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """A folder that is there whole, or not at all; older ones go once it is."""
        step = self.state.global_step
        place = self._folder / f"checkpoint-{step}"
        writing = place.with_name(place.name + WRITING)
        try:
            if writing.exists():
                shutil.rmtree(writing)
            writing.mkdir(parents=True)
            weights = {name: value.detach().cpu() for name, value in changing(self._learner)}
            save_file(weights, writing / WEIGHTS)
            self._save_optimizer_and_scheduler(str(writing))
            self._save_rng_state(str(writing))
            self.state.save_to_json(str(writing / STATE))
            for file in writing.iterdir():
                flush(file)
            if place.exists():
                shutil.rmtree(place)
            writing.rename(place)
            flush(self._folder)
        except (OSError, RuntimeError, SafetensorError) as error:
            with suppress(OSError):
                shutil.rmtree(writing)
            raise self._failed(error) from error
        for older in checkpoints(self._folder)[:-1]:
            shutil.rmtree(older, ignore_errors=True)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_learned(self._learner, Path(resume_from_checkpoint) / WEIGHTS)

    def _failed(self, error: BaseException) -> ModelUnavailable:
        why = error.strerror if isinstance(error, OSError) else None
        if why is None:  # torch's own words name a line of its source
            full = shutil.disk_usage(self._folder).free < SCARCE
            why = "the disk is full" if full else str(error).splitlines()[0]
        last = last_checkpoint(self._folder)
        kept = (
            f"The checkpoint of step {step_of(last)} is whole: make room and give the same command again."
            if last is not None
            else "Nothing was kept yet: make room, or name another place."
        )
        return ModelUnavailable(f"The run in {self._folder} cannot be written ({why}). {kept}")

    def _told(self, step: int) -> float:
        """The loss of a step that is done, in the log."""
        loss = sum(self._losses) / len(self._losses)
        self._losses.clear()
        if not math.isfinite(loss):
            raise UsageError(
                f"The loss of step {step} is no number. Try a lower --lr, or --precision float32; if it is "
                "the first step, see whether the model answers at all."
            )
        try:
            add_to_log(self._folder, step=step, loss=loss)
        except OSError as error:
            raise self._failed(error) from error
        return loss


def rates(network: DynFocusModel) -> list[Rates]:
    """What learns, by part: the score network more slowly."""
    found: dict[str, list[nn.Parameter]] = {}
    for name, parameter in learning(network):
        found.setdefault(part_of(name), []).append(parameter)
    return [
        Rates(part, weights, SCORE_SHARE, 0.5) if part == "score network" else Rates(part, weights, 1.0, 1.0)
        for part, weights in found.items()
    ]


def warm_cosine(step: int, steps: int, *, warmup: int, floor: float = 0.05) -> float:
    """Factor on the learning rate: linear warm-up, then a cosine down to `floor`."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * progress))


class _InPlace(TrainingArguments):
    """For a learner that is where it belongs: its vision encoder may have made way."""

    @property
    def place_model_on_device(self) -> bool:
        """Never."""
        return False


class _Numbered(Dataset):
    def __init__(self, lessons: Lessons) -> None:
        self._lessons = lessons

    def __len__(self) -> int:
        return len(self._lessons)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {"lesson": self._lessons[number]}


def _only(lessons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    (lesson,) = lessons
    return dict(lesson)


class _Clip(TrainerCallback):
    """Clips each group by itself: where scores are nearly equal, min-max normalisation makes the score
    network's gradient explode, and the others would all but stand still."""

    def __init__(self, groups: Sequence[Rates]) -> None:
        self._groups = groups

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        for group in self._groups:
            nn.utils.clip_grad_norm_(group.parameters, group.clip)


class _Told(TrainerCallback):
    """Logs each step, and tells of it."""

    def __init__(self, trainer: LessonTrainer, on_step: Callable[[int, float], None]) -> None:
        self._trainer, self._on_step = trainer, on_step

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._on_step(state.global_step, self._trainer._told(state.global_step))
        if state.global_step >= state.max_steps:
            control.should_save = True
