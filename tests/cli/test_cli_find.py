"""`dynfocus find`: arguments, streams, codes, records.

SUBSTITUTE: `open_finder` is replaced, where a failure has to be simulated or a call counted. What models find
for themselves stands in tests/moments/ and at the end of this file, where a CLIP of random weights searches.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dynfocus_cli.errors import OutOfDomain, VideoUnreadable
from dynfocus_cli.moments import library
from dynfocus_cli.moments.moment import Screening, Threshold, VideoMoments
from dynfocus_cli.options import FindOptions, RunOptions
from dynfocus_cli.types import Timings
from report.found import MODEL, video_moments
from strict_schema import validate


@dataclass
class Search:
    """What the command asked of the library, and what is there to be found."""

    found: dict[str, tuple[tuple[float, float, float], ...]] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    threshold: Threshold | None = None
    calls: list[tuple[str, str, FindOptions, RunOptions]] = field(default_factory=list)
    info: Any = MODEL
    loads: int = 0
    screening: Screening | None = None

    def open(self, *_: Any) -> Search:
        self.loads += 1
        return self

    def check(self, options: FindOptions) -> None: ...

    def check_text(self, *_: Any) -> None:
        if "the text" in self.errors:
            raise self.errors["the text"]

    def screen(self, *_: Any) -> Screening | None:
        """What the index says; None where there is none."""
        return self.screening

    def find(self, video: str, text: str, options: FindOptions, run: RunOptions, progress: Any) -> Any:
        self.calls.append((video, text, options, run))
        if video in self.errors:
            raise self.errors[video]
        found = self.found.get(video, ())
        return video_moments(video, *found, warnings=self.warnings, threshold=self.threshold)


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> Search:
    search = Search()
    monkeypatch.setattr(library, "open_finder", search.open)
    return search


def test_moments_are_rows_in_a_pipe_and_all_else_is_on_stderr(run, clip, finder) -> None:
    finder.found = {"a.mp4": ((10.0, 14.0, 0.9), (40.0, 42.0, 0.95))}
    result = run("find", clip("a.mp4"), "When is there a red circle?")
    assert result.exit_code == 0
    heading, *rows = result.stdout.splitlines()
    assert heading.startswith("video\tstart_s\tend_s")
    assert [row.split("\t")[1:3] for row in rows] == [["40.000", "42.000"], ["10.000", "14.000"]]
    assert "60 frames looked at" in result.stderr
    assert finder.calls[0][2].refine is True
    assert finder.calls[0][3].subtitles == "auto"


def test_what_is_not_there_is_a_sentence_and_no_failure(run, clip, finder) -> None:
    result = run("find", clip("a.mp4"), "a red circle")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "“a red circle” was not found in the video." in result.stderr
    record = json.loads(run("find", "a.mp4", "a red circle", "--json").stdout)
    validate(record)
    assert record["not_found"] is True


def test_several_videos_are_ranked_together_and_borders_left_rough(run, clip, finder) -> None:
    finder.found = {"d/a.mp4": ((10.0, 14.0, 0.9),), "d/e/b.mp4": ((1.0, 2.0, 0.95), (5.0, 6.0, 0.5))}
    clip("d/a.mp4"), clip("d/e/b.mp4")
    result = run("find", "d", "-r", "a red circle", "--top", "2")
    assert [row.split("\t")[0] for row in result.stdout.splitlines()[1:]] == ["d/e/b.mp4", "d/a.mp4"]
    assert [call[2].refine for call in finder.calls] == [False, False]
    assert finder.loads == 1
    record = json.loads(run("find", "d", "-r", "a red circle", "--json", "--refine").stdout)
    assert [each["video"] for each in record["moments"]] == ["d/e/b.mp4", "d/a.mp4", "d/e/b.mp4"]
    assert finder.calls[-1][2].refine is True
    lines = run("find", "d", "-r", "a red circle", "--jsonl").stdout.splitlines()
    assert [json.loads(line)["video"] for line in lines] == ["d/a.mp4", "d/e/b.mp4"]


def test_videos_that_fail_cost_no_other(run, clip, finder) -> None:
    finder.found = {"a.mp4": ((10.0, 14.0, 0.9),)}
    finder.errors = {"b.mp4": VideoUnreadable("b.mp4 is no video.")}
    clip("a.mp4"), clip("b.mp4")
    result = run("find", "a.mp4", "b.mp4", "gone.mp4", "x", "--json")
    assert result.exit_code == 6
    record = json.loads(result.stdout)
    validate(record)
    assert (record["videos"], record["failed"]) == (1, 2)
    assert "b.mp4 is no video." in result.stderr
    assert "No such file: gone.mp4" in result.stderr
    lines = [json.loads(line) for line in run("find", "a.mp4", "b.mp4", "x", "--jsonl").stdout.splitlines()]
    assert [line["schema"] for line in lines] == ["dynfocus.moments/1", "dynfocus.error/1"]
    assert lines[1]["error"]["code"] == 3


def test_a_text_that_the_model_does_not_know_is_said_once(run, clip, finder) -> None:
    finder.errors = {"the text": OutOfDomain("It knows no dogs.")}
    clip("a.mp4"), clip("b.mp4")
    result = run("find", "a.mp4", "b.mp4", "a dog")
    assert (result.exit_code, result.stdout, result.stderr) == (4, "", "Error: It knows no dogs.\n")
    assert finder.calls == []
    finder.errors |= dict.fromkeys(("a.mp4", "b.mp4"), finder.errors["the text"])
    result = run("find", "a.mp4", "b.mp4", "a dog", "--jsonl")
    assert result.exit_code == 6
    assert [json.loads(line)["error"]["code"] for line in result.stdout.splitlines()] == [4, 4]


def test_videos_that_the_index_alone_was_asked_about_count(run, clip, finder) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        clip(name)
    timings_s = Timings(0.1, 0.0, 0.2, 0.0, 0.4)
    finder.screening = Screening({"a.mp4": 30, "b.mp4": 40}, Threshold(0.25, "measured"), timings_s)
    record = json.loads(run("find", "a.mp4", "b.mp4", "c.mp4", "x", "--json").stdout)
    validate(record)
    assert [call[0] for call in finder.calls] == ["c.mp4"]
    alone = json.loads(run("find", "c.mp4", "x", "--json").stdout)
    for stage, seconds in (("decode", 0.1), ("select", 0.2), ("total", 0.4)):
        assert record["timings_s"][stage] == pytest.approx(alone["timings_s"][stage] + seconds)
    assert (record["videos"], record["failed"]) == (3, 0)
    finder.errors = {"c.mp4": VideoUnreadable("c.mp4 is no video.")}
    finder.screening = replace(finder.screening, passed_over={"a.mp4": 30, "gone.mp4": 50})
    result = run("find", "a.mp4", "c.mp4", "gone.mp4", "x")
    assert (result.exit_code, result.stdout) == (6, "")
    assert "“x” was not found in the video." in result.stderr
    assert "30 frames looked at" in result.stderr
    assert "2 of 3 videos failed." in result.stderr
    record = json.loads(run("find", "a.mp4", "c.mp4", "gone.mp4", "x", "--json").stdout)
    validate(record)
    assert (record["videos"], record["failed"], record["threshold"]["value"]) == (1, 2, 0.25)
    finder.errors = {}
    for more in (("--jsonl",), ("--output", "o.jsonl"), ("--csv", "x.csv"), ("--clips", "cuts")):
        finder.calls.clear()
        run("find", "a.mp4", "b.mp4", "x", *more)
        assert [call[0] for call in finder.calls] == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(("error", "code"), [(VideoUnreadable("x"), 3), (OutOfDomain("x"), 4)])
def test_the_only_video_ends_with_its_own_code(run, clip, finder, error: Exception, code: int) -> None:
    finder.errors = {"a.mp4": error}
    result = run("find", clip("a.mp4"), "a dog")
    assert (result.exit_code, result.stdout) == (code, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mp4", ""], "is empty"),
        (["a.mp4", "  "], "is empty"),
        (["a.mp4", "x" * 5000], "5000 characters"),
        (["a.mp4", "a\udcff"], "not UTF-8"),
        (["a.mp4"], "it comes last"),
        (["a dog"], "No video: it comes before the text"),
        (["a.mp4", "x", "--output", "o.jsonl", "--html", "x.html"], "leave --output or them out"),
        (["a.mp4", "x", "--output", "o.jsonl", "--clips", "d"], "leave --output or them out"),
        (["a.mp4", "x", "--exact"], "name a folder with --clips"),
        (["a.mp4", "x", "--csv", "x.pdf"], "a name that ends in .csv"),
        (["a.mp4", "x", "--embed"], "name that with --html"),
        (["a.mp4", "x", "--dry-run", "--json"], "prints lines of text"),
        ([], "Missing argument VIDEO"),
        (["a.mp4", "a.mp4"], "it comes last"),
        (["a.mp4", "x", "--top", "0"], "--top must be at least 1"),
        (["a.mp4", "x", "--min-length", "-1"], "--min-length must"),
        (["a.mp4", "x", "--threshold", "0"], "--threshold must"),
        (["a.mp4", "x", "--verify", "-1"], "--verify must"),
        (["a.mp4", "x", "--subtitles", "none.srt"], "cannot be read"),
        (["a.mp4", "x", "--anyway", "--strict"], "leave one of them out"),
        (["a.mp4", "x", "--json", "--output", "o.jsonl"], "leave one of --json and --output out"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_opened(
    run, clip, finder, arguments: list[str], message: str
) -> None:
    clip("a.mp4")
    result = run("find", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not finder.calls


def test_a_file_of_results_is_gone_on_with(run, clip, finder) -> None:
    for name in ("a.mp4", "b.mp4"):
        Path(clip(name)).write_bytes(name.encode())
    command = ("find", "a.mp4", "b.mp4", "a dog", "--output", "o.jsonl")
    finder.errors = {"b.mp4": VideoUnreadable("x")}
    assert run(*command).exit_code == 6
    finder.errors = {}
    assert run(*command, "--retry-failed").exit_code == 0
    assert [call[0] for call in finder.calls] == ["a.mp4", "b.mp4", "b.mp4"]
    records = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert {record["schema"] for record in records} == {"dynfocus.moments/1"}
    nothing_left = run(*command)
    assert nothing_left.exit_code == 0
    assert nothing_left.stderr == "o.jsonl has 2 results of earlier runs.\n"
    assert len(finder.calls) == 3
    other = run("find", "a.mp4", "b.mp4", "a dog", "--output", "o.jsonl", "--top", "9")
    assert other.exit_code == 2
    assert "other settings" in other.stderr
    run("find", "a.mp4", "b.mp4", "a cat", "--output", "o.jsonl")
    assert len(finder.calls) == 5, "another text is another result"
    alone = run("find", "a.mp4", "a dog", "--output", "o.jsonl")
    assert alone.exit_code == 2, "the borders of a single video are exact, and these are not"
    assert "(there the default; here refine=True)" in alone.stderr
    assert run("find", "a.mp4", "a dog", "--output", "one.jsonl", "--refine").exit_code == 0
    assert run("find", "a.mp4", "a dog", "--output", "one.jsonl").stderr.startswith("one.jsonl has 1 result")
    assert len(finder.calls) == 6


@pytest.mark.parametrize("form", [(), ("--json",), ("--jsonl",)], ids=str)
def test_where_no_video_is_there_that_is_all_that_is_said(run, finder, form: tuple[str, ...]) -> None:
    one, two = run("find", "a.mp4", "a dog", *form), run("find", "a.mp4", "b.mp4", "a dog", *form)
    assert (one.exit_code, two.exit_code) == (3, 6)
    assert one.stderr == "Error: No such file: a.mp4.\n"
    assert two.stderr.endswith("Error: 2 of 2 videos failed.\n")
    assert not finder.calls


def test_a_part_without_videos_is_no_failure(run, clip, finder) -> None:
    result = run("find", clip("a.mp4"), "a dog", "--shard", "2/2", "--output", "o.jsonl")
    assert result.exit_code == 0, result.stderr
    assert not finder.calls


def test_a_threshold_is_given_shown_and_where_nobody_measured_it_told(run, clip, finder) -> None:
    run("find", clip("a.mp4"), "x", "--threshold", "0.2")
    run("find", "a.mp4", "x")
    assert [call[2].threshold for call in finder.calls] == [0.2, None]
    finder.threshold = Threshold(0.5, "unmeasured")
    result = run("find", "a.mp4", "a red circle")
    assert result.exit_code == 0
    assert "was not measured for dynfocus-tiny: --threshold sets another." in " ".join(result.stderr.split())
    record = json.loads(run("find", "a.mp4", "a red circle", "--json").stdout)
    validate(record)
    assert record["threshold"] == {"value": 0.5, "origin": "unmeasured"}


def test_warnings_name_flags(run, clip, finder) -> None:
    finder.warnings = ("take what is found as a guess, or name another `model`.",)
    assert "or name another --model." in run("find", clip("a.mp4"), "x").stderr


@pytest.fixture
def dual_encoder(tmp_path, monkeypatch) -> Callable[[str], Path]:
    """`dual_encoder("clip")` makes one of random weights in the working directory."""
    import torch

    sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
    import dual_encoders

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    return lambda kind: dual_encoders.build(kind, tmp_path / kind)


@pytest.mark.slow
def test_a_dual_encoder_searches_by_itself(run, tmp_path, dual_encoder) -> None:
    from video.clips import write_clip

    folder = dual_encoder("clip")
    write_clip(tmp_path / "a.mp4", range(0, 1000, 40))
    (tmp_path / "a.srt").write_text(
        "1\n00:00:00,100 --> 00:00:00,400\nThe dog jumps.\n\n"
        "2\n00:00:00,600 --> 00:00:09,000\nA cat sleeps.\n"
    )
    result = run("find", "a.mp4", "When does the dog jump?", "--model", str(folder), "--json", "--fps", "5")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    validate(record)
    assert record["caption"] == "the dog jumps"
    assert "words" in {origin for each in record["moments"] for origin in each["origins"]}
    said = ("find", "a.mp4", "a cat", "--model", str(folder), "--json", "--threshold", "1", "--end")
    (moment,) = json.loads(run(*said, "5").stdout)["moments"]
    assert (moment["origins"], moment["start_s"], moment["end_s"]) == (["words"], 0.6, 1.0), "not 5"
    assert not json.loads(run(*said, "0").stdout)["moments"]
    refused = run("find", "a.mp4", "a dog", "--model", str(folder), "--verify", "1")
    assert refused.exit_code == 2
    assert "asks a language model" in refused.stderr


@pytest.mark.slow
def test_a_search_that_passes_over_videos_says_what_one_of_each_says(
    run, tmp_path, monkeypatch, dual_encoder
) -> None:
    from video.clips import barcode, write_clip

    folder = dual_encoder("siglip")
    long_ago = time.time() - 100
    for number in range(6):
        path = write_clip(tmp_path / f"{number}.mp4", range(0, 2000, 40), stored=barcode(37 * number + 5))
        os.utime(path, (long_ago, long_ago))
    searched: list[str] = []
    find = library.Finder.find

    def counted(self: library.Finder, video: str, *more: Any) -> VideoMoments:
        searched.append(video)
        return find(self, video, *more)

    monkeypatch.setattr(library.Finder, "find", counted)
    arguments = ["find", ".", "a dog", "--model", str(folder)]
    assert run("index", ".", "--model", str(folder)).exit_code == 0
    lines = [json.loads(line) for line in run(*arguments, "--jsonl").stdout.splitlines()]
    best = sorted(max(line["curve"]["scores"]) for line in lines)
    assert len(searched) == 6
    for threshold in (best[3] + 1e-4, min(best[5] + 0.01, 0.999)):
        searched.clear()
        asked = [*arguments, "--threshold", str(threshold)]
        quick = run(*asked, "--json")
        assert 1 <= len(searched) < 6
        slow = run(*asked, "--json", "--no-cache")
        assert len(searched) > 6
        records = [json.loads(each.stdout) for each in (quick, slow)]
        for record in records:
            validate(record)
            assert record.pop("timings_s")["total"] > 0
        assert records[0] == records[1]
        assert records[0]["videos"] == 6
        texts = [run(*asked), run(*asked, "--no-cache")]
        assert texts[0].stdout == texts[1].stdout
        told = [[line for line in text.stderr.splitlines() if "total" not in line] for text in texts]
        assert told[0] == told[1]


def test_files_are_written_after_the_ranking_and_borders_are_exact(run, clip, finder, monkeypatch) -> None:
    finder.found = {"a.mp4": ((10.0, 14.0, 0.9),), "b.mp4": ((1.0, 2.0, 0.95),)}
    clip("a.mp4"), clip("b.mp4")
    result = run("find", "a.mp4", "b.mp4", "a heart", "--csv", "x.csv", "--chapters", "c/", "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [call[2].refine for call in finder.calls] == [True, True]
    assert len(Path("x.csv").read_text().splitlines()) == 3
    assert sorted(path.name for path in Path("c").iterdir()) == ["a.vtt", "b.vtt"]


def test_a_clip_that_cannot_be_cut_is_said_and_the_moments_stand(run, clip, finder) -> None:
    finder.found = {"a.mp4": ((10.0, 14.0, 0.9),)}
    result = run("find", clip("a.mp4"), "a heart", "--clips", "cuts", "--csv", "x.csv")
    assert result.exit_code == 3
    assert "a.mp4, 00:00:10.000 to 00:00:14.000, was not cut" in result.stderr
    assert len(result.stdout.splitlines()) == 2
    assert Path("x.csv").exists()
