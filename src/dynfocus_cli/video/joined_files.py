"""Telling that another file is joined to a video, as with `cat`, where FFmpeg does not read on."""

from __future__ import annotations

import os
import re

from dynfocus_cli.video.track_header import box_kinds

_SEARCH_BYTES = 4 << 20
"""After the last packet of the video; sound and an index may come before the next file."""

_ROUNDING_BYTES = 16
"""What FFmpeg takes for the end of a packet may lie a few bytes behind it."""

_BEGINNINGS = {
    "flv": re.compile(rb"FLV\x01[\x00-\x05]\0\0\0\x09"),
    "asf": re.compile(re.escape(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"))),
    "matroska,webm": re.compile(rb"\x1aE\xdf\xa3.{1,60}?B\x82.(?:matroska|webm)", re.DOTALL),
    "rm": re.compile(rb"\.RMF\0\0\0[\x10-\x20]"),
}
"""How files begin, by FFmpeg's name of their format."""


def is_joined_after(path: str | os.PathLike[str], container: str, position: int) -> bool:
    """Whether another file of the same format begins after `position`, in bytes: the end of the last packet
    that FFmpeg reads."""
    if container.startswith("mov"):
        kinds = box_kinds(path)
        return kinds.count(b"ftyp") > 1 and kinds.count(b"moov") > 1 and b"moof" not in kinds
    if container not in _BEGINNINGS:
        return False
    with open(path, "rb") as file:
        file.seek(max(position - _ROUNDING_BYTES, _ROUNDING_BYTES))  # not before the beginning of this one
        return _BEGINNINGS[container].search(file.read(_SEARCH_BYTES)) is not None
