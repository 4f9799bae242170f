"""`benchmarks/wide.py`: what its clips differ in, and that it goes on after a kill."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from dynfocus_cli.synth.backdrops import BACKDROPS, PAINTED, TEXTURES
from dynfocus_cli.synth.digits import BUILT_IN, EXAM_FONT
from dynfocus_cli.synth.exam import draw_balanced
from dynfocus_cli.synth.unanswerable import CANNOT_TELL, UNANSWERABLE
from dynfocus_cli.synth.world import WIDE, write_script
from dynfocus_tiny.materials import Materials

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
MATERIALS = Materials((BUILT_IN,), (EXAM_FONT,), PAINTED, TEXTURES)


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("wide")


class Stub:
    """A model that cannot tell anything, and counts how often it was asked."""

    def __init__(self) -> None:
        self.model = SimpleNamespace(info=SimpleNamespace(revision="stub"))
        self.asked = 0

    def ask(self, video: str, question: str) -> SimpleNamespace:
        assert Path(video).stat().st_size > 0
        self.asked += 1
        return SimpleNamespace(answer=CANNOT_TELL, evidence=SimpleNamespace(in_domain=True))


def test_conditions_paint_what_they_are_named_after(wide) -> None:
    looks = {name: one.look(random.Random(0), MATERIALS) for name, one in wide.CONDITIONS.items()}
    assert looks["16:9"].aspect == pytest.approx(16 / 9)
    assert looks["held-out fonts"].digits == EXAM_FONT
    assert looks["held-out photographs"].backdrop == TEXTURES
    assert all(look.backdrop in BACKDROPS for look in looks.values())
    worlds = {name: one.world for name, one in wide.CONDITIONS.items()}
    scenes = [len(write_script(seed, world=worlds["7 to 10 scenes"]).scenes) for seed in range(40)]
    assert set(scenes) == {7, 8, 9, 10}
    durations = [write_script(seed, world=worlds["2 to 5 minutes"]).duration_s for seed in range(40)]
    assert min(durations) > 120
    assert max(durations) <= WIDE.durations_s[1]
    sizes = [a.radius for s in write_script(3, world=worlds["small things"]).scenes for a in s.actors]
    assert max(sizes) <= 0.085


def test_no_two_conditions_film_one_script(wide) -> None:
    scripts = [
        sheet.script.seed for name in wide.CONDITIONS for sheet in wide.sheets_of(name, seed=41, questions=15)
    ]
    assert len(set(scripts)) == len(scripts)
    assert wide.sheets_of("old world", 11, 15) == draw_balanced(11, 15)


def test_as_many_unanswerable_questions_as_wanted(wide) -> None:
    sheets = wide.unanswerable_sheets(5, 40)
    questions = [question for sheet in sheets for question in sheet.questions]
    assert len(questions) == 40
    assert {(question.type, question.answer) for question in questions} == {(UNANSWERABLE, CANNOT_TELL)}


def test_what_was_answered_before_a_kill_is_not_asked_again(wide, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(wide, "FILM", wide.FILM._replace(size=32, fps=1))
    model, partial = Stub(), tmp_path / "partial.jsonl"
    sheets = draw_balanced(3, 15)
    rows = wide.Exam(model, MATERIALS, partial, 3).hold("4:3", sheets[:1])
    with partial.open("a") as file:
        file.write('{"key": [')
    asked = model.asked
    assert asked == len(sheets[0].questions)
    again = wide.Exam(model, MATERIALS, partial, 3).hold("4:3", sheets[:2])
    assert again[:asked] == rows
    assert model.asked == asked + len(sheets[1].questions)
    assert wide.summary(again)["accuracy"] == 0.0
