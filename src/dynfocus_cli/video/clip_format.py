"""Which file a part of a video is written to: container, codecs, and what of the source goes along."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynfocus_cli.types import VideoSource


@dataclass(frozen=True, slots=True)
class ClipFormat:
    """A container that clips are written to."""

    suffix: str
    muxer: str
    """FFmpeg's name of it."""
    hides_frames: bool = False
    """It has edit lists: packets before 0 are decoded and not shown."""
    options: tuple[tuple[str, str], ...] = ()
    holds: frozenset[str] = frozenset({"h264", "hevc"})
    """Codecs that are encoded anew as themselves."""
    otherwise: str = "h264"
    """What every other codec becomes."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """How pictures are encoded anew: near to the source, at a bearable speed."""

    name: str
    options: tuple[tuple[str, str], ...]


ENCODERS = {
    "h264": Encoder("libx264", (("crf", "17"), ("preset", "medium"))),
    "hevc": Encoder("libx265", (("crf", "18"), ("preset", "fast"), ("x265-params", "log-level=error"))),
    "vp9": Encoder(
        "libvpx-vp9", (("crf", "22"), ("b", "0"), ("deadline", "good"), ("cpu-used", "4"), ("row-mt", "1"))
    ),
    "av1": Encoder("libsvtav1", (("crf", "24"), ("preset", "7"))),
}
"""By codec."""

_FAST_START = (("movflags", "+faststart"),)  # the index stands first: browsers play what they have read

_ALL = frozenset(ENCODERS)

_MP4 = ClipFormat(".mp4", "mp4", hides_frames=True, options=_FAST_START, holds=_ALL)
_MOV = ClipFormat(".mov", "mov", hides_frames=True, options=_FAST_START)
_MATROSKA = ClipFormat(".mkv", "matroska", holds=_ALL)
_WEBM = ClipFormat(".webm", "webm", holds=frozenset({"vp9", "av1"}), otherwise="vp9")
_TRANSPORT = ClipFormat(".ts", "mpegts")


def clip_format(source: VideoSource) -> ClipFormat:
    """The source's own container where clips can be in it, else Matroska, which holds nearly every codec."""
    suffix = os.path.splitext(source.path)[1].lower()
    if source.container.startswith("mov"):
        return _MOV if suffix in (".mov", ".qt") else _MP4
    if source.container.startswith("matroska"):
        return _WEBM if suffix == ".webm" else _MATROSKA
    # A transport stream does not say for how long its last frame is held.
    in_transport = source.container == "mpegts" and not (source.variable_frame_rate or source.frame_times_s)
    return _TRANSPORT if in_transport else _MATROSKA


def encoder_of(source: VideoSource, format: ClipFormat) -> Encoder:
    """What encodes the pictures of a clip anew: the source's codec where there is an encoder for it."""
    return ENCODERS[source.codec if source.codec in format.holds else format.otherwise]
