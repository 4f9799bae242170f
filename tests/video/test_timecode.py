from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.errors import UsageError
from dynfocus_cli.video.timecode import format_timecode, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("8", 8.0),
        ("8.5", 8.5),
        (" 8 ", 8.0),
        ("08:00", 480.0),
        ("8:00", 480.0),
        ("90:00", 5400.0),
        ("1:02:03.5", 3723.5),
        ("90s", 90.0),
        ("1.5s", 1.5),
        ("2m30s", 150.0),
        ("1h2m", 3720.0),
        ("1H2M3S", 3723.0),
        ("90m", 5400.0),
        ("1h", 3600.0),
        ("0", 0.0),
        ("00:00:00.000", 0.0),
    ],
)
def test_parse_time_takes_the_documented_forms(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-8",
        "+8",
        "nan",
        "inf",
        "1e3",
        "1:75",
        "1:60:00",
        "1m75s",
        "1h60m",
        "8:0",
        ":30",
        "8:",
        "1:2:3:4",
        "8s9",
        "30s2m",
        "h",
        "s",
        "8,5",
        "8.",
        ".5",
        "٨",
        "８",
        "9ſ",
        "9" * 400,
        "1:02.5:03",
        "8\n9",
        "1.5m",
        "0x8",
        "8 s",
    ],
)
def test_parse_time_refuses_the_rest_and_names_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_time(text)
    assert repr(text) in str(caught.value)
    assert "2m30s" in str(caught.value)


@given(st.text(max_size=30) | st.from_regex(r"[0-9hms:. -]{0,12}", fullmatch=True))
def test_parse_time_gives_a_finite_time_or_a_usage_error(text: str) -> None:
    try:
        seconds = parse_time(text)
    except UsageError:
        return
    assert 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    ("seconds", "timecode"),
    [
        (0, "00:00:00.000"),
        (59.9996, "00:01:00.000"),
        (3599.9999, "01:00:00.000"),
        (3723.5, "01:02:03.500"),
        (0.0004, "00:00:00.000"),
        (360000, "100:00:00.000"),
    ],
)
def test_format_timecode(seconds: float, timecode: str) -> None:
    assert format_timecode(seconds) == timecode


@pytest.mark.parametrize("seconds", [-0.001, float("nan"), float("inf")])
def test_format_timecode_refuses_what_is_no_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        format_timecode(seconds)


@given(st.floats(min_value=0, max_value=1e7))
def test_a_formatted_time_parses_back_to_the_millisecond(seconds: float) -> None:
    assert parse_time(format_timecode(seconds)) == pytest.approx(seconds, abs=0.000501)


@given(st.integers(min_value=0, max_value=10**10))
def test_a_millisecond_round_trips(milliseconds: int) -> None:
    timecode = format_timecode(milliseconds / 1000)
    assert format_timecode(parse_time(timecode)) == timecode


def test_parsing_a_time_does_not_import_pyav() -> None:
    code = "import sys; from dynfocus_cli.video import parse_time; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
