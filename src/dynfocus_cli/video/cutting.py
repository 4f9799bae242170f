"""Cutting a part of a video into a file: copied at sync points, or encoded anew to the frame."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from dynfocus_cli.errors import DynFocusError, UsageError, VideoUnreadable, first_line
from dynfocus_cli.files import TEMPORARY, flush, reason
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.clip_encoder import encode_clip
from dynfocus_cli.video.clip_format import ClipFormat, clip_format
from dynfocus_cli.video.clip_writer import ClipSpan
from dynfocus_cli.video.decode import decode_frames
from dynfocus_cli.video.packet_copy import NotCopied, copy_clip
from dynfocus_cli.video.probing import probe

CLOSE = 0.6
"""Of a frame's length, by which the file may differ from what was meant to be written: clocks are rounded."""

SIDE, ALIKE = 16, 2.0
"""Pixels a side of two pictures that must be one, and levels of 255 by which they may differ on average."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a video that was written to a file."""

    path: Path
    start_s: float
    """When the clip's first frame is shown in the video, seconds: before what was asked for, where it was
    copied and no sync point lay there."""
    end_s: float
    """When its last frame ends in the video."""
    encoded: bool
    """Whether the pictures were encoded anew."""
    note: str = ""
    """What is other than asked for, a sentence: why it was encoded though it was to be copied, or which
    tracks it lacks; empty where nothing is."""


def cut(
    source: VideoSource, start_s: float, end_s: float, folder: Path, stem: str, *, exact: bool = False
) -> Cut:
    """Writes the part of a video from `start_s` to `end_s` (seconds) to a new file in `folder`.

    Copied, the part begins at the last sync point before it and ends once no frame is missing: true times are
    in the result. `exact` encodes the pictures anew, with nothing before or after; sound and subtitles are
    copied either way. What cannot be copied truthfully, as packets without times of their own, is encoded.

    The file is called `stem`, or `stem-2`, `stem-3` where that is there, with the suffix of its format; it
    appears when it is whole.

    Raises:
        ValueError: the part ends before it starts.
        UsageError: the file cannot be written, as where the disk is full.
        VideoUnreadable: the video is gone, holds nothing there, or cannot be cut.
    """
    if not start_s < end_s:
        raise ValueError(f"a part ends after it starts, got {start_s} to {end_s} s")
    if start_s >= source.duration_s:
        raise VideoUnreadable(f"{source.path}: nothing is shown at {start_s:.3f} s, it ends before.")
    if end_s <= source.first_frame_s:
        first = f"its first picture comes at {source.first_frame_s:.3f} s"
        raise VideoUnreadable(f"{source.path}: nothing is shown until {end_s:.3f} s, {first}.")
    start_s, end_s = max(start_s, source.first_frame_s), min(end_s, source.duration_s)
    format = clip_format(source)
    temporary = folder / f"{TEMPORARY}{os.urandom(8).hex()}"
    try:
        span, encoded, why = _written(source, start_s, end_s, temporary, format, exact=exact)
        flush(temporary)
        note = " ".join(
            [
                *([f"It was encoded anew, because {why}."] if why else []),
                *([f"It is without {' and '.join(span.left_out)}."] if span.left_out else []),
            ]
        )
        return Cut(_placed(temporary, folder, stem, format.suffix), span.start_s, span.end_s, encoded, note)
    except DynFocusError:
        raise
    except (OSError, av.FFmpegError, ValueError) as error:
        raise UsageError(f"Cannot write {folder / stem}{format.suffix}: {_sentence(error)}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _written(
    source: VideoSource, start_s: float, end_s: float, out: Path, format: ClipFormat, *, exact: bool
) -> tuple[ClipSpan, bool, str]:
    """What was written, whether it was encoded, and why although it was to be copied."""
    why = ""
    if not exact:
        try:
            span = copy_clip(source, start_s, end_s, out, format)
            if _is_true(source, span, out):
                return span, False, ""
            why = "the copy would not begin and end where it should"
        except NotCopied as problem:
            why = str(problem)
        except (av.FFmpegError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                raise
            why = f"{format.suffix} files cannot hold its packets ({first_line(error)})"
    return encode_clip(source, start_s, end_s, out, format), True, why


_OF_THE_DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.ENOENT}
)
"""Errors that encoding would meet too."""


def _is_true(source: VideoSource, span: ClipSpan, out: Path) -> bool:
    """Whether the file is as it was meant: its first frame looks the same, and it lasts as long."""
    try:
        clip = probe(out)
        one, other = (_small(source, span.start_s), _small(clip, 0.0))
    except VideoUnreadable:
        return False
    close_s = CLOSE / max(source.fastest_fps, source.fps, 1.0)
    return (
        abs(clip.duration_s - (span.end_s - span.start_s)) < close_s
        and clip.first_frame_s < close_s
        and np.abs(one - other).mean() < ALIKE
        and (clip.width, clip.height) == (source.width, source.height)
        and (clip.rotation, clip.mirrored) == (source.rotation, source.mirrored)
    )


def _small(source: VideoSource, time_s: float) -> NDArray[np.float32]:
    """(SIDE, SIDE, 3), the picture on screen."""
    frames = decode_frames(source, [time_s], width=SIDE, height=SIDE, fit="squash", batch_size=1)
    return next(frames).pixels[0].astype(np.float32)


def _placed(temporary: Path, folder: Path, stem: str, suffix: str) -> Path:
    """The file under its name, the first one that is free: nothing that is there is replaced."""
    for number in count(1):
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            os.link(temporary, path)
            return path
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links
            if not os.path.lexists(path):
                temporary.rename(path)
                return path
    raise AssertionError("numbers do not end")


def _sentence(error: Exception) -> str:
    return reason(error) if isinstance(error, OSError) else first_line(error)
