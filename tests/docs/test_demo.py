"""The questions of `make demo` and of the README's session have right answers: those of the clip's script."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import dynfocus_cli
from dynfocus_cli.synth.world import write_script

ROOT = Path(__file__).parents[2]
ASKED = re.compile(r"What color is the (\w+) at (\d\d):(\d\d)\?")
SEED = runpy.run_path(str(ROOT / "examples" / "make_demo.py"))["SEED"]


def questions() -> list[str]:
    makefile, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "README.md"))
    demo = re.findall(r"^QUESTION_\d \?= (.+)$", makefile, re.MULTILINE)
    session = re.findall(r'^\$ dynfocus ask examples/demo.mp4 "(.+)"$', readme, re.MULTILINE)
    assert len(demo) == 2
    assert session
    return list(dict.fromkeys([*demo, *session]))


@pytest.mark.parametrize("question", questions())
def test_the_answer_is_what_the_picture_shows(question: str) -> None:
    match = ASKED.fullmatch(question)
    assert match is not None, "give this test the right answer to questions of another kind"
    shape, minutes, seconds = match.groups()
    script = write_script(SEED, duration_s=60, scenes=5)
    time_s = 60 * int(minutes) + int(seconds)
    shown = [seen.thing.color for seen in script.scene_at(time_s).at(time_s) if seen.thing.shape == shape]
    assert len(shown) == 1
    model = dynfocus_cli.load("dynfocus-tiny", device="cpu")
    assert model.ask(str(ROOT / "examples" / "demo.mp4"), question).answer == shown[0]
