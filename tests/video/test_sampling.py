from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import SamplingPlan, VideoSource
from dynfocus_cli.video.mentions import Mentions
from dynfocus_cli.video.sampling import plan_sampling


def video(duration_s: float = 60.0, fps: float = 25.0) -> VideoSource:
    return VideoSource("clip.mp4", duration_s, 640, 480, fps, "h264", 0, False, 0, 0.0)


def plan(
    source: VideoSource | None = None,
    *,
    moments: tuple[float, ...] = (),
    spans: tuple[tuple[float, float], ...] = (),
    limit: int = 200,
    default_fps: float = 1.0,
    **options: Any,
) -> SamplingPlan:
    return plan_sampling(
        source or video(),
        SamplingOptions(**options),
        Mentions(moments, spans),
        default_fps=default_fps,
        default_max_frames=limit,
    )


def test_one_frame_a_second_ends_before_the_end() -> None:
    made = plan()
    assert made.times_s == tuple(map(float, range(60)))
    assert (made.policy, made.fps, made.focus, made.warnings) == ("fps", 1.0, (), ())


def test_before_the_first_frame_is_looked_at_where_that_is_asked_for() -> None:
    late = replace(video(8.0), first_frame_s=2.0)
    assert plan(late).start_s == 2.0
    assert plan(late, end_s=1.0).times_s == (0.0,)
    for named in (plan(late, moments=(1.0,)), plan(late, spans=((1.0, 3.0),)), plan(late, at_s=1.0)):
        assert (named.start_s, named.warnings) == (1.0, ())
        assert named.focus


def test_too_many_frames_are_spread_over_the_span() -> None:
    made = plan(limit=15)
    assert made.times_s == tuple(4.0 * place for place in range(15))
    assert made.fps == 0.25


def test_an_asked_rate_that_is_lowered_is_said() -> None:
    assert "allow 15" in plan(fps=2.0, max_frames=15).warnings[0]
    assert "`frames=500`" in plan(frames=500).warnings[0]


def test_frames_divide_the_span_evenly() -> None:
    made = plan(frames=4, start_s=20.0, end_s=60.0)
    assert made.times_s == (20.0, 30.0, 40.0, 50.0)
    assert (made.policy, made.fps) == ("uniform", 0.1)
    assert len(plan(video(60.5), frames=61).times_s) == 61


def test_a_rate_above_the_videos_own_gives_every_frame_once() -> None:
    assert plan(video(1.0, fps=10.0), fps=1000.0).times_s == pytest.approx(
        [place / 10 for place in range(10)]
    )
    assert plan(video(1.0, fps=10.0), frames=100).times_s == pytest.approx(
        [place / 10 for place in range(10)]
    )


def test_a_named_moment_doubles_the_rate_around_it() -> None:
    made = plan(moments=(30.0,))
    near = [time for time in made.times_s if 26 <= time < 34]
    assert near == [26 + place / 2 for place in range(16)]
    assert [time for time in made.times_s if not 26 <= time < 34] == [*range(26), *range(34, 60)]
    assert made.focus == ((26.0, 34.0),)
    assert made.focus_times_s == (30.0,)


def test_an_odd_moment_is_itself_sampled() -> None:
    made = plan(at_s=30.123)
    assert 30.123 in made.times_s
    assert made.focus_times_s == (30.123,)


def test_a_named_span_is_denser_and_pins_nothing() -> None:
    made = plan(spans=((10.0, 20.0),))
    assert sum(10 <= time < 20 for time in made.times_s) == 20
    assert made.focus_times_s == ()


def test_in_a_long_video_focus_keeps_the_rate_that_was_asked_for() -> None:
    made = plan(video(7200.0), moments=(480.0,), limit=100)
    assert len(made.times_s) == 100
    assert sum(476 <= time < 484 for time in made.times_s) == 16
    assert made.fps == pytest.approx(84 / 7192)


def test_focus_takes_at_most_half_where_the_rest_needs_its_share() -> None:
    made = plan(video(600.0), spans=((100.0, 300.0),), limit=100)
    assert len(made.times_s) == 100
    assert sum(100 <= time < 300 for time in made.times_s) == 50


def test_naming_the_whole_video_does_not_make_it_sparser() -> None:
    assert len(plan(video(600.0), spans=((0.0, 600.0),), limit=100).times_s) == 100


def test_frames_stays_exact_with_focus() -> None:
    made = plan(frames=16, moments=(30.0,))
    assert len(made.times_s) == 16
    assert sum(26 <= time < 34 for time in made.times_s) == 8


def test_focus_windows_are_clipped_to_the_video() -> None:
    assert plan(moments=(1.0, 59.0)).focus == ((0.0, 5.0), (55.0, 60.0))
    assert plan(moments=(10.0, 12.0)).focus == ((6.0, 16.0),)


def test_a_moment_outside_of_start_and_end_is_warned_of() -> None:
    made = plan(moments=(5.0,), start_s=10.0)
    assert made.focus == ()
    assert "outside of `start_s` and `end_s`" in made.warnings[0]


