"""What FFmpeg shows of a clip is what the video shows from the clip's start to its end, and nothing else."""

from __future__ import annotations

import errno
import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from case import Case
from clips import Placement, read_barcode, write_audio, write_clip
from matrix import CASES
from time_cases import TIME_CASES

from dynfocus_cli.errors import UsageError, VideoUnreadable
from dynfocus_cli.video import cutting, decode_frames, probe
from dynfocus_cli.video.cutting import Cut, cut

CLOSE_S = 0.002
"""Matroska and FLV count milliseconds."""

COPIED = [
    "H.264 B-frames",
    "H.264 B-pyramid",
    "H.264 open GOP mkv",
    "H.264 open GOP ts",
    "HEVC open GOP",
    "HEVC temporal layers",
    "VP9",
    "VP9 hidden frames",
    "AV1 low delay",
    "MPEG-2 ts",
    "uneven mkv",
    "edit list hides the start",
    "late start mp4",
    "clock wraps ts",
]
ENCODED = ["QuickTime RLE gray", "GIF"]
OTHER_TIMES = ["reordered edits", "slides with sound mkv"]


def write(name: str, folder: Path) -> tuple[Path, Placement]:
    if name in CASES:
        return CASES[name].write(folder), CASES[name].placement
    path = folder / f"clip.{'mkv' if name.endswith('mkv') else 'mp4'}"
    TIME_CASES[name].make(path)
    return path, Placement()


