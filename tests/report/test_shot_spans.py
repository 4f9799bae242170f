"""Shots for editors: their titles, and the key frames in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynfocus_cli.moments.shots import Shot
from dynfocus_cli.report import shot_spans as module
from dynfocus_cli.report.shot_spans import shot_spans
from report.conftest import build_inspection


@pytest.fixture
def with_shots(monkeypatch):
    """Two shots of a video that is not there: only what is made of them is looked at."""
    found = (Shot(0.0, 1.75, "start"), Shot(1.75, 1.9, "cut"), Shot(1.9, 6.0, "fade"))
    monkeypatch.setattr(module, "_shots", lambda *_: found)


def test_titles_tell_the_time_and_the_key_frame(with_shots):
    assert [span.title for span in shot_spans(build_inspection())] == [
        "Shot 1, 00:00:00.000, key frame 00:00:00.000",
        "Shot 2, 00:00:01.750",
        "Shot 3, 00:00:01.900, after a fade, key frame 00:00:03.000",
    ]


def test_the_best_key_frame_of_a_shot_is_named(with_shots):
    made = build_inspection()
    frames = tuple(replace(frame, score=0.2 if frame.index == 6 else frame.score) for frame in made.frames)
    best = [span.key_frame and span.key_frame.index for span in shot_spans(replace(made, frames=frames))]
    assert best == [0, None, 9]
