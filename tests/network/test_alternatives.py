"""Which things a question names to choose between."""

from __future__ import annotations

import pytest

from dynfocus_cli.network.alternatives import named_alternatives
from dynfocus_tiny.wordings import HELD_OUT, TRAINING

PAIR = ("the red square", "the purple 7")
FIELDS = {"time": "00:12", "shape": "heart", "color": "red", "thing": "red heart", "a_thing": "a red heart"}
WORDINGS = [
    (kind, wording.format(**FIELDS, one=PAIR[0], other=PAIR[1]))
    for wordings in (TRAINING, HELD_OUT)
    for kind, sentences in wordings.items()
    for wording in sentences
]


@pytest.mark.parametrize(("kind", "question"), WORDINGS, ids=[question for _, question in WORDINGS])
def test_of_the_generators_wordings_those_that_offer_a_choice_name_it(kind: str, question: str) -> None:
    listed = "up, down, left or right?" in question
    expected = PAIR if kind == "first" else ("up", "down", "left", "right") if listed else ()
    assert named_alternatives(question) == expected


@pytest.mark.parametrize(
    ("question", "alternatives"),
    [
        ("Which is it: an apple or a pear?", ("an apple", "a pear")),
        ("WHICH COMES FIRST, THE STAR OR THE RING?", ("the star", "the ring")),
        ("Is it red, green, or blue?", ("red", "green", "blue")),
        ("Is it red, or is it blue?", ()),
        ("Is there a red cat or a blue dog?", ()),
        ("Is the video about a cat or a dog?", ()),
        ("What is the color of the cat and the dog?", ()),
        ("What is shown for just a second or two?", ()),
        ("Which comes first, the star or?", ()),
        ("", ()),
    ],
)
def test_other_questions(question: str, alternatives: tuple[str, ...]) -> None:
    assert named_alternatives(question) == alternatives
