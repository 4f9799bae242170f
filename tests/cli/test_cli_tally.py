"""What a run of several videos says of itself: how far it is, and once what holds for many."""

from __future__ import annotations

import pytest

from dynfocus_cli.cli import tally
from dynfocus_cli.cli.bars import bars
from dynfocus_cli.cli.tally import Tally, Warnings, clock


@pytest.fixture
def now(monkeypatch):
    class Clock:
        seconds = 100.0

        def monotonic(self):
            return self.seconds

    clock = Clock()
    monkeypatch.setattr(tally, "time", clock)
    return clock


def test_a_tally_says_how_many_are_done_failed_and_left(now):
    run = Tally(11)
    assert run.line() == "0/11 done"
    with run.loading():
        now.seconds = 150.0
    assert run.loading_s == 50.0
    run.passed_over(failed=False)
    now.seconds = 160.0
    run.made(failed=False)
    assert run.is_first
    run.made(failed=True)
    assert run.line() == "3/11 done, 1 failed, 0:40 left"
    assert not run.is_first


def test_a_tally_of_a_list_that_is_still_coming(now):
    run = Tally(None)
    run.made(failed=True)
    assert run.line() == "1 done, 1 failed"


def test_the_tally_stands_under_the_stage(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with bars("a.mp4", "3/11 done, 1 failed, 0:40 left") as display:
        display.stage("encode", 10)
        lines = [str(line) for line in display._progress.get_renderables()]
    assert lines[1:] == ["3/11 done, 1 failed, 0:40 left"]


def test_clock():
    assert [clock(seconds) for seconds in (0, 29.6, 60, 3722)] == ["0:00", "0:30", "1:00", "1:02:02"]


SAME = (
    "dynfocus-tiny answers, which knows generated clips alone. `dynfocus models pull smolvlm2-500m` fetches."
)


def test_equal_warnings_are_said_once_and_counted(capsys):
    warnings = Warnings()
    for video in ("a.mp4", "b.mp4", "c.mp4"):
        warnings.say(SAME, video)
    warnings.say("Of one\nalone.", "b.mp4")
    warnings.conclude("videos")
    assert capsys.readouterr().err.splitlines() == [
        f"Warning: a.mp4: {SAME}",
        "Warning: b.mp4: Of one alone.",
        "Warning for 3 videos, as above: dynfocus-tiny answers, which knows generated clips ...",
    ]


def test_a_run_says_equal_warnings_once(stand_in, run, clip):
    stand_in.warnings = ("Not its world.",)
    names = [clip(f"{name}.mp4") for name in "abcd"]
    result = run("inspect", *names, "--jsonl", "-q")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"Warning: {names[0]}: Not its world.",
        "Warning for 4 videos, as above: Not its world.",
    ]
