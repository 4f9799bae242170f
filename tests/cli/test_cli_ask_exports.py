"""`dynfocus ask --html OUT ...`: the files of `inspect`, and a page with the answer.

The stand-in of conftest.py answers; pictures are decoded from real clips. One test asks the shipped model.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import dynfocus_cli
from dynfocus_cli.cli.app import app
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.types import Answer, Check, Counterfactual, Option
from video.clips import write_clip

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")
EVERYTHING = ["--html", "out.html", "--contact-sheet", "out.png", "--csv", "out.csv", "--edl", "out.edl"]
EVERYTHING += ["--chapters", "out.vtt", "--save-frames", "frames"]


@pytest.fixture
def video(tmp_path, monkeypatch):
    """`video("a.mp4")` makes a real clip of two seconds in the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> str:
        return write_clip(tmp_path / name, range(0, 2000, 100), size=(64, 48)).name

    return make


def page(name: str = "out.html") -> str:
    return Path(name).read_text(encoding="utf-8")


def test_all_formats_are_written_after_the_answer(stand_in, run, video):
    name = video("clip.mp4")
    plain, result = run("ask", name, "Who?"), run("ask", name, "Who?", *EVERYTHING)
    assert (result.exit_code, result.stdout) == (0, plain.stdout)
    written = [f"Wrote {path}" for path in ("out.csv", "out.edl", "out.vtt", "out.html", "out.png", "frames")]
    assert result.stderr.splitlines()[-6:] == written
    assert len(stand_in.calls) == 2
    assert ">Who?</blockquote>" in page()
    assert "A red\ncircle." in page()
    assert os.listdir("frames") == ["clip_00-00-00.000_event0.jpg"]


def test_inspect_writes_no_answer(stand_in, run, video):
    assert run("inspect", video("clip.mp4"), "--html", "out.html").exit_code == 0
    assert 'aria-label="Answer"' not in page()
    assert "dynfocus inspect</title>" in page()


def test_the_page_has_options_and_verdicts(stand_in, run, video, monkeypatch):
    def ask(*arguments) -> Answer:
        options = (Option("A", "a <b>dog</b>", -3.0), Option("B", "a cat", -1.0))
        check = Check(Counterfactual("B", 5, 90, False), Counterfactual("<i>A</i>", 7, 80, True))
        return Answer("B", stand_in.inspect(*arguments[:5]), options, check)

    monkeypatch.setattr(dynfocus_cli.pipeline, "ask", ask)
    choices = ["--choice", "A=a <b>dog</b>", "--choice", "B=a cat"]
    result = run("ask", video("clip.mp4"), "Which?", *choices, "--check", "--html", "out.html", "-q")
    assert result.exit_code == 0
    assert "11.9 %" in page()
    assert "88.1 %" in page()
    assert "a &lt;b&gt;dog&lt;/b&gt;" in page()
    assert "&lt;i&gt;A&lt;/i&gt;" in page()
    assert "another answer" in page()
    assert "the same answer" in page()


def test_json_quietly_and_embedded(stand_in, run, video):
    result = run("ask", video("clip.mp4"), "q", "--json", "-q", "--html", "out.html", "--embed")
    assert json.loads(result.stdout)["schema"] == "dynfocus.answer/1"
    assert result.stderr == ""
    assert 'src="data:video/mp4;base64,' in page()


def test_several_videos_fill_a_folder(stand_in, run, video):
    names = [video("a.mp4"), video("b.mp4")]
    result = run("ask", *names, "q", "--html", "pages/", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(os.listdir("pages")) == ["a.html", "b.html"]


def test_a_result_in_the_file_says_that_its_page_is_there(stand_in, run, video, monkeypatch):
    name = video("a.mp4")
    monkeypatch.setattr("dynfocus_cli.report.export.Exporter.write", interrupt)
    result = run("ask", name, "q", "--html", "out.html", "--output", "out.jsonl")
    assert result.exit_code == 130
    assert not Path("out.jsonl").exists()


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.mp4", "q", "--embed"], "name that with --html"),
        (["a.mp4", "q", "--html", "out.pdf"], "ends in .html or .htm, or a folder"),
        (["a.mp4", "q", "--csv", "out.csv", "--dry-run"], "--dry-run"),
        (["a.mp4", "b.mp4", "q", "--html", "out.html"], "there are several videos: name a folder"),
        (["a.mp4", "--questions", "q.txt", "--html", "out.html"], "leave --questions or them out"),
        (["a.csv", "q", "--csv", "a.csv"], "would replace the video itself"),
    ],
)
def test_bad_names_are_told_before_any_video_is_touched(stand_in, run, clip, arguments, said):
    for name in ("a.mp4", "b.mp4", "a.csv"):
        clip(name)
    Path("q.txt").write_text("What?\nWho?\n")
    result = run("ask", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert stand_in.loads == stand_in.calls == []


def test_one_question_of_a_file_may_have_a_page(stand_in, run, video):
    Path(video("a.mp4")).parent.joinpath("q.txt").write_text("Who?\n")
    assert run("ask", "a.mp4", "--questions", "q.txt", "--html", "out.html").exit_code == 0
    assert ">Who?</blockquote>" in page()


def test_a_file_that_cannot_be_written_costs_no_answer(stand_in, run, clip):
    result = run("ask", clip("empty.mp4"), "q", "--html", "out.html", "--csv", "out.csv", "-q")
    assert (result.exit_code, result.stdout) == (3, "A red circle.\n")
    assert len(result.stderr.splitlines()) == 1
    assert Path("out.csv").exists()


def test_a_video_that_fails_has_no_page(stand_in, run, video):
    stand_in.errors = {"a.mp4": VideoUnreadable("a.mp4 holds no frame.")}
    result = run("ask", video("a.mp4"), video("b.mp4"), "q", "--html", "pages/", "-q")
    assert result.exit_code == 6
    assert os.listdir("pages") == ["b.html"]


@pytest.mark.slow
def test_the_shipped_model(tmp_path):
    out = tmp_path / "out.html"
    choices = ["--choice", "A=pink", "--choice", "B=purple"]
    question = "What color is the heart at 00:12?"
    result = CliRunner().invoke(
        app, ["ask", "--check", *choices, DEMO, question, "--html", str(out), "--csv", f"{tmp_path}/out.csv"]
    )
    assert (result.exit_code, result.stdout) == (0, "B\n")
    text = out.read_text(encoding="utf-8")
    for said in (question, "purple", "Evenly spaced frames", "Without the key frames"):
        assert said in text
