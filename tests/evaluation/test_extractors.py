"""The outcomes were made by lmms-eval 0.7.3 and VLMEvalKit e8e78f05; `benchmarks/scorers.py` runs both."""

import pytest

from dynfocus_cli.evaluation.extractors import first_letter, inferred_letter, likely_letter
from dynfocus_cli.types import Option

OPTIONS = (Option("A", "red car"), Option("B", "Blue"), Option("C", "dog"), Option("D", "a cat on a mat"))


@pytest.mark.parametrize(
    ("response", "first", "likely", "inferred"),
    [
        ("C", "C", "C", "C"),
        ("c", None, None, None),
        ("", None, None, None),
        (" \n", None, None, None),
        ("E", None, None, None),
        ("(B) because", "B", "B", "B"),
        ("B. because A is wrong", "B", "B", None),
        ("The answer is D.", "D", "D", "D"),
        ("Best answer: C", "B", "C", "C"),
        ("The answer is B, not A", "B", "A", "B"),
        ("Answer: C", "A", "C", "C"),
        ("I Believe it is C", "B", "C", "C"),
        ("答案是C", "C", "C", None),
        ("选B。", "B", "B", None),
        ("the blue one", None, None, "B"),
        ("A red car and a dog", "A", "A", None),
        ("answer is **d**", None, None, "D"),
        ("Cannot determine the answer", "C", "C", None),
        ("AC", "A", "C", None),
        ("A or B", "A", "A", None),
        ("None of them", None, None, None),
    ],
)
def test_extractors_differ(
    response: str, first: str | None, likely: str | None, inferred: str | None
) -> None:
    assert first_letter(response, "ABCD", ["The answer is"]) == first
    assert likely_letter(response, "ABCD") == likely
    assert inferred_letter(response, OPTIONS) == inferred
