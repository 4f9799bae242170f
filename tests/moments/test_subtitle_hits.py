"""Subtitles that say what is looked for are moments of their own, or part of what the frames show."""

from __future__ import annotations

import pytest

from dynfocus_cli.moments.moment import Moment
from dynfocus_cli.moments.words import joined, word_hits
from dynfocus_cli.video.cues import Cue

CUES = (
    Cue(1.0, 3.0, "Look at the dog!"),
    Cue(3.5, 5.0, "It is jumping."),
    Cue(20.0, 22.0, "Dogs jump a lot."),
    Cue(23.0, 24.0, "A dog's jump is high."),
    Cue(40.0, 42.0, "The cat sleeps."),
    Cue(50.0, 52.0, "今日は赤い丸が見えます"),
)


def test_words_match_in_other_forms_and_over_two_cues() -> None:
    hits = word_hits("the dog jumps", CUES)
    assert [(hit.start_s, hit.end_s, hit.score) for hit in hits] == [(1.0, 5.0, 1.0), (20.0, 24.0, 1.0)]
    assert hits[0].text == "Look at the dog! It is jumping."


@pytest.mark.parametrize(
    ("cues", "span"),
    [
        (
            [Cue(1, 6, "now watch the dog jump"), Cue(3, 9, "because this dog jumps fast")],
            (1, 9),
        ),  # rolled up
        ([Cue(5, 30, "a dog jumps"), Cue(10, 12, "The dog jumped!")], (5, 30)),
        ([Cue(1, 9, "A dog is here"), Cue(2, 4, "and jumps.")], (1, 9)),
    ],
)
def test_cues_that_are_on_screen_together_are_one_hit(cues: list[Cue], span: tuple[float, float]) -> None:
    assert [(hit.start_s, hit.end_s) for hit in word_hits("the dog jumps", cues)] == [span]


@pytest.mark.parametrize("caption", ["the dog sleeps", "a horse", "the", "?!", ""])
def test_what_is_not_said_is_no_hit(caption: str) -> None:
    assert not word_hits(caption, [cue for cue in CUES if "the" not in cue.text.lower()])


def test_three_of_four_words_are_enough_and_two_of_three_are_not() -> None:
    cue = [Cue(0.0, 1.0, "A red ball rolls.")]
    assert word_hits("a big red ball rolls", cue)[0].score == 0.75
    assert not word_hits("a blue ball rolls", cue)


def test_a_text_without_spaces_matches_as_it_is_written() -> None:
    assert [hit.start_s for hit in word_hits("赤い丸", CUES)] == [50.0]


def test_accents_and_capitals_do_not_matter() -> None:
    assert word_hits("cafe", [Cue(0.0, 1.0, "Ein CAFÉ!")])


def shown(start_s: float, end_s: float, score: float = 0.8) -> Moment:
    return Moment("a.mp4", start_s, end_s, score, start_s, 0.04)


def test_what_is_shown_and_said_is_one_moment_with_the_borders_of_what_is_shown() -> None:
    moments = joined([shown(2.2, 6.0)], word_hits("the dog jumps", CUES), "a.mp4", (0.0, 60.0), 0.04)
    assert [(moment.start_s, moment.end_s, moment.origins, moment.score) for moment in moments] == [
        (2.2, 6.0, ("picture", "words"), 1.0),
        (20.0, 24.0, ("words",), 1.0),
    ]
    assert moments[0].text == "Look at the dog! It is jumping."


def test_a_cue_beside_the_searched_part_is_no_moment() -> None:
    moments = joined([], word_hits("the dog jumps", CUES), "a.mp4", (4.0, 15.0), 0.04)
    assert [(moment.start_s, moment.end_s) for moment in moments] == [(4.0, 5.0)]
