"""Clips whose pictures are unusual: turned, mirrored, cropped, of rare formats and sizes."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from boxes import insert_box
from case import SHORT, B, Case, x265
from clips import Placement
from matroska import change_track, pixel_crop
from PIL import Image


def clean_aperture(width: int, height: int, right: int, down: int) -> Callable[[Path], None]:
    """Adds the box of that name to an H.264 MP4: the size that is shown, and how far its centre is off."""
    numbers = [width, 1, height, 1, right, 1, down, 1]
    content = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    return lambda path: insert_box(path, b"avc1", b"clap", content)


MIRRORED_EXIF = {2: 0, 4: 180, 5: 270, 7: 90}
"""EXIF orientation to degrees clockwise after mirroring."""


def rewrite(path: Path, change: Callable[[av.Packet, av.VideoStream], list[av.Packet]]) -> None:
    """Passes the packets of a clip through `change` and writes them to a file of the same kind."""
    beside = path.with_name(f"beside-{path.name}")
    with av.open(str(path)) as source, av.open(str(beside), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                for changed in change(packet, stream):
                    changed.stream = copy
                    target.mux(changed)
    beside.replace(path)


def bitstream(filters: str) -> Callable[[Path], None]:
    """Applies a bitstream filter of FFmpeg."""

    def apply(path: Path) -> None:
        contexts: list[BitStreamFilterContext] = []

        def change(packet: av.Packet, stream: av.VideoStream) -> list[av.Packet]:
            if not contexts:
                contexts.append(BitStreamFilterContext(filters, stream))
            return contexts[0].filter(packet)

        rewrite(path, change)

    return apply


def with_exif(orientation: int) -> Callable[[Path], None]:
    """Puts EXIF with an orientation into each JPEG of a clip."""

    def change(packet: av.Packet, stream: av.VideoStream) -> list[av.Packet]:
        exif, target = Image.Exif(), io.BytesIO()
        exif[0x0112] = orientation
        Image.open(io.BytesIO(bytes(packet))).save(target, "JPEG", exif=exif, quality=95, subsampling=0)
        changed = av.Packet(target.getvalue())
        changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
        changed.is_keyframe = True
        return [changed]

    return lambda path: rewrite(path, change)


PICTURE_CASES = {
    "mirrored": Case("a.mp4", options=B, placement=Placement(0, mirrored=True)),
    "mirrored, turned 90": Case("a.mov", options=B, placement=Placement(90, mirrored=True)),
    "mirrored, turned 180": Case("a.mp4", options=B, placement=Placement(180, mirrored=True)),
    "mirrored, turned 270": Case("a.mp4", options=B, placement=Placement(270, mirrored=True)),
    "mirrored SEI": Case(
        "a.mp4",
        options=B,
        placement=Placement(0, mirrored=True),
        tagged=False,
        after=bitstream("h264_metadata=display_orientation=insert:flip=horizontal"),
    ),
    "upside down SEI": Case(
        "a.mkv",
        options=B,
        placement=Placement(180, mirrored=True),
        tagged=False,
        after=bitstream("h264_metadata=display_orientation=insert:flip=vertical"),
    ),
    "turned SEI": Case(
        "a.mkv",
        options=B,
        placement=Placement(90),
        tagged=False,
        after=bitstream("h264_metadata=display_orientation=insert:rotate=-90"),
    ),
    **{
        f"EXIF {orientation} in each JPEG": Case(
            "a.avi",
            SHORT[:20],
            "mjpeg",
            "yuvj444p",
            clock=None,
            placement=Placement(clockwise, mirrored=True),
            tagged=False,
            after=with_exif(orientation),
        )
        for orientation, clockwise in MIRRORED_EXIF.items()
    },
    # Pixel formats and bit depths
    **{
        f"FFV1 {stored}": Case("a.mkv", SHORT[:20], "ffv1", stored, clock=None)
        for stored in (
            "yuv410p",
            "yuv411p",
            "yuv440p",
            "yuv422p10le",
            "yuv444p12le",
            "yuv420p16le",
            "gray",
            "gray10le",
            "gray16le",
            "gbrp10le",
            "gbrp16le",
            "bgr0",
            "bgra",
            "yuva420p",
            "yuva422p10le",
            "yuva444p16le",
        )
    },
    **{
        f"raw {stored} nut": Case("a.nut", SHORT[:12], "rawvideo", stored, clock=None)
        for stored in (
            "nv12",
            "nv21",
            "yuyv422",
            "uyvy422",
            "rgb565le",
            "rgb555le",
            "bgr24",
            "abgr",
            "monow",
            "gray12le",
            "p010le",
            "rgb48be",
            "gbrapf32le",
        )
    },
    "H.264 4:2:2 10 bits": Case("a.mp4", SHORT[:30], pixel_format="yuv422p10le", options=B),
    "H.264 4:4:4 10 bits": Case("a.mkv", SHORT[:30], pixel_format="yuv444p10le", options=B),
    "H.264 RGB": Case("a.mkv", SHORT[:30], "libx264rgb", "rgb24", options=B),
    "H.264 full range": Case("a.mp4", SHORT[:30], pixel_format="yuvj420p", options=B),
    "MJPEG full range 4:2:0": Case("a.avi", SHORT[:30], "mjpeg", "yuvj420p", clock=None),
    "HEVC 4:4:4 12 bits": Case("a.mkv", SHORT[:20], "libx265", "yuv444p12le", options=x265("keyint=10")),
    "HEVC gray": Case("a.mkv", SHORT[:20], "libx265", "gray", options=x265("keyint=10")),
    "VP9 alpha": Case("a.webm", SHORT[:20], "libvpx-vp9", "yuva420p", options={"cpu-used": "8"}),
    "ProRes 4444 alpha": Case("a.mov", SHORT[:12], "prores_ks", "yuva444p10le", clock=None),
    # Sizes and shapes
    "H.264 odd size 4:4:4 turned": Case(
        "a.mp4", SHORT[:20], pixel_format="yuv444p", size=(97, 71), placement=Placement(90)
    ),
    "tall": Case("a.mkv", SHORT[:12], "ffv1", "yuv444p", size=(24, 720), clock=None),
    "wide": Case("a.mkv", SHORT[:12], "ffv1", "yuv444p", size=(960, 24), clock=None),
    "tiny": Case("a.mkv", SHORT[:12], "ffv1", "yuv444p", size=(16, 12), clock=None),
    "large": Case("a.mp4", SHORT[:4], size=(3840, 2160), options={"preset": "ultrafast"}),
    "wide pixels, turned 90": Case(
        "a.mp4", SHORT[:20], options=B, placement=Placement(90), more={"aspect": Fraction(4, 3)}
    ),
    "narrow pixels, mirrored": Case(
        "a.mp4", SHORT[:20], options=B, placement=Placement(0, mirrored=True), more={"aspect": Fraction(8, 9)}
    ),
    "cropped": Case(
        "a.mkv",
        SHORT[:20],
        "ffv1",
        "yuv444p",
        size=(136, 80),
        placement=Placement(margins=(24, 4, 16, 4)),
        after=lambda path: change_track(path, video=pixel_crop(24, 4, 16, 4)),
    ),
    "cropped, turned, wide pixels": Case(
        "a.mp4",
        SHORT[:20],
        size=(136, 80),
        placement=Placement(270, mirrored=True, margins=(24, 4, 16, 4)),
        more={"aspect": Fraction(4, 3)},
        after=clean_aperture(96, 72, 4, 0),
    ),
    # Containers
    "VP8 ogg": Case("a.ogv", SHORT[:30], "libvpx", options={"deadline": "realtime"}),
    "WMV2 asf": Case("a.asf", SHORT[:30], "wmv2", clock=None),
    "MPEG-2 wtv": Case("a.wtv", SHORT[:30], "mpeg2video", clock=None),
    "RealVideo 1": Case("a.rm", SHORT[:30], "rv10", size=(176, 144), clock=None),
    "MPEG-2 gxf": Case("a.gxf", SHORT[:30], "mpeg2video", size=(720, 576), clock=None),
    "DV": Case("a.dv", SHORT[:12], "dvvideo", size=(720, 576), clock=None),
    "H.264 mxf": Case("a.mxf", SHORT[:30], options={"bf": "0"}, size=(96, 80), clock=None),
    "AV1 ivf": Case("a.ivf", SHORT[:20], "libsvtav1", options={"preset": "8", "crf": "10"}),
    "VP8 ivf": Case("a.ivf", SHORT[:20], "libvpx", options={"deadline": "realtime"}),
    "y4m 4:4:4": Case("a.y4m", SHORT[:20], "wrapped_avframe", "yuv444p"),
    "y4m gray": Case("a.y4m", SHORT[:20], "wrapped_avframe", "gray"),
    "FLV1": Case("a.flv", SHORT[:30], "flv", clock=None),
    "H.263": Case("a.3gp", SHORT[:20], "h263", size=(176, 144), clock=None),
    "Ut Video": Case("a.avi", SHORT[:12], "utvideo", "gbrp", clock=None),
    "MagicYUV alpha": Case("a.avi", SHORT[:12], "magicyuv", "gbrap", clock=None),
    "QuickTime RLE gray": Case("a.mov", SHORT[:12], "qtrle", "gray"),
    "HuffYUV": Case("a.avi", SHORT[:12], "ffvhuff", "yuv422p10le", clock=None),
    "CineForm": Case("a.mov", SHORT[:12], "cfhd", "gbrp12le", size=(192, 96), clock=None),
    "Screen Video": Case("a.flv", SHORT[:12], "flashsv", "bgr24", size=(96, 80), clock=None),
    "ZMBV": Case("a.avi", SHORT[:12], "zmbv", "bgr0", clock=None),
    "ASUS V1": Case("a.avi", SHORT[:12], "asv1", clock=None),
    "MPEG-2 interlaced": Case(
        "a.mpg", SHORT[:30], "mpeg2video", options={"flags": "+ildct+ilme", "bf": "2"}, clock=None
    ),
}