def ffmpegs_reading(path: Path, placement: Placement) -> tuple[list[float], list[int | None], float]:
    """When FFmpeg's full decode of a file shows which frame, and until when: seconds from its first one."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = sorted((frame.pts * stream.time_base, frame) for frame in container.decode(stream))
        last, last_frame = shown[-1]
        # The last packet of a transport stream does not say how long it lasts.
        last_s = last + (last_frame.duration * stream.time_base or Fraction(1, 25))
        times = [float(time - shown[0][0]) for time, _ in shown]
        numbers = [read_barcode(placement.shown(frame.to_ndarray(format="rgb24"))) for _, frame in shown]
        return times, numbers, float(last_s - shown[0][0])


def assert_true(source_path: Path, made: Cut, placement: Placement, start_s: float, end_s: float) -> None:
    """The clip has the part that was asked for, and what FFmpeg shows of it is what the source shows."""
    assert made.start_s <= start_s + CLOSE_S
    assert made.end_s >= end_s - CLOSE_S
    source, clip = probe(source_path), probe(made.path)
    times, numbers, length_s = ffmpegs_reading(made.path, Placement(placement.clockwise, placement.mirrored))
    assert length_s == pytest.approx(made.end_s - made.start_s, abs=CLOSE_S)
    middles = [(begin + end) / 2 for begin, end in pairwise([*times, made.end_s - made.start_s])]
    batches = decode_frames(
        source, [made.start_s + each for each in middles], width=48, height=48, fit="squash", batch_size=16
    )
    assert [read_barcode(pixels) for batch in batches for pixels in batch.pixels] == numbers
    first_to_last = range(len(numbers))
    if not source.variable_frame_rate and source.timing == "stamped":  # no frame of the source is missing
        assert [number - numbers[0] for number in numbers] == list(first_to_last)
    assert (clip.width, clip.height) == (source.width, source.height)
    assert (clip.rotation, clip.mirrored) == (source.rotation, source.mirrored)


@pytest.mark.slow
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", [*COPIED, *ENCODED, *OTHER_TIMES])
def test_a_clip_begins_and_ends_where_it_says(tmp_path: Path, name: str, exact: bool) -> None:
    path, placement = write(name, tmp_path)
    source = probe(path)
    start_s = 0.35 * source.duration_s
    end_s = start_s + min(0.9, 0.3 * source.duration_s)
    made = cut(source, start_s, end_s, tmp_path, "part", exact=exact)
    assert_true(path, made, placement, start_s, end_s)
    assert made.encoded == (exact or name not in [*COPIED, "slides with sound mkv"])
    assert bool(made.note) == (made.encoded and not exact)
    if made.encoded and not source.variable_frame_rate:
        assert start_s - made.start_s < 1 / source.fps + CLOSE_S
        assert made.end_s - end_s < 1 / source.fps + CLOSE_S


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("placement", [Placement(90), Placement(270, mirrored=True)], ids=str)
def test_a_clip_is_turned_as_its_video_is(
    tmp_path: Path, suffix: str, placement: Placement, exact: bool
) -> None:
    if placement.mirrored and suffix == "mkv":
        pytest.skip("Matroska knows turns, no mirror images")
    path = write_clip(tmp_path / f"turned.{suffix}", [40 * n for n in range(50)], placement=placement)
    made = cut(probe(path), 0.7, 1.3, tmp_path, "part", exact=exact)
    assert made.encoded == exact
    assert_true(path, made, placement, 0.7, 1.3)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_sound_goes_along_and_stays_with_its_pictures(tmp_path: Path, suffix: str, exact: bool) -> None:
    """Each second has a tone of its own loudness."""
    path = tmp_path / f"clip.{suffix}"
    write_with_steps(path)
    made = cut(probe(path), 2.3, 4.2, tmp_path, "part", exact=exact)
    with av.open(str(path)) as container:
        began_s = container.streams.video[0].start_time * container.streams.video[0].time_base
        before = loudness(container, float(began_s) + made.start_s)
    with av.open(str(made.path)) as container:
        stream = container.streams.video[0]
        after = loudness(container, float(stream.start_time * stream.time_base))
    tenths = [tenth / 10 for tenth in range(2, int(10 * (made.end_s - made.start_s)) - 2)]
    assert [after(tenth) for tenth in tenths] == pytest.approx([before(t) for t in tenths], abs=0.05)


def write_with_steps(path: Path) -> None:
    rate = 48000
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=25, options={"bf": "2"})
        picture.width, picture.height, picture.pix_fmt, picture.gop_size = 96, 72, "yuv420p", 12
        sound = container.add_stream("aac", rate=rate, layout="mono")
        for number in range(150):
            frame = av.VideoFrame(96, 72, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes(len(memoryview(plane))))
            frame.pts = number
            container.mux(picture.encode(frame))
        samples = np.arange(6 * rate)
        tone = np.sin(samples / 20) * (1 + samples // rate) / 8
        for at in range(0, len(tone), 1024):
            block = np.ascontiguousarray(tone[None, at : at + 1024], np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.rate, frame.pts = rate, at
            container.mux(sound.encode(frame))
        container.mux(picture.encode())
        container.mux(sound.encode())


def loudness(container, from_s):
    """The root mean square of the sound at a time after `from_s`, over a twentieth of a second."""
    sound = container.streams.audio[0]
    frames = [(frame.time, frame.to_ndarray()[0]) for frame in container.decode(sound)]
    rate = sound.rate
    begin_s = frames[0][0]
    wave = np.concatenate([each for _, each in frames])

    def at(time_s: float) -> float:
        first = round((from_s + time_s - begin_s) * rate)
        return float(np.sqrt((wave[max(first, 0) : first + rate // 20] ** 2).mean()))

    return at


def test_subtitles_are_cut_off_at_the_borders(tmp_path: Path) -> None:
    plain = write_clip(tmp_path / "plain.mp4", [40 * n for n in range(150)])
    path = tmp_path / "told.mkv"
    cues = tmp_path / "cues.srt"
    times = [("00:00:00,500", "00:00:02,500", "early"), ("00:00:03,000", "00:00:05,500", "late")]
    cues.write_text("".join(f"{n}\n{a} --> {b}\n{text}\n\n" for n, (a, b, text) in enumerate(times, 1)))
    with av.open(str(plain)) as video, av.open(str(cues)) as text, av.open(str(path), "w") as out:
        copies = {each: out.add_stream_from_template(each.streams[0], opaque=True) for each in (video, text)}
        for container, copy in copies.items():
            for packet in container.demux():
                if packet.size:
                    packet.stream = copy
                    out.mux(packet)
    made = cut(probe(path), 2.0, 4.0, tmp_path, "part", exact=True)
    with av.open(str(made.path)) as clip:
        stream = clip.streams.subtitles[0]
        found = [(packet.pts, packet.duration, bytes(packet)) for packet in clip.demux(stream) if packet.size]
    assert found == [(0, 500, b"early"), (1000, 1000, b"late")]


def test_names_that_are_there_are_never_replaced(tmp_path: Path) -> None:
    source = probe(Case("clip.mp4").write(tmp_path))
    (tmp_path / "part.mp4").write_text("mine")
    made = [cut(source, 0.0, 1.0, tmp_path, "part").path.name for _ in range(2)]
    assert made == ["part-2.mp4", "part-3.mp4"]
    assert (tmp_path / "part.mp4").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", *made, "part.mp4"]


def test_a_clip_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch) -> None:
    source = probe(Case("clip.mp4").write(tmp_path))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cutting, "flush", full)
    with pytest.raises(UsageError, match=r"Cannot write .*part\.mp4: No space left on device\."):
        cut(source, 0.0, 1.0, tmp_path, "part")
    with pytest.raises(UsageError, match=r"Cannot write .*: No such file or directory"):
        cut(source, 0.0, 1.0, tmp_path / "missing", "part")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_part_that_is_not_there_is_said(tmp_path: Path) -> None:
    source = probe(Case("clip.mp4").write(tmp_path))
    with pytest.raises(VideoUnreadable, match=r"nothing is shown at 9\.000 s"):
        cut(source, 9.0, 10.0, tmp_path, "part")
    with pytest.raises(ValueError, match="ends after it starts"):
        cut(source, 1.0, 1.0, tmp_path, "part")
    Path(source.path).unlink()
    with pytest.raises(VideoUnreadable, match="no such file"):
        cut(source, 0.0, 1.0, tmp_path, "part")
    write_audio(tmp_path / "clip.mp4")
    with pytest.raises(VideoUnreadable, match="changed while it was read"):
        cut(source, 0.0, 1.0, tmp_path, "part", exact=True)
