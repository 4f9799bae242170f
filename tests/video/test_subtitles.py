"""Subtitles beside a video and inside it, good and bad."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from clips import barcode, write_clip
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.errors import UsageError
from dynfocus_cli.report.writers.chapters import webvtt_chapters
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video import cues_on_screen, find_subtitles, probe, subtitles
from dynfocus_cli.video.cues import MAX_CUE_CHARACTERS, Cue
from dynfocus_cli.video.subtitle_text import decode_text
from dynfocus_cli.video.subtitles import parse_cues, read_cues

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Where</i> are
we {\\an8}going?

2
00:00:03,000 --> 00:00:04,000


3
00:01:05,250 --> 00:01:06,000
Home.
"""
VTT = """WEBVTT

NOTE not said

00:01.000 --> 00:02.500 align:start
<v Anna>Where are</v> <c.red>we going?</c>

01:05.250 --> 01:06.000
Home.
"""
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:09.00,Default,,0,0,0,,never shown
Dialogue: 0,0:01:05.25,0:01:06.00,Default,,0,0,0,,Home.
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\k20}Where are\\Nwe going?
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}
"""
EXPECTED = (Cue(1.0, 2.5, "Where are we going?"), Cue(65.25, 66.0, "Home."))


@pytest.mark.parametrize(("suffix", "text"), [(".srt", SRT), (".vtt", VTT), (".ass", ASS)])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_formats(tmp_path: Path, suffix: str, text: str, encoding: str, newline: str) -> None:
    path = tmp_path / f"film{suffix}"
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    assert read_cues(path) == EXPECTED


def test_cues_that_make_no_sense_are_left_out() -> None:
    text = (
        "1\n00:00:05,000 --> 00:00:04,000\nreversed\n\n"
        "2\n00:00:06,000 --> 00:00:06,000\nempty\n\n"
        "3\n00:00:07,000 --> 00:00:08,000\n" + "long " * 1000 + "\n"
    )
    (cue,) = parse_cues(text)
    assert cue.start_s == 7
    assert len(cue.text) == MAX_CUE_CHARACTERS


def test_only_cues_on_screen_at_a_sampled_moment() -> None:
    cues = [Cue(0, 1, "a"), Cue(1, 2, "b"), Cue(1.5, 5, "c"), Cue(2.2, 2.4, "between"), Cue(9, 10, "late")]
    assert [cue.text for cue in cues_on_screen(cues, [1.0, 2.0, 3.0])] == ["b", "c"]
    assert [cue.text for cue in cues_on_screen(cues, [0.5, 9.0])] == ["a", "late"]
    assert cues_on_screen(cues, []) == []


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=20),
    st.lists(st.integers(0, 60), max_size=20, unique=True),
)
def test_on_screen_is_what_a_slow_look_says(spans: list[tuple[int, int]], moments: list[int]) -> None:
    cues = [Cue(start, start + length, str(place)) for place, (start, length) in enumerate(sorted(spans))]
    times = [float(moment) for moment in sorted(moments)]
    slow = [cue for cue in cues if any(cue.start_s <= time < cue.end_s for time in times)]
    assert cues_on_screen(cues, times) == slow


def test_hours_beyond_99_and_a_number_in_the_last_line() -> None:
    text = "1\n100:00:01,000 --> 100:00:02,000\nIn which year?\n1984"
    assert parse_cues(text) == (Cue(360001, 360002, "In which year? 1984"),)


def source_of(path: Path) -> VideoSource:
    return VideoSource(str(path), 9.0, 96, 72, 25.0, "h264", 0, False, 0, 0.0)


def test_files_beside_the_video(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "my film.mp4", [0, 40])
    source = source_of(video)
    assert find_subtitles(source, "off") == (None, ())
    assert find_subtitles(source, "auto") == (None, ())
    for name in ("my film.en.srt", "my film 2.srt", "other.srt", "my film.txt"):
        (tmp_path / name).write_text(SRT)
    found, warnings = find_subtitles(source, "auto")
    assert found is not None
    assert (found.origin, found.cues, warnings) == ("my film.en.srt", EXPECTED, ())
    (tmp_path / "my film.VTT").write_text(VTT)
    found, _ = find_subtitles(source, "auto")
    assert found is not None
    assert found.origin == "my film.VTT"
    (tmp_path / "my film.VTT").write_text("nothing")
    found, warnings = find_subtitles(source, "auto")
    assert found is not None
    assert found.origin == "my film.en.srt"
    assert len(warnings) == 1
    assert "my film.VTT hold no cues" in warnings[0]


def test_chapters_beside_the_video_are_no_subtitles(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "a.mp4", range(0, 400, 40))
    shots = [SimpleNamespace(start_s=0.0, end_s=0.2, title="Shot 1")]
    (tmp_path / "a.vtt").write_text(webvtt_chapters(shots))
    assert find_subtitles(probe(video), "auto") == (None, ())
    (tmp_path / "a.en.vtt").write_bytes(
        b"\xef\xbb\xbfWEBVTT\r\nKind: captions\r\n\r\n00:00.000 --> 00:01.000\r\nHi.\r\n"
    )
    found, _ = find_subtitles(probe(video), "auto")
    assert found is not None
    assert (found.origin, found.cues[0].text) == ("a.en.vtt", "Hi.")
    named, _ = find_subtitles(probe(video), str(tmp_path / "a.vtt"))
    assert named is not None
    assert named.cues[0].text == "Shot 1"


def test_a_folder_is_read_once_while_nothing_in_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_clip(tmp_path / "film.mp4", [0, 40])
    read: list[str] = []
    listed = os.listdir

    def listdir(folder: str) -> list[str]:
        read.append(folder)
        return listed(folder)

    monkeypatch.setattr(os, "listdir", listdir)
    changed_s = time.time() - 100
    os.utime(tmp_path, (changed_s, changed_s))
    for _ in range(3):
        assert find_subtitles(source_of(video), "auto") == (None, ())
    assert len(read) == 1
    (tmp_path / "film.srt").write_text(SRT)
    assert find_subtitles(source_of(video), "auto")[0] is not None
    (tmp_path / "film.srt").unlink()
    assert find_subtitles(source_of(video), "auto")[0] is None, "a change just after another"


@pytest.mark.parametrize("case", ["missing", "folder", "pipe", "text", "binary", "large", "nul"])
def test_a_file_that_was_named_must_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    path = tmp_path / "film.srt"
    if case == "folder":
        path.mkdir()
    elif case == "pipe":
        os.mkfifo(path)
    elif case == "text":
        path.write_text("No cue in here.")
    elif case == "binary":
        path.write_bytes(random.Random(0).randbytes(10_000))
    elif case == "large":
        monkeypatch.setattr(subtitles, "MAX_BYTES", 100)
        path.write_text(SRT)
    wanted = str(tmp_path / "a\0b.srt") if case == "nul" else str(path)
    with pytest.raises(UsageError, match="The subtitles "):
        find_subtitles(source_of(tmp_path / "film.mp4"), wanted)


def write_with_track(
    path: Path,
    codec: str,
    start_ms: int = 0,
    texts: Sequence[str] = ("{name} <b>0</b>", "{name} <b>1</b>"),
    **tracks: Disposition,
) -> Path:
    """A clip with text tracks, whose cues are half a second each; `{name}` is the track's name."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx" if path.suffix == ".webm" else "libx264", rate=25)
        video.width, video.height, video.pix_fmt = 96, 72, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        added = {}
        for name, disposition in tracks.items():
            stream = container.add_stream(codec)
            stream.codec_context.subtitle_header = b"[Script Info]\n[V4+ Styles]\n[Events]\n"
            stream.time_base = Fraction(1, 1000)
            stream.disposition = disposition
            stream.metadata["language"] = name
            added[name] = stream
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(barcode(number), format="rgb24")
            frame.pts, frame.time_base = start_ms + 40 * number, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        for name, stream in added.items():
            for number, template in enumerate(texts):
                text = template.format(name=name).encode()
                if codec == "mov_text":
                    text = len(text).to_bytes(2, "big") + text
                if codec == "ass":
                    text = b"%d,0,Default,,0,0,0,,{\\i1}%s" % (number, text)
                packet = av.Packet(text)
                packet.stream, packet.time_base = stream, Fraction(1, 1000)
                packet.pts = packet.dts = start_ms + 1000 * number
                packet.duration = 500
                container.mux(packet)
    return path


