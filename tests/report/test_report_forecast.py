"""A plan for a reader: aligned, short enough for 80 columns, in units that fit."""

from __future__ import annotations

import pytest

from dynfocus_cli.report.terminal import _time, forecast_lines


def test_a_plan_in_lines(make_forecast) -> None:
    lines = dict(line.split("  ", 1) for line in forecast_lines(make_forecast()))
    said = {name.strip(): text.strip() for name, text in lines.items()}
    assert said["frames"] == "12, 4 of them key frames, in 4 events (question)"
    assert said["video tokens"] == "176 = 40 x 4 + 2 x 8; all patches: 768"
    assert said["context"] == "1777 of 2048 tokens left (prompt 31, answer at most 64)"
    assert said["memory"] == "7.00 GiB at most, 9.00 GiB free; weights 6.00 GiB"
    assert said["beside them"] == "encode 1.00 GiB, select 0.25 GiB, answer 0.50 GiB"
    assert said["batch"] == "8 frames are encoded at a time"
    assert said["time"] == "about 12 s encode, 0.5 s select; decoding is not counted"
    assert said["answer"] == "first token after about 42 ms, then 1.2 ms each"
    assert max(map(len, forecast_lines(make_forecast()))) <= 80
    assert (
        len(
            {
                line.index(text)
                for line, text in zip(forecast_lines(make_forecast()), said.values(), strict=True)
            }
        )
        == 1
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0042, "4.2 ms"), (0.099, "99 ms"), (0.0996, "0.1 s"), (12.3, "12 s"), (347.2, "347 s")],
)
def test_times_have_fitting_units(seconds: float, said: str) -> None:
    assert _time(seconds) == said
