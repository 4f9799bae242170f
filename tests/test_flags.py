"""Fields declared with their flags: what follows from a declaration."""

from __future__ import annotations

from typing import get_args

import pytest

from dynfocus_cli.errors import UsageError
from dynfocus_cli.flags import flags_of, values_of
from dynfocus_cli.options import (
    DecodingOptions,
    GenerationOptions,
    RunOptions,
    SamplingOptions,
    SelectionOptions,
)
from dynfocus_cli.types import Scorer


def test_a_flag_knows_its_field():
    by_name = {flag.name: flag for flag in flags_of(RunOptions)}
    fps, cache, scorer = by_name["--fps"], by_name["--no-cache"], by_name["--scorer"]
    assert (fps.field_name, fps.type, fps.optional, fps.metavar, fps.kind) == (
        "fps",
        float,
        True,
        "F",
        "number",
    )
    assert (cache.key, cache.parameter, cache.variable) == ("no-cache", "no_cache", "DYNFOCUS_NO_CACHE")
    assert scorer.choices == get_args(Scorer)


def test_every_flag_has_one_field():
    names = [flag.name for flag in flags_of(RunOptions)]
    assert len(names) == len(set(names))


def test_values_go_into_nested_options():
    values = {flag.name: value for flag, value in values_of(RunOptions(SamplingOptions(fps=2.5), check=True))}
    assert (values["--fps"], values["--check"], values["--seed"]) == (2.5, True, 0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SamplingOptions(fps=0), "`fps` must be above 0, got 0."),
        (lambda: SamplingOptions(fps=float("nan")), "`fps` must be above 0, got nan."),
        (lambda: SamplingOptions(frames=0), "`frames` must be at least 1, got 0."),
        (lambda: SelectionOptions(key_ratio=1.5), "`key_ratio` must lie above 0 and at most 1, got 1.5."),
        (lambda: SelectionOptions(budget=-3), "`budget` must be at least 1 token, got -3."),
        (lambda: GenerationOptions(temperature=11), "`temperature` must lie between 0 and 10, got 11."),
        (
            lambda: SelectionOptions(scorer="best"),  # type: ignore[arg-type]
            "`scorer` must be one of visual, question, attention, density, got 'best'.",
        ),
        (
            lambda: DecodingOptions(hwaccel="gpu"),  # type: ignore[arg-type]
            "`hwaccel` must be one of none, auto, cuda, got 'gpu'.",
        ),
    ],
)
def test_a_value_that_will_not_do_is_refused(make, said):
    with pytest.raises(UsageError) as error:
        make()
    assert str(error.value) == said
