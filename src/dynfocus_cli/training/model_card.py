"""The card of a model that was trained with `dynfocus train`: on what, how, and with what result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dynfocus_cli import __version__
from dynfocus_cli.checkpoints.card import table
from dynfocus_cli.training.examples import count_videos

if TYPE_CHECKING:
    from dynfocus_cli.training.plan import TrainingPlan
    from dynfocus_cli.training.planned_example import PlannedExample
    from dynfocus_cli.training.result import TrainingResult
    from dynfocus_cli.training.validation import Score

STAGES = {
    "align": "align: the connector learned from captions; the rest stayed as it was",
    "instruct": "instruct: score network, connector and language model learned from questions and answers",
}

CARD = """\
# {name}

A DynFocus network for `dynfocus ask --model`, trained from {base} (revision `{revision}`) with dynfocus \
{version}. The licence of {base} holds for what was made of it, and so may that of the data.

## Data

`{data}`: {train} to train on, {validation} other videos to validate on; {problems} were passed over.

## What it scores

{scores}

## How it was trained

{settings}

{parts}

Every step's loss is in `training_log.jsonl`.
"""


def write_card(
    folder: Path,
    plan: TrainingPlan,
    result: TrainingResult,
    train: Sequence[PlannedExample],
    validation: Sequence[PlannedExample],
    losses: Sequence[float],
    scorer: str,
) -> None:
    """Writes `README.md` into `folder`; `train` and `validation` are what could be decoded, `losses` those of
    all steps."""
    text = CARD.format(
        name=plan.request.destination.name,
        base=plan.spec.name,
        revision=plan.spec.info.revision,
        version=__version__,
        data=plan.request.data.name,
        train=f"{len(train)} examples on {_videos(train)} videos",
        validation=f"{len(validation)} on {_videos(validation)}",
        problems=len(result.problems),
        scores=_scores(result.before, result.after),
        settings=table(("", ""), _settings(plan, result, losses, scorer).items()),
        parts=table(
            ("part", "parameters that learned", "that did not"),
            [(size.part, f"{size.learning:,}", f"{size.frozen:,}") for size in plan.sizes],
        ),
    )
    # A name need not be text.
    (folder / "README.md").write_text(text, encoding="utf-8", errors="backslashreplace")


def _settings(
    plan: TrainingPlan, result: TrainingResult, losses: Sequence[float], scorer: str
) -> dict[str, str]:
    settings, rank = plan.settings, plan.settings.lora_rank
    tuning = {
        "full": "all of its weights",
        "lora": f"LoRA of rank {rank} on its linear layers, merged",
        "qlora": f"QLoRA of rank {rank} over an NF4 base, merged into the weights that the base stood for",
    }
    tenth = max(1, len(losses) // 10)
    rows = {
        "stage": STAGES[settings.stage],
        "language model": tuning[plan.tune],
        "steps": f"{result.steps} of {settings.accumulate} x {settings.batch} examples; the weights are "
        f"those of step {result.best_step}",
        "learning rate": f"{settings.rate:g} at most, {settings.warmup:.0%} warm-up, then a cosine",
        "perturbed top-k": f"sigma {settings.sigma:g} down to 0, {settings.samples} samples",
        "scorer": scorer,
        "precision": settings.precision,
        "seed": str(settings.seed),
        "loss": f"{_mean(losses[:tenth]):.3f} in the first tenth, {_mean(losses[-tenth:]):.3f} in the last",
    }
    if settings.stage == "align":
        del rows["language model"], rows["perturbed top-k"]
    return rows


def _scores(before: Score | None, after: Score | None) -> str:
    if before is None or after is None:
        return "Nothing was held back to measure it on."
    rows = [
        (
            when,
            f"{score.exact_match:.1%}",
            f"{score.questions}",
            "" if score.loss is None else f"{score.loss:.3f}",
            f"{score.video_tokens:.0f}",
        )
        for when, score in (("before", before), ("after", after))
    ]
    return (
        "Exact match on the validation examples, asked as `ask` asks, capitals and punctuation aside; and "
        "the mean cross-entropy of an answer's token in nats.\n\n"
        f"{table(('', 'right', 'of', 'loss', 'video tokens a question'), rows)}"
    )


def _videos(examples: Sequence[PlannedExample]) -> int:
    return count_videos(one.example for one in examples)


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / max(1, len(numbers))
