from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from clips import barcode, every_frame, on_screen, read_barcode, write_clip
from matrix import CASES
from PIL import Image

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import decode_frames, probe, sequential_decoder, sparse_decoder, stream_reader

EVEN = [40 * number for number in range(250)]
UNEVEN = [0, 40, 80, 300, 340, 900, 940, 980, 1500, 1510, 1550, 4000, 4040, 9000, 9040, 9080, 9500]


def shown(
    source: VideoSource, moments: list[float], *, size: int = 48, **options: object
) -> list[int | None]:
    asked = {"width": size, "height": size, "fit": "squash", "batch_size": 4, **options}
    return [read_barcode(row) for batch in decode_frames(source, moments, **asked) for row in batch.pixels]  # type: ignore[arg-type]


CLIPS = {
    "h264 with B-frames": ("b.mp4", {"pts_ms": EVEN, "options": {"bf": "3", "b_strategy": "0"}}),
    "open groups of pictures": (
        "o.mkv",
        {"pts_ms": EVEN, "options": {"bf": "3", "b_strategy": "0", "x264-params": "open-gop=1:scenecut=0"}},
    ),
    "long groups of pictures": ("l.mp4", {"pts_ms": EVEN, "gop": 250}),
    "MPEG-TS": ("t.ts", {"pts_ms": EVEN, "options": {"bf": "2"}}),
    "mpeg4": ("m.mp4", {"pts_ms": EVEN, "codec": "mpeg4", "clock": None, "options": {"bf": "2"}}),
    "AVI": ("m.avi", {"pts_ms": EVEN, "codec": "mpeg4", "clock": None, "options": {"bf": "2"}}),
    "VP9": (
        "v.webm",
        {"pts_ms": EVEN[:60], "codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    ),
    "uneven mp4": ("u.mp4", {"pts_ms": UNEVEN, "options": {"bf": "2"}}),
    "uneven mkv": ("u.mkv", {"pts_ms": UNEVEN}),
    "late start": ("s.mkv", {"pts_ms": [5000 + time for time in EVEN], "options": {"bf": "2"}}),
    "late start mp4": ("s.mp4", {"pts_ms": [5000 + time for time in EVEN], "options": {"bf": "2"}}),
    "odd size": ("odd.mkv", {"pts_ms": EVEN[:30], "size": (97, 71), "pixel_format": "yuv444p"}),
    "with audio": ("a.mp4", {"pts_ms": EVEN, "audio_s": 11.0}),
    "single frame": ("one.mp4", {"pts_ms": [0]}),
}


@pytest.mark.parametrize("case", CLIPS)
def test_every_moment_gives_the_frame_on_screen(tmp_path: Path, case: str) -> None:
    name, how = CLIPS[case]
    clip = write_clip(tmp_path / name, **how)  # type: ignore[arg-type]
    times, pictures = every_frame(clip)
    numbers = [read_barcode(picture) for picture in pictures]
    source = probe(clip)
    draw = random.Random(1)
    end = times[-1] + 1
    for moments in (
        times,
        [0.0, end],
        [end - 0.5],
        [0.0, *sorted(draw.uniform(0, end) for _ in range(5))],
        sorted(draw.uniform(0, end) for _ in range(60)),
    ):
        assert shown(source, moments) == [numbers[on_screen(times, moment)] for moment in moments]


def test_an_animated_png_whose_pictures_are_all_sync_points_is_no_damage(tmp_path: Path) -> None:
    pictures = []
    for number in range(60):
        picture = barcode(number)
        picture[0, 0] = picture[-1, -1] = 255 * (number % 2)  # so that each replaces the whole one before it
        pictures.append(Image.fromarray(picture))
    clip = tmp_path / "clip.png"
    pictures[0].save(clip, save_all=True, append_images=pictures[1:], duration=40, blend=0)
    moments = [0.0, 0.5, 1.0, 2.3]
    batches = list(decode_frames(probe(clip), moments, width=48, height=48, fit="squash", batch_size=4))
    assert [read_barcode(row) for batch in batches for row in batch.pixels] == [0, 12, 25, 57]
    assert {condition for batch in batches for condition in batch.conditions} == {"sound"}


@pytest.mark.parametrize("broken", ["late", "refused"])
def test_a_seek_that_fails_falls_back_to_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", EVEN))
    monkeypatch.setattr(stream_reader, "SEEK_MARGINS_S", (-3.0,) if broken == "late" else ())
    assert shown(source, [0.0, 5.0, 9.0]) == [0, 125, 225]
    with sequential_decoder.SequentialDecoder(source) as decoder:
        frames = [decoder.at(moment) for moment in (0.0, 5.0, 9.0)]
    assert [read_barcode(frame.picture.to_ndarray(format="rgb24")) for frame in frames] == [0, 125, 225]


@pytest.mark.parametrize(
    "name", ["H.264 one GOP", "H.264 B-pyramid", "HEVC open GOP", "VP9", "AV1 mp4", "freeze"]
)
def test_few_packets_held_give_the_same_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = CASES[name].write(tmp_path)
    times, pictures = every_frame(path)
    numbers = [read_barcode(picture) for picture in pictures]
    monkeypatch.setattr(sparse_decoder, "MAX_AHEAD_BYTES", 1500)
    for moments in (times, times[::7], [times[-2]], [times[0], times[-1]]):
        assert shown(probe(path), moments) == [numbers[on_screen(times, moment)] for moment in moments]


def test_far_moments_are_reached_without_decoding_all_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", EVEN))
    seen = []
    counting = _counting(sequential_decoder.timed_frames, seen)
    monkeypatch.setattr(sequential_decoder, "timed_frames", counting)
    with sequential_decoder.SequentialDecoder(source) as decoder:
        assert decoder.at(9.0).pts_s == pytest.approx(9.0)
    assert 1 <= len(seen) <= 16


def _counting(original, seen):  # type: ignore[no-untyped-def]
    def counted(*positional, **named):  # type: ignore[no-untyped-def]
        for frame in original(*positional, **named):
            seen.append(frame.pts_s)
            yield frame

    return counted


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_rotation_is_applied(tmp_path: Path, clockwise: int) -> None:
    source = probe(write_clip(tmp_path / "r.mp4", EVEN[:30], clockwise=clockwise))
    assert shown(source, [0.0, 0.2, 1.0], width=64, height=48) == [0, 5, 25]
    crop = shown(source, [0.0, 0.2, 1.0], width=source.width, height=source.height, fit="center_crop")
    assert crop == [0, 5, 25]


def test_center_crop_cuts_equally_on_both_sides(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "wide.mp4", [0], size=(160, 40), pixel_format="yuv444p"))
    (batch,) = decode_frames(source, [0.0], width=40, height=40, fit="center_crop", batch_size=1)
    whole = next(iter(decode_frames(source, [0.0], width=160, height=40, fit="squash", batch_size=1)))
    np.testing.assert_array_equal(batch.pixels[0], whole.pixels[0][:, 60:100])


def test_letterbox_adds_equal_black_bars(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "wide.mp4", [0], size=(160, 40), pixel_format="yuv444p"))
    (batch,) = decode_frames(source, [0.0], width=80, height=80, fit="letterbox", batch_size=1)
    whole = next(iter(decode_frames(source, [0.0], width=80, height=20, fit="squash", batch_size=1)))
    np.testing.assert_array_equal(batch.pixels[0][30:50], whole.pixels[0])
    assert not batch.pixels[0][:30].any()
    assert not batch.pixels[0][50:].any()


