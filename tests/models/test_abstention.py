"""A network that learned to say that it cannot tell may say so where a question names what to choose from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dynfocus_cli import pipeline
from dynfocus_cli.models.dynfocus import model as network_model
from dynfocus_cli.models.dynfocus.model import LoadedModel
from dynfocus_cli.models.open import load_model
from dynfocus_cli.options import RunOptions
from dynfocus_cli.progress import Silent

DEMO = Path(__file__).parents[2] / "examples" / "demo.mp4"
QUESTION = "Which comes first, the red moon or the blue ring?"
THINGS = ("the red moon", "the blue ring")


@pytest.mark.parametrize(
    ("abstention", "choices"), [(None, THINGS), ("cannot tell", (*THINGS, "cannot tell"))]
)
def test_it_is_one_of_the_alternatives(
    monkeypatch: pytest.MonkeyPatch, abstention: str | None, choices: tuple[str, ...]
) -> None:
    shipped = load_model("dynfocus-tiny", "cpu")
    assert isinstance(shipped, LoadedModel)
    config = replace(shipped.spec.config, abstention=abstention)
    model = replace(shipped, spec=replace(shipped.spec, config=config))
    rank, ranked = network_model.rank_answers, []

    def last_is_likeliest(*context):
        ranked.append(context[-1])
        return replace(rank(*context), log_likelihoods=tuple(float(place) for place in range(len(choices))))

    monkeypatch.setattr(network_model, "rank_answers", last_is_likeliest)
    answer = pipeline.ask(str(DEMO), QUESTION, model, RunOptions(), Silent())
    assert ranked == [choices]
    assert answer.answer == choices[-1]
