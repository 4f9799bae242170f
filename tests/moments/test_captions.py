"""Questions become captions by rules; what asks nothing stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.moments.captions import caption_of


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("When does the dog jump?", "the dog jumps"),
        ("when does the big brown dog jump over the fence", "the big brown dog jumps over the fence"),
        ("When do the dogs jump?", "the dogs jump"),
        ("When did the man open the door?", "the man opens the door"),
        ("At what time does she catch the ball?", "she catches the ball"),
        ("When does Anna cry?", "Anna cries"),
        ("When does the frobnicator zorp?", "the frobnicator zorps"),
        ("When is the man running?", "the man is running"),
        ("When was the door open?", "the door is open"),
        ("Is there a red circle?", "a red circle"),
        ("Are there any dogs?", "dogs"),
        ("When is there a red circle in the video?", "a red circle"),
        ("When does a red circle appear?", "a red circle"),
        ("When can you see a blue star?", "a blue star"),
        ("Where is the red circle?", "the red circle"),
        ("When is a red circle on screen?", "a red circle"),
        ("Who opens the door?", "someone opens the door"),
        ("What falls from the table?", "something falls from the table"),
        ("Show me the moment when a dog jumps", "a dog jumps"),
        ("Find all scenes with a red car.", "a red car"),
        ("Please show me where the child falls", "the child falls"),
        ("Does the dog jump?", "the dog jumps"),
        ("When will the bus stop?", "the bus stops"),
        ("When do you see a dog?", "a dog"),
        ("When did the dogs jump?", "the dogs jump"),
        ("show me a clip of a waterfall", "a waterfall"),
        ("the moment when a dog jumps", "a dog jumps"),
        ("find the dog", "the dog"),
        ("find dogs", "dogs"),
        ("Find a pink square", "a pink square"),
        ("show me a red circle", "a red circle"),
        ("show a red circle", "a red circle"),
        ("show us a red circle", "a red circle"),
        ("list all red cars", "red cars"),
        ("show 2 dogs", "2 dogs"),
        ("Show people dancing", "people dancing"),
        ("Show cats", "cats"),
        ("List red cars", "red cars"),
        ("show someone falling", "someone falling"),
        ("show him falling", "him falling"),
        ("show anything red", "anything red"),
        ("show footage of cats", "footage of cats"),
        ("show clip where dog barks", "dog barks"),
        ("show dogs that bark", "dogs that bark"),
        ("show dogs in a ring", "dogs in a ring"),
        ("Doesn't it rain?", "it rains"),
        ("Don't you see the dog?", "you see the dog"),
        ("Can't you see the dog?", "you can't see the dog"),
        ("List scenes with dogs", "dogs"),
        ("See where the child falls", "the child falls"),
        ("please show dogs", "dogs"),
        ("can you show dogs?", "dogs"),
        ("Please, find out when the dog jumps", "the dog jumps"),
        ("when can you see the dog?", "the dog"),
        ("When can't you see the dog?", "you can't see the dog"),
        ("When can’t the dog jump?", "can’t the dog jump"),
    ],
)
def test_a_question_becomes_what_a_frame_would_show(text: str, caption: str) -> None:
    assert caption_of(text) == caption


@pytest.mark.parametrize(
    "text",
    [
        "a red circle",
        "a dog jumps",
        "the time machine",
        "a man is there",
        "wann springt der Hund",
        "犬がジャンプする",
        "does",
        "a clip of paper",
        "show jumping",
        "show jumpers in a ring",
        "show business",
        "see saws",
        "list of names",
        "see saw in a playground",
        "a show of hands",
        "find of gold coins",
    ],
)
def test_a_caption_stays_as_it_is(text: str) -> None:
    assert caption_of(text) == text


def test_quotes_and_the_full_stop_are_no_part_of_a_caption() -> None:
    assert caption_of(' "A dog jumps."  ') == "A dog jumps"


@given(st.text())
def test_a_text_never_becomes_empty(text: str) -> None:
    assert bool(caption_of(text)) == bool(text.strip())
