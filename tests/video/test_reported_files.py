"""Files of bug reports, made again: a test for each report, which says what a player shows.

Each test is called as the report that it rebuilds, and makes the report's files itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import av
import numpy as np
import pytest
import test_colour
import test_unreadable
from clips import Placement, read_barcode, write_clip
from picture_cases import bitstream
from test_orientation import corners, first_picture
from test_probing import animated_webp
from test_subtitle_text import srt
from time_cases import TIME_CASES

from dynfocus_cli.batch.questions import Query, read_questions
from dynfocus_cli.batch.videos import Search, check, expand
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.options import SamplingOptions
from dynfocus_cli.types import SamplingPlan, VideoSource
from dynfocus_cli.video import cues_on_screen, decode_frames, find_mentions, plan_sampling, probe
from dynfocus_cli.video.cues import Cue
from dynfocus_cli.video.subtitles import parse_cues, read_cues

pytestmark = pytest.mark.slow

DYNFOCUS = str(Path(sysconfig.get_path("scripts")) / "dynfocus")
DEMO = str(Path(__file__).resolve().parents[2] / "examples" / "demo.mp4")
REPORTS = (
    "alpha", "animated_webp", "audio_outlasts_video", "clock_restarts",
    "ctrl_c_loading", "edl_timecode", "encrypted_mp4", "folder_formats",
    "h264_bframes_avi", "hdr_not_tone_mapped", "messages", "mirrored_matrix",
    "mkv_crop", "multi_edit_list", "no_home", "open_gop_false_damage",
    "packed_xvid_avi", "questions_json_array", "raw_h264_rate", "subtitle_encodings",
    "subtitle_repeats", "vfr_rate_cap", "video_starts_late", "vtt_ids_notes",
)  # fmt: skip

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


@pytest.mark.parametrize(
    ("name", "parts", "how"),
    [
        ("a.mp4", 2, {}),
        ("a.mov", 2, {}),
        ("a.flv", 2, {}),
        ("a.wmv", 2, {"codec": "wmv2", "clock": None}),
        ("a.rm", 2, {"codec": "rv10", "size": (176, 144), "clock": None}),
        ("a.mkv", 3, {}),
    ],
)
def test_clock_restarts_beyond_what_is_read(tmp_path: Path, name: str, parts: int, how: dict) -> None:
    clip = write_clip(tmp_path / name, [40 * number for number in range(60)], **how)
    assert probe(clip).joined_warning == ""
    clip.write_bytes(clip.read_bytes() * parts)
    source = probe(clip)
    assert source.duration_s == pytest.approx(2.4 * (parts - 1), abs=0.1)
    assert "Several files were joined" in source.joined_warning


@pytest.mark.parametrize("name", [name for name in TIME_CASES if name.startswith(("joined", "jump"))])
def test_clock_restarts(tmp_path: Path, name: str) -> None:
    source = reported(tmp_path, name)
    assert source.duration_s == pytest.approx(TIME_CASES[name].end_ms / 1000, abs=0.1)
    assert len(source.restarts_s) == len(TIME_CASES[name].restarts_ms)
    assert source.joined_warning == ""


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


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_video_starts_late_after_a_cut_without_encoding(tmp_path: Path, suffix: str) -> None:
    """`ffmpeg -ss 12 -c copy`, with sync points every 10 s: sound from 12 s on, pictures from 20 s on."""
    options = {"bf": "0", "x264-params": "scenecut=0"}
    times = [40 * number for number in range(1000)]
    whole = write_clip(tmp_path / "whole.mkv", times, audio_s=40.0, gop=250, options=options)
    cut = tmp_path / f"cut.{suffix}"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        copies = {stream: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            begin_s = 20 if packet.stream.type == "video" else 12
            if packet.size and packet.pts * packet.time_base >= begin_s:
                packet.pts -= round(12 / packet.time_base)
                packet.dts -= round(12 / packet.time_base)
                packet.stream = copies[packet.stream]
                target.mux(packet)
    source = probe(cut)
    assert source.first_frame_s == pytest.approx(8.0, abs=0.1)
    assert numbers(source, [10.01])[0] in (550, 551, 552)
    if source.declared_duration_s is not None:
        assert source.declared_duration_s == pytest.approx(source.duration_s, abs=0.2)


@pytest.mark.parametrize("rate", [10, 15, 30, 50, 60])
@pytest.mark.parametrize("codec", ["H.264", "HEVC"])
def test_raw_h264_rate(tmp_path: Path, codec: str, rate: int) -> None:
    source = reported(tmp_path, f"raw {codec} {rate} a second")
    assert source.fps == pytest.approx(rate, rel=0.01)
    assert source.duration_s == pytest.approx(60 / rate, rel=0.01)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
def test_open_gop_false_damage(tmp_path: Path, suffix: str) -> None:
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


def test_alpha(tmp_path: Path) -> None:
    for name, codec, stored in (("a.mov", "png", "rgba"), ("a.webm", "libvpx-vp9", "yuva420p")):
        test_colour.test_what_is_transparent_is_white(tmp_path, name, codec, stored)


def test_animated_webp(tmp_path: Path) -> None:
    with pytest.raises(VideoUnreadable, match="animated ones it cannot"):
        probe(animated_webp(tmp_path / "base.webp"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is loaded")
@pytest.mark.parametrize("after_s", [0.0, 0.4, 1.2])
def test_ctrl_c_loading(after_s: float) -> None:
    process = subprocess.Popen(
        [DYNFOCUS, "ask", DEMO, "What color is the heart at 00:12?", "-q"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    )
    while "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "Interrupted.\n")
    assert process.returncode == 130


def test_edl_timecode(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "plain.mov", range(0, 2000, 40), clock=None)
    labelled = tmp_path / "tc.mov"
    with av.open(str(clip)) as source, av.open(str(labelled), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        target.metadata["timecode"] = "01:00:00:00"
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    run = dynfocus("inspect", str(labelled), "--edl", str(tmp_path / "x.edl"), "-q")
    assert run.returncode == 0, run.stderr
    first = next(line for line in (tmp_path / "x.edl").read_text().splitlines() if line.startswith("001"))
    assert first.split()[4] == "01:00:00:00"
    assert first.split()[5].startswith("01:00:0")


def test_encrypted_mp4(tmp_path: Path) -> None:
    write_clip(tmp_path / "enc.mp4", range(0, 2000, 40), container_options=test_unreadable.CENC)
    run = dynfocus("ask", str(tmp_path / "enc.mp4"), "What shape is shown?", "-q")
    assert (run.returncode, run.stdout) == (3, "")
    assert "is encrypted" in run.stderr


def test_folder_formats(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", range(0, 400, 40), codec="mpeg4", clock=None)
    videos = "a.mp4 c.gif d.f4v e.3g2 f.divx k.qt l.LRV u.m2t w.mod no-suffix"
    names = [*videos.split(), "z.mp4 "]
    folder = tmp_path / "ext"
    (folder / "VIDEO_TS").mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(clip.read_bytes())
    (folder / "x.mkv.part").write_bytes(clip.read_bytes())
    (folder / "VIDEO_TS" / "VTS_01_1.VOB").touch()
    said: list[str] = []
    paths = list(expand([str(folder)], None, Search(pass_over=said.append)))
    assert sorted(Path(path).name for path in paths) == sorted(names)
    assert said == [f"{folder}/x.mkv.part: an unfinished download, passed over."]
    with pytest.raises(VideoUnreadable, match=r"(?i)make a file of"):
        check(str(folder / "VIDEO_TS"))


@pytest.mark.parametrize(("transfer", "number"), [(test_colour.pq, 16), (test_colour.hlg, 18)])
def test_hdr_not_tone_mapped(tmp_path: Path, transfer: object, number: int) -> None:
    test_colour.test_hdr_is_tone_mapped(tmp_path, transfer, number, bound=4)


def test_messages(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "demo.mp4", range(0, 400, 40))
    (tmp_path / "nomoov.mp4").write_bytes(clip.read_bytes().split(b"moov")[0][:-4])
    with pytest.raises(VideoUnreadable, match=r"incomplete: its index \(moov\) is missing"):
        probe(tmp_path / "nomoov.mp4")
    assert list(expand([clip.as_uri()], None, Search())) == [str(clip)]
    (tmp_path / "itself").symlink_to("itself")
    with pytest.raises(VideoUnreadable, match="symbolic link"):
        check(str(tmp_path / "itself"))
    run = dynfocus("inspect", "-", stdin=clip.read_bytes())
    assert run.returncode == 2
    assert run.stderr.count("\n") <= 3
    run = dynfocus("inspect", "-", stdin=f"\ufeff{tmp_path}/gone.mp4\n".encode())
    assert "\ufeff" not in run.stderr
    assert f"{tmp_path}/gone.mp4" in run.stderr


@pytest.mark.parametrize(
    ("name", "placement", "seen"),
    [
        ("hflip", Placement(0, mirrored=True), "GRWB"),
        ("vflip", Placement(180, mirrored=True), "BWRG"),
        ("antitr", Placement(90, mirrored=True), "WGBR"),
        ("transpose", Placement(270, mirrored=True), "RBGW"),
        ("seiflip", None, "GRWB"),
    ],
)
def test_mirrored_matrix(tmp_path: Path, name: str, placement: Placement | None, seen: str) -> None:
    stored = np.zeros((72, 96, 3), np.uint8)
    stored[:36, :48], stored[:36, 48:] = (220, 20, 20), (20, 200, 20)
    stored[36:, :48], stored[36:, 48:] = (20, 20, 220), (235, 235, 235)
    clip = write_clip(tmp_path / f"{name}.mp4", [0, 40], placement=placement, stored=stored)
    if placement is None:
        bitstream("h264_metadata=display_orientation=insert:flip=horizontal")(clip)
    assert corners(first_picture(probe(clip))) == seen


def test_mkv_crop(tmp_path: Path) -> None:
    test_colour.test_matroska_crops(tmp_path)


def test_no_home(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import pwd\ndef unknown(uid):\n    raise KeyError(uid)\npwd.getpwuid = unknown\n"
    )
    nameless = {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}
    run = dynfocus("ask", DEMO, "What color is the heart at 00:12?", "-q", "--no-cache", env=nameless)
    assert (run.returncode, run.stdout.count("\n")) == (0, 1), run.stderr
    for home in ("/dev/null", "/proc/1/cwd"):
        assert dynfocus("models", "list", env={**nameless, "HOME": home}).returncode == 0


def test_questions_json_array(tmp_path: Path) -> None:
    def read(name: str, text: str) -> tuple[Query, ...]:
        (tmp_path / name).write_bytes(text.encode())
        return read_questions(str(tmp_path / name)).queries

    assert read("arr.json", json.dumps([{"question": "Who?"}, {"question": "What?"}])) == (
        Query("Who?"),
        Query("What?"),
    )
    assert read("evalfmt.jsonl", '{"question_id": "v1", "question": "Who?"}') == (Query("Who?", "v1"),)
    assert read("withvideo.jsonl", '{"video": "other.mp4", "question": "Who?"}')[0].video == "other.mp4"
    assert read("cr.txt", "Who?\rWhat?") == (Query("Who?"), Query("What?"))


@pytest.mark.parametrize(
    ("encoding", "texts"),
    [
        ("cp1251", ("Привет, мир", "Как дела сегодня")),
        ("cp932", ("こんにちは世界", "お元気ですか")),
        ("gb18030", ("你好世界", "今天天气很好")),
    ],
)
def test_subtitle_encodings(tmp_path: Path, encoding: str, texts: tuple[str, ...]) -> None:
    path = tmp_path / "film.srt"
    path.write_bytes(srt(*texts).encode(encoding))
    assert tuple(cue.text for cue in read_cues(path)) == texts
    path.write_bytes(srt("café 日本語 のテスト", "bad ~ byte").encode().replace(b"~", b"\xff"))
    assert read_cues(path)[0].text == "café 日本語 のテスト"
    path.write_bytes(srt("Yes.", "No.").replace("\n", "\r").encode())
    assert len(read_cues(path)) == 2
    path.write_text("1\n100:00:01,000 --> 100:00:02,000\nLate.\n")
    assert read_cues(path) == (Cue(360_001, 360_002, "Late."),)


def test_subtitle_repeats() -> None:
    def texts(*cues: tuple[int, int, str]) -> list[str]:
        blocks = (f"{a // 60:02}:{a % 60:02}.000 --> {b // 60:02}:{b % 60:02}.000\n{t}\n" for a, b, t in cues)
        return [cue.text for cue in parse_cues("WEBVTT\n\n" + "\n".join(blocks))]

    assert texts((5, 6, "No."), (10, 11, "No."), (50, 51, "No.")) == ["No.", "No.", "No."]
    assert texts((0, 30, "Thank you."), (30, 60, "Thank you.")) == ["Thank you."] * 2
    assert texts((6, 8, "Bob: hi"), (9, 11, "Bob: hi")) == ["Bob: hi", "Bob: hi"]
    assert texts((1, 2, "Hello there\nI"), (65, 66, "I\nam lost")) == ["Hello there I", "I am lost"]


@pytest.mark.parametrize(
    ("name", "blocks", "text"),
    [
        ("teams", "b5d8e7f0-1c2d-4e5f-8a9b-0c1d2e3f4a5b/15-0\n{time}\nBye.", "Bye."),
        ("stream", "NOTE Confidence: 0.75\n\n33333333-aaaa\n{time}\nBye.", "Bye."),
        ("style", "STYLE\n::cue {{ color: red; }}\n\nNOTE fix this\n\n{time}\nBye.", "Bye."),
        ("ids", "last - cue\n{time}\nBye.", "Bye."),
        ("ent", "{time}\n&gt;&gt; Tom &amp; Jerry&nbsp;&lt;3 &#39;ok&#39;", ">> Tom & Jerry <3 'ok'"),
    ],
)
def test_vtt_ids_notes(tmp_path: Path, name: str, blocks: str, text: str) -> None:
    head = "WEBVTT\n\n00:01.000 --> 00:02.000\nGood morning everyone.\n\n"
    (tmp_path / f"{name}.vtt").write_text(head + blocks.format(time="00:03.000 --> 00:04.000") + "\n")
    cues = read_cues(tmp_path / f"{name}.vtt")
    assert [cue.text for cue in cues] == ["Good morning everyone.", text]


def test_each_report_has_its_test() -> None:
    tests = [name for name in globals() if name.startswith("test_")]
    assert all(any(test.startswith(f"test_{name}") for test in tests) for name in REPORTS)


def dynfocus(
    *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    run = subprocess.run([DYNFOCUS, *arguments], input=stdin, capture_output=True, timeout=120, env=env)
    return subprocess.CompletedProcess(run.args, run.returncode, run.stdout.decode(), run.stderr.decode())
