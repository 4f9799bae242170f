"""Which videos and questions lie outside of what a model was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dynfocus_cli.errors import ModelUnavailable
from dynfocus_cli.features.domain import Domain, pairs_of, words_of
from dynfocus_cli.types import VideoSource

QUESTIONS = ("What color is the heart at 00:12?", "How many scenes are there?")
DOMAIN = Domain(
    aspect_ratios=(0.8, 1.25),
    until_s=120.0,
    shots=6,
    words=frozenset(word for question in QUESTIONS for word in words_of(question)),
    pairs=frozenset(pair for question in QUESTIONS for pair in pairs_of(words_of(question))),
)


def source(width: int = 256, height: int = 256) -> VideoSource:
    return VideoSource("clip.mp4", 60.0, width, height, 12.0, "h264", 0, False, 0, 0.0)


@pytest.mark.parametrize(
    ("size", "last_s", "shots", "said"),
    [
        ((256, 256), 59.0, 5, None),
        ((320, 256), 120.0, 7, None),  # a count that is one off is none
        ((256, 256), 59.0, None, None),
        ((640, 360), 59.0, 5, "1.78 times as wide as it is high, where training had 0.8 to 1.25"),
        ((360, 640), 59.0, 5, "0.56 times as wide"),
        ((256, 256), 149.0, 5, "looked at until 00:02:29, where training ended at 00:02:00"),
        ((256, 256), 59.0, 8, "it has 8 scenes, where training had at most 6"),
    ],
)
def test_videos(size: tuple[int, int], last_s: float, shots: int | None, said: str | None) -> None:
    departures = DOMAIN.video_departures(source(*size), (0.0, last_s), shots)
    assert len(departures) == (said is not None)
    assert said is None or said in departures[0]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What color is the heart at 01:59?", None),
        ("what color is the heart", None),
        ("How many scenes are there at 00:12?", None),
        ("Who is the president of France?", "no question with 'who', 'president', 'of' and others"),
        ("画面上有红色的圆吗?", "no question with"),
        ("heart the many", "put like this"),
        ("What?", "put like this"),
        ("?", "put like this"),
    ],
)
def test_questions(question: str, said: str | None) -> None:
    departures = DOMAIN.question_departures(question)
    assert len(departures) == (said is not None)
    assert said is None or said in departures[0]


def test_answers_to_choose_from() -> None:
    assert DOMAIN.question_departures(QUESTIONS[0], ("heart", "scenes")) == ()
    assert "'bus'" in DOMAIN.question_departures(QUESTIONS[0], ("heart", "a bus"))[0]


def test_what_is_not_said_limits_nothing(tmp_path: Path) -> None:
    nothing = Domain.load(tmp_path)
    assert nothing == Domain()
    assert nothing.video_departures(source(1920, 1080), (0.0, 9000.0), 50) == ()
    assert nothing.question_departures("Who is the president of France?") == ()


def test_a_widened_domain_holds_what_it_was_widened_by() -> None:
    wide = DOMAIN.widened([source(1920, 1080)], 300.0, ["Is there a dog?"])
    assert wide.video_departures(source(1920, 1080), (0.0, 299.0), 3) == ()
    assert wide.question_departures("Is there a dog?") == ()
    assert wide.question_departures("Is there a cat?")
    assert Domain().widened([source(1920, 1080)], 300.0, ["Is there a dog?"]) == Domain()


def test_round_trip(tmp_path: Path) -> None:
    for domain in (DOMAIN, Domain(), replace(Domain(), until_s=12.5)):
        domain.save(tmp_path)
        assert Domain.load(tmp_path) == domain


@pytest.mark.parametrize("content", ["", "[]", '{"aspect_ratios": 3}', "\x00"])
def test_a_damaged_file_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "domain.json").write_text(content)
    with pytest.raises(ModelUnavailable, match=r"domain\.json cannot be used"):
        Domain.load(tmp_path)
