"""What a search found: its record, its table, its curve."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from dynfocus_cli.moments.moment import Curve, Threshold, VideoFailure
from dynfocus_cli.report.curve_strip import ASCII, curve_strip, print_curve
from dynfocus_cli.report.json import dumps
from dynfocus_cli.report.moments_record import moments_record
from dynfocus_cli.report.moments_table import aligned_moments, not_found, separated_moments, summary
from report.found import moment, search, video_moments
from strict_schema import validate

ONE = video_moments("demo.mp4", (10.0, 14.0, 0.9), (40.0, 41.5, 0.95))
OTHER = video_moments("clips/other clip.mp4", (2.0, 3.0, 0.92))


@pytest.mark.parametrize(
    "moments",
    [
        search(ONE),
        search(ONE, OTHER),
        search(video_moments()),
        search(replace(ONE, threshold=Threshold(0.25, "unmeasured"))),
        search(ONE, failures=(VideoFailure("gone.mp4", OSError("x")),)),
        search(replace(ONE, moments=(moment(1, 2, log_odds=1.5, origins=("words",), text="Look!"),))),
    ],
)
def test_a_record_is_as_its_schema_says(moments) -> None:
    record = moments_record(moments)
    validate(record)
    assert record["not_found"] == (not record["moments"])
    assert dumps(record) == dumps(moments_record(moments))


def test_moments_are_ranked_across_videos() -> None:
    record = moments_record(search(ONE, OTHER, top=2))
    assert [(each["rank"], each["video"], each["start"]) for each in record["moments"]] == [
        (1, "demo.mp4", "00:00:40.000"),
        (2, "clips/other clip.mp4", "00:00:02.000"),
    ]
    assert record["video"] is record["vid"] is record["curve"] is record["pred_relevant_windows"] is None
    assert record["videos"] == 2


def test_a_record_of_one_video_is_what_qvhighlights_reads() -> None:
    record = moments_record(search(ONE))
    assert record["vid"] == "demo"
    assert record["pred_relevant_windows"] == [[40.0, 41.5, 0.95], [10.0, 14.0, 0.9]]
    scores = record["pred_saliency_scores"]
    assert len(scores) == 30
    assert [place for place, score in enumerate(scores) if score > 0.5] == [5, 6, 20]


def test_clips_without_a_sampled_frame_have_the_score_of_the_nearest() -> None:
    assert Curve((0.0, 1.0, 5.0), (0.1, 0.9, 0.3)).clip_scores(6.0) == (0.9, 0.9, 0.3)
    assert Curve((0.2,), (0.4,)).clip_scores(0.5) == (0.4,)
    assert Curve((), ()).clip_scores(4.0) == ()


def test_the_table_fits_80_columns_and_cuts_names_in_the_middle() -> None:
    path = f"clips/{'a' * 90}_end.mp4"
    said = replace(
        OTHER, moments=(moment(2, 3, 0.9, path, origins=("picture", "words"), text="Look! " * 40),)
    )
    lines = aligned_moments(search(ONE, said), 80, with_video=True)
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[:5] == ["1", "00:00:40.000", "00:00:41.500", "1.50", "s"]
    assert any(line.endswith("nd.mp4") and "…" in line for line in lines)
    assert any("“Look! Look!" in line and line.endswith("…”") for line in lines)
    odds = replace(said, moments=tuple(replace(each, log_odds=1.5) for each in said.moments))
    lines = aligned_moments(search(ONE, odds), 80, with_video=True)
    assert max(map(len, lines)) <= 80
    assert lines[2].strip().endswith("_end.mp4"), "where there is no room, a line of its own"
    asked = replace(ONE, moments=(moment(1, 2, log_odds=1.5), moment(3, 4)))
    assert "log-odds" in aligned_moments(search(asked), 80, with_video=False)[0]


def test_lines_for_a_pipe_have_one_row_a_moment() -> None:
    name = "a\tb\nc.mp4"
    ranked = search(video_moments(name, (1.0, 2.0, 0.9))).ranked
    heading, row = separated_moments(ranked, with_header=True)
    cells = dict(zip(heading.split("\t"), row.split("\t"), strict=True))
    assert cells["video"] == "a b c.mp4"
    assert (cells["start_s"], cells["end"], cells["origins"]) == ("1.000", "00:00:02.000", "picture")


def test_what_was_not_found_is_said() -> None:
    assert not_found(search(video_moments())) == "“a red circle” was not found in the video."
    assert not_found(search(video_moments(), video_moments())).endswith("in any of 2 videos.")
    assert summary(search(ONE))[0] == "60 frames looked at, dynfocus-tiny"


def test_a_threshold_that_nobody_measured_is_told_where_nothing_was_found() -> None:
    near = video_moments("near.mp4", (12, 13, 0.4))
    one = replace(near, moments=(), threshold=Threshold(0.5, "unmeasured"))
    assert not_found(search(one)) == (
        "“a red circle” was not found in the video. The best frame, at 00:00:12.000, has a probability of "
        "0.4; 0.5 counts as found, which was not measured for dynfocus-tiny: `threshold` sets another."
    )
    empty = replace(video_moments("empty.mp4"), threshold=one.threshold)
    assert "at 00:00:12.000 of near.mp4, has" in not_found(search(empty, one))
    for origin in ("measured", "option"):
        decided = replace(one, threshold=Threshold(0.5, origin))
        assert not_found(search(decided)).endswith("in the video.")
        assert moments_record(search(decided))["threshold"] == {"value": 0.5, "origin": origin}


def test_the_curve_is_drawn_to_scale() -> None:
    curve = Curve(tuple(map(float, range(10))), (0, 0, 1, 1, 0, 0, 0, 0.5, 0, 0))
    strip, marks, times = (str(line) for line in curve_strip(curve, (moment(2, 4),), (0.0, 10.0), 40, ASCII))
    assert strip == "________########____________====________"
    assert marks == " " * 8 + "^" * 8
    assert times == "00:00:00            00:00:05    00:00:10"


@pytest.mark.parametrize("times", [(), (0.0,), (0.0, 0.04)])
def test_a_curve_of_hardly_a_frame_is_drawn_too(times: tuple[float, ...], capsys) -> None:
    short = replace(ONE, curve=Curve(times, (1.0,) * len(times)), moments=())
    print_curve(Console(width=80, legacy_windows=False), short, ())
    assert bool(capsys.readouterr().out) == bool(times)
