"""Clips whose pictures are unusual: turned, mirrored, cropped, of rare formats and sizes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from case import SHORT, B, Case
from clips import Placement
from PIL import Image

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
}
