"""Clips of every container, codec and oddity that people meet, each frame with its number as a barcode."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from case import EVEN, SHORT, B, Case, x264, x265
from clips import Placement, barcode
from picture_cases import PICTURE_CASES

UNEVEN = (0, 40, 80, 300, 340, 900, 940, 980, 1500, 1510, 1550, 4000, 4040, 9000, 9040, 9080, 9500, 9540)
FROZEN = (*EVEN[:50], *(time + 20_000 for time in EVEN[50:100]))


def _patch_every(kind: bytes, change: Callable[[bytearray, int], None]) -> Callable[[Path], None]:
    """Applies `change` to the file's bytes at the content of each MP4 box of that kind."""

    def patch(path: Path) -> None:
        data = bytearray(path.read_bytes())
        at = data.find(kind)
        assert at > 0, f"no {kind!r} box"
        while at > 0:
            change(data, at + 4)
            at = data.find(kind, at + 4)
        path.write_bytes(data)

    return patch


def _rename_box(kind: bytes, new: bytes = b"free") -> Callable[[Path], None]:
    def rename(data: bytearray, content: int) -> None:
        data[content - 4 : content] = new

    return _patch_every(kind, rename)


def _lie_in_mdhd(data: bytearray, content: int) -> None:
    """Three times the duration (version 0: flags, creation, modification, time scale, duration)."""
    duration = int.from_bytes(data[content + 16 : content + 20], "big")
    data[content + 16 : content + 20] = (3 * duration).to_bytes(4, "big")


def _without_an_end(path: Path) -> None:
    """Rewrites a Matroska file as a live stream: no duration, no cues, no sizes."""
    target = io.BytesIO()
    with av.open(str(path)) as source, av.open(_Stream(target), "w", format="matroska") as live:
        stream = source.streams.video[0]
        copy = live.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                live.mux(packet)
    path.write_bytes(target.getvalue())


class _Stream:
    """A file that can only be written on, like a pipe."""

    def __init__(self, target: io.BytesIO) -> None:
        self._target = target

    def write(self, data: bytes) -> int:
        return self._target.write(data)


