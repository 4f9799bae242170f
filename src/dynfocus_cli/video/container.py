"""Opening a local video and reading its frames in presentation order, whatever is broken in between."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from dynfocus_cli.errors import VideoUnreadable

MAX_CONSECUTIVE_FAILURES = 64
"""Isolated unreadable packets are skipped; this bound makes a file that only fails end too."""

MAX_THREADS = 16
"""FFmpeg advises against more, and every thread of the decoder holds frames."""

# FFmpeg draws text files as a terminal picture; nobody asks about a video of their notes.
_NOT_VIDEO_FORMATS = frozenset({"tty"})


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A decoded frame and when it is shown."""

    picture: av.VideoFrame
    pts_s: float
    """Presentation time in seconds on the container's clock."""


def open_container(path: str | os.PathLike[str]) -> InputContainer:
    """Opens a regular local file; no protocol but `file` is used, also not from inside a playlist.

    Raises:
        VideoUnreadable: the path is no regular file, or FFmpeg makes nothing of it.
    """
    name = os.fspath(path)
    try:
        status = os.stat(name)
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise VideoUnreadable(
                f"{name}: permission denied. Make the file readable and try again."
            ) from error
        raise VideoUnreadable(
            f"{name}: no such file. Check the path; only local files are opened."
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise VideoUnreadable(f"{name} is a folder. Give a video file inside it.")
    if not stat.S_ISREG(status.st_mode):
        raise VideoUnreadable(f"{name} is not a regular file. Save the video to disk and give that file.")
    if status.st_size == 0:
        raise VideoUnreadable(f"{name} is empty. Copy or download the video again.")
    try:
        # An absolute path has no protocol in front, even where the name holds a colon.
        container = av.open(
            os.path.abspath(name), "r", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except PermissionError as error:
        raise VideoUnreadable(f"{name}: permission denied. Make the file readable and try again.") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoUnreadable(
            f"{name} is not a video that FFmpeg can read. Check that it plays, or convert it to MP4."
        ) from error
    if container.format.name in _NOT_VIDEO_FORMATS:
        container.close()
        raise VideoUnreadable(f"{name} is a text file, not a video. Give a video file.")
    return container


def prepare(container: InputContainer, stream: VideoStream) -> None:
    """Decodes `stream` on all processors, and has the demuxer pass over every other stream."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = av.stream.Discard.all
    stream.thread_type = "AUTO"
    stream.thread_count = min(len(os.sched_getaffinity(0)), MAX_THREADS)


def packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The stream's packets in decoding order; the last ones, of size 0, flush the decoder."""
    failures = 0
    while failures < MAX_CONSECUTIVE_FAILURES:
        try:
            for packet in container.demux(stream):
                failures = 0
                yield packet
            return
        except av.FFmpegError:
            failures += 1


def timed_frames(
    container: InputContainer, stream: VideoStream, *, frame_interval_s: float, after_seek: bool = False
) -> Iterator[TimedFrame]:
    """The frames that the stream shows from here on, in order of presentation time.

    Undecodable packets are skipped. `after_seek` begins at the first sync point met and drops the frames that
    are shown before it: an open group of pictures decodes those from references that were never read.
    Where a raw stream has no timestamps, frames follow each other by `frame_interval_s` (seconds) from 0.
    """
    sync_pts: int | None = None
    last_s: float | None = None
    waiting = after_seek
    time_base = stream.time_base or Fraction(0)
    for packet in packets(container, stream):
        if waiting:
            if not packet.is_keyframe:
                continue
            waiting, sync_pts = False, packet.pts
        for picture in _decode(packet):
            if picture.pts is None:
                pts_s = 0.0 if last_s is None else last_s + frame_interval_s
            elif sync_pts is not None and picture.pts < sync_pts:
                continue
            else:
                pts_s = float(picture.pts * time_base)
            if last_s is None or pts_s >= last_s:
                last_s = pts_s
                yield TimedFrame(picture, pts_s)


def _decode(packet: Packet[VideoStream]) -> list[av.VideoFrame]:
    try:
        return packet.decode()
    except av.FFmpegError:
        return []
