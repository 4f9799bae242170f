"""Why a file gives no frame, in a sentence that says what to do."""

from __future__ import annotations

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video.encryption import looks_encrypted
from dynfocus_cli.video.track_header import lacks_index


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
    if looks_encrypted(name, container):
        return encrypted(name)
    if container == "webp_pipe":
        return VideoUnreadable(
            f"{name}: FFmpeg does not decode this WebP; animated ones it cannot. Convert it to MP4 or GIF."
        )
    return VideoUnreadable(
        f"{name}: no frame of it can be decoded. Copy the video again or convert it to H.264 MP4."
    )