def _add_streams(path: Path, *, cover: bool, larger: bool) -> None:
    """Puts another picture stream beside the clip's: a still cover, or a larger one that is no default."""
    beside = path.with_name(f"beside-{path.name}")
    with av.open(str(path)) as source, av.open(str(beside), "w") as target:
        stream = source.streams.video[0]
        streams = {}
        if larger:
            extra = target.add_stream("libx264", rate=25)
            extra.width, extra.height, extra.pix_fmt = 192, 144, "yuv420p"
            extra.disposition = 0
            streams["extra"] = extra
        copy = target.add_stream_from_template(stream)
        copy.disposition = av.stream.Disposition.default
        if cover:
            picture = target.add_stream("png", rate=1)
            picture.width, picture.height, picture.pix_fmt = 192, 144, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(barcode(999, 192, 144), format="rgb24")
            frame.pts, frame.time_base = 0, Fraction(1)
            for packet in [*picture.encode(frame), *picture.encode()]:
                target.mux(packet)
        if larger:
            for number in range(60):
                frame = av.VideoFrame.from_ndarray(barcode(1000 + number % 20, 192, 144), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                target.mux(extra.encode(frame))
            target.mux(extra.encode())
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    beside.replace(path)


SVT = {"preset": "6", "crf": "3", "svtav1-params": "enable-tf=0"}
QUICK_VP9 = {"deadline": "realtime", "cpu-used": "8"}

CASES = {
    # H.264
    "H.264 B-frames": Case("a.mp4", EVEN, options=B),
    "H.264 B-pyramid": Case("a.mp4", EVEN, options=x264("b-pyramid=normal:ref=4", bf="7")),
    "H.264 open GOP mp4": Case("a.mp4", EVEN, options=x264("open-gop=1:keyint=24:min-keyint=24")),
    "H.264 open GOP mkv": Case("a.mkv", EVEN, options=x264("open-gop=1:keyint=24:min-keyint=24")),
    "H.264 open GOP ts": Case("a.ts", EVEN, options=x264("open-gop=1:keyint=24:min-keyint=24")),
    "H.264 intra refresh": Case("a.mp4", EVEN, options={"intra-refresh": "1", "bf": "0"}, gop=25),
    "H.264 one GOP": Case("a.mp4", EVEN, options=x264("keyint=infinite"), gop=10_000),
    "H.264 all intra": Case("a.mov", SHORT, options={"bf": "0"}, gop=1),
    "H.264 baseline": Case("a.mp4", EVEN, options={"profile": "baseline", "bf": "0"}),
    "H.264 slices": Case("a.mp4", SHORT, options=x264("slices=4")),
    "H.264 10 bits": Case("a.mkv", SHORT, pixel_format="yuv420p10le", options=B),
    "H.264 4:2:2": Case("a.mp4", SHORT, pixel_format="yuv422p", options=B),
    "H.264 4:4:4 odd": Case("a.mkv", SHORT, pixel_format="yuv444p", size=(97, 71), options=B),
    "H.264 gray": Case("a.mp4", SHORT, pixel_format="gray", options=B),
    "H.264 lossless": Case("a.mkv", SHORT, pixel_format="yuv444p", options={"qp": "0"}),
    "H.264 top field first": Case("a.mp4", SHORT, options=x264("tff=1"), size=(96, 96)),
    "H.264 bottom field first ts": Case("a.ts", SHORT, options=x264("bff=1"), size=(96, 96)),
    "H.264 raw": Case("a.h264", SHORT, options={"bf": "0"}),
    "H.264 flv": Case("a.flv", EVEN, options=B),
    "H.264 3gp": Case("a.3gp", SHORT, options={"profile": "baseline", "bf": "0"}),
    "H.264 nut": Case("a.nut", EVEN, options=B),
    "H.264 weighted references": Case("a.mp4", EVEN, options=x264("weightp=2:ref=16:bframes=16", bf="16")),
    # HEVC
    "HEVC open GOP": Case("a.mp4", SHORT, "libx265", options=x265("keyint=12:min-keyint=12:bframes=4")),
    "HEVC open GOP ts": Case("a.ts", SHORT, "libx265", options=x265("keyint=12:min-keyint=12:bframes=4")),
    "HEVC closed GOP": Case("a.mkv", SHORT, "libx265", options=x265("open-gop=0:keyint=12")),
    "HEVC temporal layers": Case(
        "a.mp4", SHORT, "libx265", options=x265("temporal-layers=3:bframes=3:keyint=24")
    ),
    "HEVC 10 bits": Case(
        "a.mkv", SHORT, "libx265", "yuv420p10le", options=x265("bframes=8:b-adapt=0:rc-lookahead=20")
    ),
    "HEVC raw": Case("a.hevc", SHORT, "libx265", options=x265("bframes=0")),
    # VP8, VP9, AV1
    "VP8 hidden frames": Case("a.webm", EVEN, "libvpx", options={"auto-alt-ref": "1", "lag-in-frames": "16"}),
    "VP9": Case("a.webm", SHORT, "libvpx-vp9", options=QUICK_VP9),
    "VP9 hidden frames": Case(
        "a.mkv", SHORT, "libvpx-vp9", options={"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "8"}
    ),
    "VP9 4:4:4 mp4": Case("a.mp4", SHORT, "libvpx-vp9", "yuv444p", options=QUICK_VP9),
    "VP9 ivf": Case("a.ivf", SHORT, "libvpx-vp9", options=QUICK_VP9),
    "AV1 mp4": Case("a.mp4", SHORT, "libsvtav1", options=SVT, gop=20),
    "AV1 webm": Case("a.webm", SHORT, "libsvtav1", options=SVT, gop=20),
    "AV1 10 bits": Case("a.mkv", SHORT, "libsvtav1", "yuv420p10le", options=SVT, gop=20),
    "AV1 one GOP": Case("a.mp4", EVEN, "libsvtav1", options=SVT, gop=300),
    "AV1 one GOP obu": Case("a.obu", SHORT, "libsvtav1", options=SVT, gop=300),
    "AV1 low delay": Case(
        "a.mkv", EVEN, "libsvtav1", options={**SVT, "svtav1-params": "pred-struct=1"}, gop=300
    ),
    "AV1 film grain": Case(
        "a.mkv", SHORT, "libsvtav1", options={**SVT, "svtav1-params": "film-grain=4"}, gop=300
    ),
    # Older and professional codecs
    "MPEG-1": Case("a.mpg", SHORT, "mpeg1video", options={"bf": "2"}, clock=None),
    "MPEG-2 ps": Case("a.mpg", SHORT, "mpeg2video", options={"bf": "2"}, clock=None),
    "MPEG-2 ts": Case("a.ts", SHORT, "mpeg2video", options={"bf": "2"}, clock=None),
    "MPEG-2 mxf": Case("a.mxf", SHORT, "mpeg2video", options={"bf": "2"}, clock=None),
    "MPEG-4 mp4": Case("a.mp4", SHORT, "mpeg4", options={"bf": "2"}, clock=None),
    "MPEG-4 avi": Case("a.avi", SHORT, "mpeg4", options={"bf": "2"}, clock=None),
    "MPEG-4 qpel": Case("a.mkv", SHORT, "mpeg4", options={"bf": "2", "flags": "+qpel"}, clock=None),
    "MS-MPEG-4 avi": Case("a.avi", SHORT, "msmpeg4", clock=None),
    "WMV2": Case("a.wmv", SHORT, "wmv2", clock=None),
    "H.263": Case("a.3gp", SHORT, "h263", size=(176, 144), clock=None),
    "Sorenson flv": Case("a.flv", SHORT, "flv", clock=None),
    "MJPEG avi": Case("a.avi", SHORT, "mjpeg", "yuvj420p", clock=None),
    "MJPEG raw": Case("a.mjpeg", SHORT, "mjpeg", "yuvj420p", clock=None),
    "ProRes": Case("a.mov", SHORT, "prores_ks", "yuv422p10le"),
    "DNxHD": Case("a.mov", SHORT, "dnxhd", "yuv422p", {"profile": "dnxhr_sq"}, size=(256, 128)),
    "FFV1": Case("a.mkv", SHORT, "ffv1"),
    "Snow": Case("a.nut", SHORT, "snow", options={"strict": "experimental"}, clock=None),
    "JPEG 2000": Case("a.mov", SHORT, "jpeg2000"),
    "Cinepak": Case("a.mov", SHORT, "cinepak", "rgb24"),
    "PNG with alpha": Case("a.mov", SHORT, "png", "rgba"),
    "QuickTime RLE": Case("a.mov", SHORT, "qtrle", "argb"),
    "GIF": Case("a.gif", [100 * number for number in range(30)], "gif", "rgb8"),
    "APNG": Case("a.apng", SHORT, "apng", "rgb24"),
    "raw y4m": Case("a.y4m", SHORT, "wrapped_avframe"),
    "raw in avi": Case("a.avi", SHORT, "rawvideo", clock=None),
    # Time
    "uneven mp4": Case("a.mp4", UNEVEN, options={"bf": "2"}),
    "uneven mkv": Case("a.mkv", UNEVEN),
    "uneven webm": Case("a.webm", UNEVEN, "libvpx-vp9", options=QUICK_VP9),
    "uneven ts": Case("a.ts", UNEVEN, options={"bf": "2"}),
    "freeze": Case("a.mp4", FROZEN, options=B),
    "late start mp4": Case("a.mp4", [5000 + time for time in EVEN], options=B),
    "late start mkv": Case("a.mkv", [36_000_000 + time for time in EVEN], options=B),
    "late start ts": Case("a.ts", [36_000_000 + time for time in EVEN], options=B),
    "clock wraps ts": Case(
        "a.ts", [95_441_000 + time for time in EVEN], options=B, container={"mpegts_copyts": "1"}
    ),
    "edit list hides the start": Case("a.mp4", [time - 1000 for time in EVEN], options=B),
    "edit list hides the start mov": Case("a.mov", [time - 480 for time in EVEN], options=B),
    "one frame": Case("a.mp4", [0]),
    "5 frames a second": Case("a.mp4", [200 * number for number in range(60)], options=B, rate=5),
    "119.88 frames a second": Case("a.mkv", [round(number * 1001 / 120) for number in range(200)], options=B),
    # Containers
    "fragments": Case("a.mp4", EVEN, options=B, container={"movflags": "frag_keyframe+empty_moov"}),
    "index first": Case("a.mp4", EVEN, options=B, container={"movflags": "faststart"}),
    "mkv without an end": Case("a.mkv", EVEN, options=B, after=_without_an_end),
    "no sync table": Case("a.mp4", EVEN, options=B, after=_rename_box(b"stss")),
    "lying duration": Case("a.mp4", EVEN, options=B, after=_patch_every(b"mdhd", _lie_in_mdhd)),
    "sound first": Case("a.mkv", SHORT, options=B, more={"audio_s": 3.0}),
    "cover art": Case(
        "a.mp4", SHORT, options=B, after=lambda path: _add_streams(path, cover=True, larger=False)
    ),
    "two pictures": Case(
        "a.mkv", SHORT, options=B, after=lambda path: _add_streams(path, cover=False, larger=True)
    ),
    # Shape
    "turned 90": Case("a.mp4", SHORT, options=B, placement=Placement(90)),
    "turned 180": Case("a.mp4", SHORT, options=B, placement=Placement(180)),
    "turned 270": Case("a.mov", SHORT, options=B, placement=Placement(270)),
    "wide pixels": Case("a.mp4", SHORT, options=B, more={"aspect": Fraction(4, 3)}),
    "odd size": Case("a.mkv", SHORT, "ffv1", "yuv420p", size=(95, 71)),
    # Pictures
    **PICTURE_CASES,
}
