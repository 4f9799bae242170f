"""A benchmark's arms with public models, their makers' own way among them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

import dynfocus_cli
from dynfocus_cli import GenerationOptions, RunOptions, UsageError
from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.evaluation.arms import ARMS, DEFAULT_ARMS, choose_arms
from dynfocus_cli.evaluation.benchmarks.file import OwnQuestions
from dynfocus_cli.evaluation.item import Item
from dynfocus_cli.evaluation.question_executor import QuestionExecutor
from dynfocus_cli.evaluation.records import Conditions
from dynfocus_cli.evaluation.runner import Evaluation
from dynfocus_cli.evaluation.step import Step
from dynfocus_cli.options import DecodingOptions
from dynfocus_cli.progress import Progress, Silent
from dynfocus_cli.types import Option, Prompt
from strict_schema import validate

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
OPTIONS = (Option("A", "a star"), Option("B", "a circle"))
ITEMS = (
    Item("1", DEMO, "What is shown at 00:03?", "A", OPTIONS),
    Item("2", DEMO, "What is it?", "a star"),
)
FAMILIES = ("qwen3_vl", "smolvlm")


class Subtitled(OwnQuestions):
    """Puts subtitles into its prompts, and begins the answer."""

    seen: ClassVar[list[Sequence[str] | None]] = []

    def prompt(self, item: Item, protocol: Any, subtitles: Sequence[str] | None = None) -> Prompt:
        self.seen.append(subtitles)
        return Prompt(f"{' '.join(subtitles or ())} {item.question} Answer:", "Best Option: (")


@contextmanager
def shown(step: Step) -> Iterator[Progress]:
    yield Silent()


def failure(error: Exception) -> tuple[int, str, str]:
    raise error


def run(folder: Path, output: Path, conditions: Conditions, items: Sequence[Item]) -> list[dict[str, Any]]:
    model = dynfocus_cli.load(str(folder), device="cpu").model
    options = RunOptions(
        generation=GenerationOptions(max_new_tokens=2), decoding=DecodingOptions(cache=False)
    )
    arms = [ARMS[name] for name in ARMS if name not in ("visual", "attention")]
    evaluation = Evaluation(QuestionExecutor(conditions, options), items, arms)
    with ResultFile(str(output)) as results:
        results.resume(evaluation.settings(model.spec))
        outcomes = list(evaluation.run(lambda: model, results, failure, shown))
    assert all(outcome.code is None for outcome in outcomes)
    assert choose_arms(None, model.spec, options) == tuple(map(ARMS.__getitem__, DEFAULT_ARMS))
    with pytest.raises(UsageError, match="cannot do the arm visual"):
        choose_arms(["visual"], model.spec, options)
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("scoring", ["generate", "likelihood"])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_arm_keeps_to_its_tokens(
    family: str, scoring: Any, model_folders: dict[str, Path], tmp_path: Path
) -> None:
    conditions = Conditions(OwnQuestions(), "test", "official", scoring)
    records = run(model_folders[family], tmp_path / "predictions.jsonl", conditions, ITEMS)
    assert len(records) == 2 * len(ARMS) - 4
    for record in records:
        validate(record)
        limit = record["tokens"]["limit"]
        assert (limit is None) == (record["arm"] == "stock")
        assert limit is None or record["tokens"]["video"] <= limit
    for item in ("1", "2"):
        equal = [one for one in records if one["id"] == item and one["arm"] != "stock"]
        assert len({one["frames"] for one in equal}) == 1
        assert len({one["tokens"]["limit"] for one in equal}) == 1
    full = {one["arm"]: len(one["key_frames"]) for one in records if one["id"] == "2"}
    assert full["even"] == full["topk"] == full["aks"] == 8
    chosen = [one for one in records if one["id"] == "1"]
    assert all(("log_likelihoods" in one) == (scoring == "likelihood") for one in chosen)


def test_subtitles_reach_the_benchmarks_wording(model_folders: dict[str, Path], tmp_path: Path) -> None:
    subtitles = tmp_path / "demo.srt"
    subtitles.write_text("1\n00:00:01,000 --> 00:00:50,000\nA star falls.\n", encoding="utf-8")
    conditions = Conditions(Subtitled(), "test", "official", "likelihood", subtitles=True)
    items = [replace(ITEMS[0], subtitles=subtitles)]
    records = run(model_folders["qwen3_vl"], tmp_path / "predictions.jsonl", conditions, items)
    assert ["A star falls."] in [list(lines) for lines in Subtitled.seen if lines]
    assert all(record["response"] in "AB" for record in records)
