"""Multiple choice: which of the given answers is the likeliest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat
from math import exp
from string import ascii_uppercase

from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import check_question
from dynfocus_cli.types import Option

INSTRUCTION = "Answer with the letter of the right option, and nothing else."


def check_options(options: Sequence[Option]) -> None:
    """
    Raises:
        UsageError: a single option, one without a text, or two with the same letter.
    """
    if len(options) == 1:
        raise UsageError(f"There is only `choices={options[0].letter}`, and choosing takes at least two.")
    letters = [option.letter for option in options]
    for option in options:
        if not option.letter.strip() or not option.text.strip():
            raise UsageError("A choice needs a letter and a text, as in: `choices=A='a dog'`")
        if letters.count(option.letter) > 1:
            raise UsageError(f"There are two choices {option.letter}: give each its own letter.")
        check_question(option.text)


def as_options(choices: Mapping[str, str] | Iterable[str] | Iterable[Option]) -> tuple[Option, ...]:
    """Letters and texts as options; texts alone are A, B, C ... in their order. Options stay as they are.

    Raises:
        UsageError: they are no choice, see `check_options`, or more than there are letters.
    """
    if isinstance(choices, str):
        raise UsageError(f"`choices` are several answers to choose from, got the text {choices!r}.")
    pairs: list[tuple[str, str | Option]]
    if isinstance(choices, Mapping):
        pairs = list(choices.items())
    else:
        given: list[str | Option] = [*choices]
        if len(given) > len(ascii_uppercase) and not all(isinstance(each, Option) for each in given):
            raise UsageError(
                f"There are {len(given)} choices without letters, and {len(ascii_uppercase)} letters."
            )
        letters = chain(ascii_uppercase, repeat(""))
        pairs = list(zip(letters, given, strict=False))
    options = tuple(
        each if isinstance(each, Option) else Option(letter.strip(), each.strip()) for letter, each in pairs
    )
    check_options(options)
    return options


def listed(question: str, options: Sequence[Option]) -> str:
    """The question with its options below it, for a model that is to answer by a letter."""
    lines = [question, *(f"{option.letter}. {option.text}" for option in options), INSTRUCTION]
    return "\n".join(lines)


def ranked(options: Sequence[Option], log_likelihoods: Sequence[float]) -> tuple[tuple[Option, ...], Option]:
    """The options with their likelihoods, and the likeliest; of equals the earlier one."""
    rated = tuple(
        replace(option, log_likelihood=value) for option, value in zip(options, log_likelihoods, strict=True)
    )
    return rated, max(rated, key=lambda option: option.log_likelihood)


def by_share(options: Sequence[Option]) -> list[tuple[Option, float]]:
    """Each option with its share of their likelihood together, 0 to 1, the likeliest first."""
    best = max((option.log_likelihood for option in options), default=0.0)
    weights = [exp(option.log_likelihood - best) for option in options]
    shares = [(option, weight / sum(weights)) for option, weight in zip(options, weights, strict=True)]
    return sorted(shares, key=lambda one: -one[1])