def test_batches_hold_moments_and_presentation_times(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", UNEVEN))
    batches = list(
        decode_frames(source, [0.0, 0.2, 0.25, 1.0, 4.1], width=8, height=6, fit="squash", batch_size=2)
    )
    assert [batch.pixels.shape for batch in batches] == [(2, 6, 8, 3), (2, 6, 8, 3), (1, 6, 8, 3)]
    assert [batch.pixels.dtype for batch in batches] == [np.uint8] * 3
    assert [moment for batch in batches for moment in batch.times_s] == [0.0, 0.2, 0.25, 1.0, 4.1]
    assert [time for batch in batches for time in batch.pts_s] == pytest.approx([0.0, 0.08, 0.08, 0.98, 4.04])


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "hurt.mkv", EVEN)
    source = probe(clip)
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 20] = bytes(len(data) // 20)
    clip.write_bytes(data)
    found = shown(source, [0.0, 1.0, 9.0, 9.9])
    assert found[:2] == [0, 25]
    assert found[-1] == 247


def test_a_file_cut_short_gives_its_last_frame(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "cut.ts", EVEN)
    source = probe(clip)
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2 // 188 * 188])
    times, pictures = every_frame(clip)
    assert times[-1] < 8
    assert shown(source, [0.0, 9.0, 9.5]) == [0, *[read_barcode(pictures[-1])] * 2]


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", EVEN[:60]))
    runs = [
        b"".join(
            b.pixels.tobytes()
            for b in decode_frames(source, [0.0, 1.0, 2.0], width=31, height=17, fit="squash", batch_size=2)
        )
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_colours_survive(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", [0]))
    (batch,) = decode_frames(source, [0.0], width=96, height=72, fit="squash", batch_size=1)
    assert batch.pixels[0, 5, 5].min() > 245
    assert batch.pixels[0, -5, -5].max() < 10


def test_memory_does_not_grow_with_the_number_of_moments(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", EVEN))

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in decode_frames(
            source,
            [place * 9.9 / count for place in range(count)],
            width=64,
            height=64,
            fit="squash",
            batch_size=4,
        ):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(200) < 2 * peak(20)


@pytest.mark.parametrize(
    ("moments", "options", "message"),
    [
        ([1.0, 0.5], {}, "go back"),
        ([0.0, float("nan")], {}, "go back"),
        ([0.0], {"size": 0}, "at least 1"),
        ([0.0], {"batch_size": 0}, "at least 1"),
    ],
)
def test_wrong_arguments(tmp_path: Path, moments: list[float], options: dict[str, int], message: str) -> None:
    source = VideoSource(str(tmp_path / "no.mp4"), 1.0, 8, 8, 25.0, "h264", 0, False, 0, 0.0)
    with pytest.raises(ValueError, match=message):
        shown(source, moments, **options)
    with pytest.raises(VideoUnreadable, match="no such file"):
        shown(source, [0.0])
