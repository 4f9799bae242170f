"""The card of a model that was trained with `dynfocus train`: on what, how, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynfocus_cli import __version__
from dynfocus_cli.training.examples import videos_of

if TYPE_CHECKING:
    from dynfocus_cli.models.dynfocus.model import LoadedModel
    from dynfocus_cli.training.finetune import Trained
    from dynfocus_cli.training.planned import Planned
    from dynfocus_cli.training.preparing import Prepared
    from dynfocus_cli.training.validation import Score

STAGES = {
    "align": "align: the connector learned from captions; the rest stayed as it was",
    "instruct": "instruct: score network, connector and language model learned from questions and answers",
}


def write_card(
    folder: Path,
    prepared: Prepared,
    model: LoadedModel,
    trained: Trained,
    train: Sequence[Planned],
    held: Sequence[Planned],
    log: Sequence[dict[str, Any]],
) -> None:
    """Writes `README.md` into `folder`; `train` and `held` are what could be decoded."""
    settings, spec = prepared.settings, prepared.spec
    name = prepared.request.destination.name
    losses = [line["loss"] for line in log if "loss" in line]
    tenth = max(1, len(losses) // 10)
    lines = [
        f"# {name}",
        "",
        f"A DynFocus network for `dynfocus ask --model`, trained from {spec.name} (revision "
        f"`{spec.info.revision}`) with dynfocus {__version__}. The licence of {spec.name} holds for "
        "what was made of it, and so may that of the data.",
        "",
        "## Data",
        "",
        f"`{prepared.request.data.name}`: {len(train)} examples on {_videos(train)} videos to train "
        f"on, {len(held)} on {_videos(held)} other videos to validate on; "
        f"{len(trained.problems)} were passed over.",
        "",
        "## What it scores",
        "",
        *_scores(trained.before, trained.after),
        "",
        "## How it was trained",
        "",
        "| | |",
        "|---|---|",
        f"| stage | {STAGES[settings.stage]} |",
        *([f"| language model | {_tuned(prepared)} |"] if settings.stage == "instruct" else []),
        f"| steps | {trained.steps} of {settings.accumulate} x {settings.batch} examples; the weights are "
        f"those of step {trained.best_step} |",
        f"| learning rate | {settings.rate:g} at most, {settings.warmup:.0%} warm-up, then a cosine |",
        *(
            [f"| perturbed top-k | sigma {settings.sigma:g} down to 0, {settings.samples} samples |"]
            if settings.stage == "instruct"
            else []
        ),
        f"| scorer | {model.network.config.scorer} |",
        f"| precision | {settings.precision} |",
        f"| seed | {settings.seed} |",
        f"| loss | {_mean(losses[:tenth]):.3f} in the first tenth, {_mean(losses[-tenth:]):.3f} in the "
        "last |",
        "",
        "| part | parameters that learned | that did not |",
        "|---|---|---|",
        *(f"| {size.part} | {size.learning:,} | {size.frozen:,} |" for size in prepared.sizes),
        "",
        "Every step's loss is in `training_log.jsonl`.",
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _tuned(prepared: Prepared) -> str:
    rank = prepared.settings.lora_rank
    return {
        "full": "all of its weights",
        "lora": f"LoRA of rank {rank} on its linear layers, merged",
        "qlora": f"QLoRA of rank {rank} over an NF4 base, merged into the weights that the base stood for",
    }[prepared.tune]


def _scores(before: Score | None, after: Score | None) -> list[str]:
    if before is None or after is None:
        return ["Nothing was held back to measure it on."]
    return [
        "Exact match on the validation examples, asked as `ask` asks, capitals and punctuation aside; and "
        "the mean cross-entropy of an answer's token in nats.",
        "",
        "| | right | of | loss | video tokens a question |",
        "|---|---|---|---|---|",
        *(
            f"| {when} | {score.exact_match:.1%} | {score.questions} | "
            f"{'' if score.loss is None else f'{score.loss:.3f}'} | {score.video_tokens:.0f} |"
            for when, score in (("before", before), ("after", after))
        ),
    ]


def _videos(planned: Sequence[Planned]) -> int:
    return videos_of(one.example for one in planned)


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / max(1, len(numbers))
