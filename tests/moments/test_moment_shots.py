"""Where shots begin and end, on clips whose borders are known: to the frame for cuts, in the middle else."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.moments.shot_borders import BorderDetector, ShotBorder
from dynfocus_cli.moments.shots import shots
from dynfocus_cli.video.probing import probe
from video.pictured_clips import BLACK, HEIGHT, WHITE, WIDTH, Picture, dissolve, pan, still, texture, write


def borders_of(path: Path) -> list[tuple[int, str]]:
    """Frame and transition of each shot but the first; the shots are checked to have no gaps."""
    source = probe(path)
    found = shots(source)
    assert found[0].start_s == 0
    assert found[-1].end_s == source.duration_s
    assert [shot.end_s for shot in found[:-1]] == [shot.start_s for shot in found[1:]]
    return [(round(shot.start_s * source.fps), shot.transition) for shot in found[1:]]


def test_a_uniform_clip_is_one_shot(tmp_path: Path) -> None:
    assert borders_of(write(tmp_path / "black.mp4", [BLACK] * 60)) == []
    assert borders_of(write(tmp_path / "still.mp4", still(1, 60))) == []


@pytest.mark.parametrize("frames", [5, 25, 36, 47, 48])
def test_a_cut_is_on_the_first_frame_of_the_next_shot(tmp_path: Path, frames: int) -> None:
    path = write(tmp_path / "cut.mp4", still(1, frames) + still(2, 60))
    assert borders_of(path) == [(frames, "cut")]


def test_short_shots_and_what_comes_back_are_shots_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "short.mp4", still(1, 30) + still(2, 6) + still(1, 30) + pan(3, 8, 4))
    assert borders_of(path) == [(30, "cut"), (36, "cut"), (66, "cut")]


def test_a_cut_out_of_fast_motion_is_one(tmp_path: Path) -> None:
    path = write(tmp_path / "fast.mp4", pan(1, 30, 8) + still(2, 30))
    assert borders_of(path) == [(30, "cut")]


@pytest.mark.parametrize("light", [WHITE, BLACK], ids=["white", "black"])
@pytest.mark.parametrize("strengths", [(1.0,), (0.7, 0.7, 0.7, 0.7), (1.0, 0.66, 0.33)], ids=str)
def test_a_flash_is_no_border(tmp_path: Path, light: Picture, strengths: tuple[float, ...]) -> None:
    shot = pan(1, 40, 2)
    for number, strength in enumerate(strengths, start=20):
        shot[number] = shot[number] * (1 - strength) + light * strength
    assert borders_of(write(tmp_path / "flash.mp4", shot)) == []


def test_motion_and_changes_of_light_are_no_borders(tmp_path: Path) -> None:
    things = still(4, 40)
    for number in range(10, 30):  # a thing appears at once, and crosses the picture
        things[number] = things[number].copy()
        things[number][30:60, 4 * number : 4 * number + 30] = 255
    dimmed = [texture(5) * np.float32(1 - number / 80) for number in range(40)]
    draw = np.random.default_rng(1)
    wide = texture(6, WIDTH + 12)
    shaken = [wide[:, offset : offset + WIDTH] for offset in draw.integers(0, 12, 40)]
    for name, shot in {
        "pan": pan(1, 40, 3),
        "whip": pan(2, 40, 12),
        "things": things,
        "dimmed": dimmed,
        "shaken": shaken,
    }.items():
        assert borders_of(write(tmp_path / f"{name}.mp4", shot)) == [], name


@pytest.mark.parametrize("length", [8, 16, 30])
def test_a_dissolve_is_one_border_in_its_middle(tmp_path: Path, length: int) -> None:
    before, after = texture(1), texture(2)
    path = write(tmp_path / "dissolve.mp4", [before] * 40 + dissolve(before, after, length) + [after] * 40)
    ((frame, transition),) = borders_of(path)
    assert transition == "dissolve"
    assert frame == pytest.approx(40 + (length + 1) // 2, abs=1)


@pytest.mark.parametrize("ground", [BLACK, WHITE], ids=["black", "white"])
@pytest.mark.parametrize("held", [1, 12, 90])
def test_a_fade_is_one_border_in_the_middle_of_the_black(tmp_path: Path, ground: Picture, held: int) -> None:
    before, after = texture(1), texture(2)
    frames = [before] * 30 + dissolve(before, ground, 10) + [ground] * held
    frames += dissolve(ground, after, 10) + [after] * 30
    ((frame, transition),) = borders_of(write(tmp_path / "fade.mp4", frames))
    assert transition == "fade"
    assert frame == pytest.approx(40 + held / 2, abs=1)


def test_fades_at_the_beginning_and_the_end_are_no_borders(tmp_path: Path) -> None:
    shot = texture(1)
    frames = [BLACK] * 10 + dissolve(BLACK, shot, 12) + [shot] * 30 + dissolve(shot, BLACK, 12) + [BLACK] * 10
    assert borders_of(write(tmp_path / "ends.mp4", frames)) == []


def test_the_last_frame_is_a_shot_where_it_is_another(tmp_path: Path) -> None:
    path = write(tmp_path / "last.mp4", still(1, 119) + still(2, 1), Fraction(30000, 1001))
    assert borders_of(path) == [(119, "cut")]


def test_uneven_frames_have_their_own_borders(tmp_path: Path) -> None:
    path = tmp_path / "uneven.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pts, seed in [(0, 1), (40, 1), (2310, 2), (2350, 2), (5000, 2)]:
            frame = av.VideoFrame.from_ndarray(texture(seed).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert [round(shot.start_s, 3) for shot in shots(probe(path))] == [0.0, 2.31]


def test_a_part_of_a_video_has_the_shots_in_it(tmp_path: Path) -> None:
    source = probe(write(tmp_path / "cut.mp4", still(1, 24) + still(2, 24) + still(3, 24)))
    assert [(shot.start_s, shot.end_s) for shot in shots(source, 1.5, 2.5)] == [(1.5, 2.0), (2.0, 2.5)]
    assert [(shot.start_s, shot.end_s) for shot in shots(source, 1.1, 1.9)] == [(1.1, 1.9)]
    Path(source.path).unlink()
    with pytest.raises(VideoUnreadable):
        shots(source)


@pytest.mark.parametrize("chunk", [16, 50, 10_000])
def test_memory_is_bounded_and_changes_nothing(chunk: int) -> None:
    small = [texture(seed)[::5, ::5] / 255 for seed in (1, 2, 3)]
    black = np.zeros((18, 32, 3), np.float32)
    pictures = [small[0]] * 150 + [small[1]] * 150 + [black] * 7 + [small[2]] * 90
    detector = BorderDetector(chunk)
    for picture in pictures:
        detector.add(picture)
        assert len(detector._pictures) <= chunk + 128
    assert detector.finish() == [ShotBorder(150, "cut"), ShotBorder(300, "cut"), ShotBorder(307, "cut")]
