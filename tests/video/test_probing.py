from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import CLOCK, barcode, every_frame, read_barcode, write_audio, write_clip
from PIL import Image

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video import probe

EVEN = [40 * number for number in range(50)]


def test_a_plain_clip(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "clip.mp4", EVEN))
    assert source.path == str(tmp_path / "clip.mp4")
    assert (source.width, source.height, source.codec, source.rotation) == (96, 72, "h264", 0)
    assert source.duration_s == pytest.approx(2.0, abs=0.002)
    assert source.fps == pytest.approx(25.0, rel=0.01)
    assert source.start_s == 0.0
    assert not source.variable_frame_rate


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("b.mp4", "libx264", {"bf": "3"}),
        ("b.mkv", "libx264", {"bf": "3"}),
        ("b.ts", "libx264", {"bf": "3"}),
        ("m.mp4", "mpeg4", {"bf": "2"}),
        ("m.avi", "mpeg4", {"bf": "2"}),
        ("m.avi", "mpeg4", {}),
        ("v.webm", "libvpx-vp9", {}),
    ],
)
def test_duration_reaches_from_the_first_frame_to_the_end_of_the_last(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    clip = write_clip(
        tmp_path / name, EVEN, codec=codec, options=options, clock=None if codec == "mpeg4" else CLOCK
    )
    times, _ = every_frame(clip)
    source = probe(clip)
    assert source.duration_s == pytest.approx(times[-1] + 0.04, abs=0.005)
    assert source.fps == pytest.approx(25.0, rel=0.03)
    assert not source.variable_frame_rate


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_the_last_picture_is_held_while_sound_goes_on(tmp_path: Path, name: str) -> None:
    assert probe(write_clip(tmp_path / name, EVEN, audio_s=5.0)).duration_s == pytest.approx(5.05, abs=0.1)
    assert probe(write_clip(tmp_path / name, EVEN, audio_s=2.5)).duration_s == pytest.approx(2.0, abs=0.005)


def test_times_count_from_the_first_displayed_frame(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "late.mkv", [5000 + time for time in EVEN]))
    assert source.start_s == pytest.approx(5.0, abs=0.1)
    assert source.duration_s == pytest.approx(2.0, abs=0.005)


def test_a_variable_frame_rate_is_measured(tmp_path: Path) -> None:
    uneven = [0, 40, 80, 300, 340, 900, 940, 980, 1500]
    for name in ("v.mp4", "v.mkv"):
        assert probe(write_clip(tmp_path / name, uneven)).variable_frame_rate
    thirds = [round(1000 * number / 30) for number in range(60)]
    assert not probe(write_clip(tmp_path / "thirty.mkv", thirds)).variable_frame_rate


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_rotation_turns_width_and_height(tmp_path: Path, clockwise: int) -> None:
    source = probe(write_clip(tmp_path / "r.mp4", EVEN[:5], clockwise=clockwise))
    assert source.rotation == clockwise
    assert (source.width, source.height) == ((96, 72) if clockwise % 180 == 0 else (72, 96))


def test_sample_aspect_ratio_widens_the_picture(tmp_path: Path) -> None:
    assert probe(write_clip(tmp_path / "s.mp4", EVEN[:5], aspect=Fraction(4, 3))).width == 128


def test_a_single_frame(tmp_path: Path) -> None:
    source = probe(write_clip(tmp_path / "one.mp4", [0]))
    assert 0 < source.duration_s <= 1
    assert source.fps > 0


def test_a_name_with_a_colon_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.move(write_clip(tmp_path / "clip.mp4", EVEN[:5]), "http:clip.mp4")
    assert probe("http:clip.mp4").path == "http:clip.mp4"


def animated_webp(path: Path) -> Path:
    pictures = [Image.fromarray(barcode(number)) for number in range(3)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40, lossless=True)
    return path


def _unreadable(tmp_path: Path) -> dict[str, tuple[Path | str, str]]:
    (tmp_path / "text.mp4").write_text("just a note\n" * 200)
    (tmp_path / "note.txt").write_text("just a note\n" * 200)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "cut.mp4").write_bytes(write_clip(tmp_path / "whole.mp4", EVEN).read_bytes()[:900])
    os.mkfifo(tmp_path / "pipe.mp4")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:3,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    )
    return {
        "missing": (tmp_path / "no.mp4", "no such file"),
        "address": ("http://127.0.0.1:9/x.mp4", "no such file"),
        "nul": ("a\0b.mp4", "no such file"),
        "folder": (tmp_path, "is a folder"),
        "pipe": (tmp_path / "pipe.mp4", "not a regular file"),
        "empty": (tmp_path / "empty.mp4", "is empty"),
        "text": (tmp_path / "text.mp4", "is not a video"),
        "note": (tmp_path / "note.txt", "is not a video"),
        "cut": (tmp_path / "cut.mp4", "is incomplete: its index (moov) is missing"),
        "animated": (animated_webp(tmp_path / "a.webp"), "animated ones it cannot"),
        "audio": (write_audio(tmp_path / "sound.m4a"), "only audio. Give"),
        "cover": (write_audio(tmp_path / "cover.mp3", cover=True), "only audio and its cover art"),
        "playlist": (playlist, "is not a video"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "missing",
        "address",
        "nul",
        "folder",
        "pipe",
        "empty",
        "text",
        "note",
        "cut",
        "animated",
        "audio",
        "cover",
        "playlist",
    ],
)
def test_what_is_no_video_is_said_in_one_sentence_that_names_it(tmp_path: Path, case: str) -> None:
    path, message = _unreadable(tmp_path)[case]
    with pytest.raises(VideoUnreadable) as caught:
        probe(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_video_whose_frames_do_not_decode(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "noise.mp4", EVEN, codec="mpeg4")
    data = bytearray(clip.read_bytes())
    begin = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[begin:end] = bytes(end - begin)
    clip.write_bytes(data)
    with pytest.raises(VideoUnreadable, match="no frame of it can be decoded"):
        probe(clip)


def test_the_barcode_helper_tells_turned_pictures() -> None:
    assert [read_barcode(barcode(number)) for number in (0, 5, 1023)] == [0, 5, 1023]
    assert read_barcode(barcode(5)[::-1, ::-1]) != 5


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv", ".avi"])
def test_the_time_code_that_a_file_begins_with(tmp_path, suffix):
    path = write_clip(tmp_path / f"clip{suffix}", range(0, 1000, 40), clock=None)
    assert probe(path).timecode == ""
    labelled = tmp_path / f"labelled{suffix}"
    with av.open(str(path)) as source, av.open(str(labelled), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        container.metadata["timecode"] = "01:00:00:00"
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    assert probe(labelled).timecode == "01:00:00:00"
