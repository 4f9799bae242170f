"""Files of bug reports, made again: what was said of each report to be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from clips import read_barcode, write_clip
from time_cases import TIME_CASES

from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import SamplingPlan, VideoSource
from dynfocus_cli.video import cues_on_screen, decode_frames, find_mentions, plan_sampling, probe
from dynfocus_cli.video.cues import Cue

BURST = [0, 10_000, 20_000, *(30_000 + 200 * number for number in range(15)), 45_000, 60_000]


def plan(source: VideoSource, question: str = "", limit: int = 128, **options: object) -> SamplingPlan:
    mentions = find_mentions(question, source.duration_s)
    asked = SamplingOptions(**options)  # type: ignore[arg-type]
    return plan_sampling(source, asked, mentions, default_fps=1.0, default_max_frames=limit)


def numbers(source: VideoSource, moments: list[float] | tuple[float, ...]) -> list[int | None]:
    batches = decode_frames(source, moments, width=96, height=72, fit="squash", batch_size=16)
    return [read_barcode(pixels) for batch in batches for pixels in batch.pixels]


def reported(folder: Path, name: str) -> VideoSource:
    case = TIME_CASES[name]
    case.make(folder / case.name)
    return probe(folder / case.name)


@pytest.mark.parametrize("suffix", ["avi", "mkv", "mp4"])
def test_packed_xvid_avi(tmp_path: Path, suffix: str) -> None:
    source = reported(tmp_path, f"packed B-frames {suffix}")
    assert numbers(source, [0.76, 2.26, 3.01]) == [19, 56, 75]


def test_h264_bframes_avi(tmp_path: Path) -> None:
    source = reported(tmp_path, "AVI H.264 1 frame a second")
    assert numbers(source, [float(second) for second in range(45)]) == list(range(45))


def test_h264_avi_with_gaps(tmp_path: Path) -> None:
    source = reported(tmp_path, "AVI H.264 gaps")
    assert numbers(source, [0, 1.9, 2.01, 4.9, 5.01, 9.9, 10.01, 19.9, 20.01]) == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert source.declared_duration_s == pytest.approx(source.duration_s, abs=0.1)


def test_multi_edit_list(tmp_path: Path) -> None:
    source = reported(tmp_path, "two edits, no B-frames")
    assert numbers(source, [1.0, 1.98, 2.02, 3.02]) == [25, 49, 90, 115]


@pytest.mark.parametrize("name", [name for name in TIME_CASES if name.startswith(("joined", "jump"))])
def test_clock_restarts(tmp_path: Path, name: str) -> None:
    source = reported(tmp_path, name)
    assert source.duration_s == pytest.approx(TIME_CASES[name].end_ms / 1000, abs=0.1)
    assert len(source.restarts_s) == len(TIME_CASES[name].restarts_ms)


def test_vfr_rate_cap_of_a_security_camera(tmp_path: Path) -> None:
    source = reported(tmp_path, "a burst after a still hour mp4")
    for options in ({"frames": 100}, {"fps": 2.0, "max_frames": 10_000}, {}):
        assert sum(time >= 3600 for time in plan(source, **options).times_s) >= 20
    assert len(plan(source, start_s=3600.0, end_s=3609.9, fps=4.0).times_s) == 40


def test_vfr_rate_cap_of_a_screen_recording(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "sparse.mp4", BURST, options={"bf": "0"}))
    assert len(plan(source, fps=5.0, start_s=30.0, end_s=33.0).times_s) == 15
    assert len(plan(source, frames=15, start_s=30.0, end_s=33.0).times_s) == 15
    assert {31.0, 32.0} <= set(plan(source, "What is shown at 0:31 and 0:32?").times_s)


@pytest.mark.parametrize("name", ["slides with sound mp4", "slides with sound mkv"])
def test_audio_outlasts_video(tmp_path: Path, name: str) -> None:
    source = reported(tmp_path, name)
    assert source.duration_s == pytest.approx(60, abs=0.2)
    times = plan(source, at_s=30.0).times_s
    assert numbers(source, times)[-1] == 4
    assert 30.0 in times
    cues = [Cue(1, 4, "a"), Cue(30, 34, "b"), Cue(50, 54, "c")]
    assert len(cues_on_screen(cues, plan(source).times_s)) == 3


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_video_starts_late(tmp_path: Path, suffix: str) -> None:
    source = reported(tmp_path, f"late picture {suffix}")
    assert numbers(source, [7.1]) == [50 if suffix == "ts" else 52]
    assert min(plan(source).times_s) == pytest.approx(5.0, abs=0.1)
    assert plan(source, at_s=2.0).focus_times_s == (2.0,)


@pytest.mark.parametrize("rate", [10, 15, 30, 50, 60])
@pytest.mark.parametrize("codec", ["H.264", "HEVC"])
def test_raw_h264_rate(tmp_path: Path, codec: str, rate: int) -> None:
    source = reported(tmp_path, f"raw {codec} {rate} a second")
    assert source.fps == pytest.approx(rate, rel=0.01)
    assert source.duration_s == pytest.approx(60 / rate, rel=0.01)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
def test_open_gop_is_no_damage(tmp_path: Path, suffix: str) -> None:
    parameters = "scenecut=0:open-gop=1:keyint=60:min-keyint=60:b-pyramid=normal:ref=4"
    clip = write_clip(
        tmp_path / f"open.{suffix}",
        [40 * number for number in range(400)],
        options={"bf": "3", "x264-params": parameters},
    )
    source = probe(clip)
    batches = decode_frames(
        source, [0.5 * place for place in range(30)], width=48, height=36, fit="squash", batch_size=8
    )
    assert {condition for batch in batches for condition in batch.conditions} == {"sound"}