Disposition = av.stream.Disposition


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "subrip"), ("a.mkv", "ass"), ("a.mp4", "mov_text"), ("a.webm", "webvtt")]
)
@pytest.mark.parametrize("start_ms", [0, 5000])
def test_tracks_inside_the_video(tmp_path: Path, name: str, codec: str, start_ms: int) -> None:
    path = write_with_track(tmp_path / name, codec, start_ms, eng=Disposition.default)
    found, warnings = find_subtitles(probe(path), "auto")
    assert found is not None
    assert (found.origin, warnings) == ("track 1 (eng)", ())
    shown = [(round(cue.start_s, 2), round(cue.end_s, 2)) for cue in found.cues]
    assert [cue.text.replace("<b>", "").replace("</b>", "") for cue in found.cues] == ["eng 0", "eng 1"]
    assert shown == [(0.0, 0.5), (1.0, 1.5)]


def test_the_track_that_a_player_would_show(tmp_path: Path) -> None:
    none = Disposition(0)
    cases = [
        ({"fra": none, "eng": Disposition.default}, "eng"),
        ({"fra": Disposition.forced | Disposition.default, "eng": none}, "eng"),
        ({"fra": none, "eng": none}, "fra"),
    ]
    for number, (tracks, chosen) in enumerate(cases):
        path = write_with_track(tmp_path / f"{number}.mkv", "subrip", **tracks)
        found, _ = find_subtitles(probe(path), "auto")
        assert found is not None
        assert chosen in found.origin


@given(st.binary(max_size=300))
def test_any_bytes_are_cues_or_none(data: bytes) -> None:
    assert all(cue.end_s > cue.start_s >= 0 for cue in parse_cues(decode_text(data)[0]))


@pytest.mark.parametrize("text", [SRT, VTT, ASS])
@given(seed=st.integers(0, 10_000))
def test_broken_files_are_cues_or_none(text: str, seed: int) -> None:
    draw = random.Random(seed)
    data = bytearray(text.encode())
    for _ in range(draw.choice((1, 5, 50))):
        at = draw.randrange(len(data))
        data[at : at + draw.randrange(4)] = draw.randbytes(draw.randrange(4))
    for cue in parse_cues(decode_text(bytes(data))[0]):
        assert cue.text == cue.text.strip()
        assert cue.text.isprintable()
        assert cue.end_s > cue.start_s >= 0


@pytest.mark.parametrize(
    "text", ["<" * 50_000, "{" * 50_000, "{\\p1" * 20_000, "a\n" * 20_000, "1\n" * 20_000]
)
def test_weird_files_come_to_an_end(text: str) -> None:
    """Some took a minute while markup was looked for in all of the text."""
    parse_cues("1\n00:00:01,000 --> 00:00:02,000\n" + text)