@pytest.mark.parametrize("options", [{"start_s": 20.0}, {"end_s": 5.0}])
def test_a_span_outside_of_start_and_end_is_warned_of(options: dict[str, float]) -> None:
    made = plan(spans=((10.0, 20.0),), **{"start_s": 0.0, **options})
    assert made.focus == ()
    assert made.warnings == (
        "00:00:10.000 to 00:00:20.000 lies outside of `start_s` and `end_s`: that time is ignored.",
    )


def test_a_span_that_lies_partly_outside_of_start_and_end_keeps_its_part() -> None:
    made = plan(spans=((10.0, 20.0),), start_s=15.0)
    assert (made.focus, made.warnings) == (((15.0, 20.0),), ())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at_s": 60.0}, "`at_s` 00:01:00.000 is past the end: the video is 00:01:00.000 long"),
        ({"at_s": 61.0}, "`at_s` 00:01:01.000 is past the end"),
        ({"start_s": 60.0}, "`start_s` 00:01:00.000 is past the end"),
        ({"at_s": 5.0, "start_s": 10.0}, "outside of `start_s` and `end_s`"),
        ({"at_s": -1.0}, "`at_s` must be"),
        ({"start_s": -1.0}, "`start_s` must be"),
        ({"at_s": float("nan")}, "`at_s` must be"),
    ],
)
def test_impossible_times_are_usage_errors(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(**options)


def test_an_end_past_the_end_is_clipped_with_a_warning() -> None:
    made = plan(end_s=90.0)
    assert made.end_s == 60.0
    assert "`end_s` 00:01:30.000 is past the end" in made.warnings[0]


@pytest.mark.parametrize("source", [video(0.0), video(0.04), video(0.0, fps=0.0)])
def test_a_single_picture_gives_one_moment(source: VideoSource) -> None:
    for options in ({}, {"frames": 8}, {"at_s": 0.0}, {"fps": 30.0}):
        assert plan(source, **options).times_s == (0.0,)


def test_pinned_moments_take_the_place_of_frames_that_are_not_pinned() -> None:
    assert plan(video(17.0, fps=0.125), moments=(0.0, 13.0), limit=3).times_s == (0.0, 8.0, 13.0)


@st.composite
def cases(draw: st.DrawFn) -> tuple[VideoSource, dict[str, Any]]:
    duration_s = draw(st.floats(min_value=0.01, max_value=5000))
    inside = st.floats(min_value=0, max_value=duration_s, exclude_max=True)
    asked: dict[str, Any] = {
        "limit": draw(st.integers(1, 80)),
        "moments": tuple(sorted(draw(st.sets(inside, max_size=4)))),
    }
    edges = sorted(draw(st.sets(inside, min_size=2, max_size=2))) if duration_s > 0.1 else []
    asked["spans"] = tuple(
        (a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if draw(st.booleans())
    )
    policy = draw(st.sampled_from(["default", "fps", "frames"]))
    if policy == "fps":
        asked["fps"] = draw(st.floats(min_value=0.001, max_value=100))
    elif policy == "frames":
        asked["frames"] = draw(st.integers(1, 100))
    if draw(st.booleans()):
        asked["at_s"] = draw(inside)
    elif draw(st.booleans()):
        asked["start_s"] = draw(inside)
    return video(duration_s, draw(st.floats(min_value=0.1, max_value=120))), asked


@given(cases())
def test_what_holds_for_every_plan(case: tuple[VideoSource, dict[str, Any]]) -> None:
    source, asked = case
    made = plan(source, **asked)
    times, start = made.times_s, asked.get("start_s", 0.0)
    assert times
    assert all(later - earlier >= 0.499 / source.fps for earlier, later in pairwise(times))
    assert all(start <= time < source.duration_s for time in times)
    assert len(times) <= asked["limit"]
    assert set(made.focus_times_s) <= set(times)
    assert made.fps is not None
    assert made.fps <= source.fps * (1 + 1e-6) or len(times) == 1
    if "at_s" in asked:
        assert asked["at_s"] in times
    if "frames" in asked:
        shown = (source.duration_s - start) * source.fps
        assert len(times) >= min(asked["frames"], asked["limit"], int(shown))


def test_a_question_with_a_time_looks_elsewhere_where_a_question_without_one_does() -> None:
    """So that a follow-up question finds their features kept."""
    usual = plan(video(600.0), limit=128).times_s
    far = [time for time in plan(video(600.0), limit=128, moments=(300.0,)).times_s if not 296 <= time <= 304]
    assert len(far) >= 100
    assert set(far) <= set(usual)


@pytest.mark.parametrize(
    ("duration_s", "options", "said"),
    [
        (600.0, {}, "allow 128 frames: one every 4.7 s, and what shows only in between is not seen"),
        (600.0, {"fps": 2.0}, "`fps=2` asks for 1200 frames, but"),
        (600.0, {"max_frames": 600}, None),
        (150.0, {}, None),  # a little sparser than by default is no news
        (600.0, {"frames": 20}, None),  # as many as were asked for
    ],
)
def test_a_plan_says_how_far_apart_frames_are(
    duration_s: float, options: dict[str, Any], said: str | None
) -> None:
    planned = plan_sampling(
        video(duration_s), SamplingOptions(**options), Mentions(), default_fps=1.0, default_max_frames=128
    )
    assert len(planned.warnings) == (said is not None)
    assert said is None or said in planned.warnings[0]
