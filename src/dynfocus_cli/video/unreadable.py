"""Why a file gives no frame, in a sentence that says what to do."""

from __future__ import annotations

import os

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video.track_header import lacks_index

_HEAD_BYTES = 1 << 20

_TS_PACKET, _TS_SYNC = 188, 0x47
_TS_SCRAMBLED = 0xC0
"""The bits of a transport packet's fourth byte that say that its payload is scrambled."""

_ASF_ENCRYPTION = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),  # Content Encryption Object
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),  # Extended Content Encryption Object
)


def encrypted(name: str) -> VideoUnreadable:
    """The error for a file that needs a key."""
    return VideoUnreadable(f"{name} is encrypted (DRM). Give a copy without copy protection.")


def not_opened(name: str) -> VideoUnreadable:
    """The error for a file of which FFmpeg makes nothing."""
    if lacks_index(name):
        return VideoUnreadable(
            f"{name} is incomplete: its index (moov) is missing, as after a recording that broke off. "
            "Copy it again, or rebuild the index with a tool such as untrunc."
        )
    return VideoUnreadable(
        f"{name} is not a video that FFmpeg can read; playlists that name other files are not followed. "
        "Check that it plays, or convert it to MP4."
    )


def not_decoded(name: str, container: str) -> VideoUnreadable:
    """The error for a file that opens and gives no frame; `container` is FFmpeg's name of the format."""
    if _looks_encrypted(name, container):
        return encrypted(name)
    if container == "webp_pipe":
        return VideoUnreadable(
            f"{name}: FFmpeg does not decode this WebP; animated ones it cannot. Convert it to MP4 or GIF."
        )
    return VideoUnreadable(
        f"{name}: no frame of it can be decoded. Copy the video again or convert it to H.264 MP4."
    )


def _looks_encrypted(path: str | os.PathLike[str], container: str) -> bool:
    """Whether a file of which no frame decodes is scrambled MPEG-TS or protected ASF (WMV), by its first
    mebibyte; `container` is FFmpeg's name of the format."""
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    if container == "mpegts":
        first = head.find(_TS_SYNC)
        flags = [
            head[at + 3] & _TS_SCRAMBLED
            for at in range(max(first, 0), len(head) - 3, _TS_PACKET)
            if head[at] == _TS_SYNC
        ]
        return any(flags)
    return container.startswith("asf") and any(mark in head for mark in _ASF_ENCRYPTION)
