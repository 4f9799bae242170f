"""Answers to choose from, as a program gives them."""

from __future__ import annotations

import pytest

from dynfocus_cli.batch.questions import Query
from dynfocus_cli.errors import UsageError
from dynfocus_cli.multiple_choice import as_options
from dynfocus_cli.types import Option


def test_letters_and_texts_or_texts_alone() -> None:
    options = (Option("A", "a dog"), Option("B", "a cat"))
    assert as_options({"A": "a dog", " B ": "a cat "}) == options
    assert as_options(["a dog", "a cat"]) == options
    assert as_options(()) == ()
    assert as_options(options) == options
    assert as_options(text for text in ("a dog", "a cat")) == options
    assert Query("What is it?", choices=["a dog", "a cat"]).choices == options  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (["a dog"], "choosing takes at least two"),
        ({"A": "a dog", "A ": "a cat"}, "There are two choices A"),
        ({"A": "a dog", "B": ""}, "needs a letter and a text"),
        ("a dog", "got the text 'a dog'"),
        (["x"] * 27, "There are 27 choices without letters, and 26 letters"),
    ],
)
def test_what_is_no_choice(choices: list[str] | dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        as_options(choices)
