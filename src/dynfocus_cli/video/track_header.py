"""What the header of a Matroska or MP4 file says of a video track and PyAV does not pass on."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import BinaryIO

from av.video.stream import VideoStream

Margins = tuple[int, int, int, int]
"""Pixels of the decoded picture that are not displayed: at the left, the top, the right and the bottom."""

NO_MARGINS: Margins = (0, 0, 0, 0)

MAX_ELEMENTS = 4096
"""Of one level of the header that are looked at: a file can claim millions."""

MAX_HEADER_BYTES = 64 << 20
"""Of one element that is read into memory; the index of a day of video takes less."""


def fits(margins: Margins, width: int, height: int) -> bool:
    """Whether something of a picture of that size is left between the margins."""
    left, top, right, bottom = margins
    return min(margins) >= 0 and left + right < width and top + bottom < height


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """What is read of one video track."""

    margins: Margins = NO_MARGINS
    encrypted: bool = False
    dolby_vision_only: bool = False
    """Its colours are in Dolby's own space (profile 5), with no other way to show them."""
    edits: int = 0
    """Parts of the media that an edit list plays, and gaps between and after them: FFmpeg gives the packets,
    not the list."""


def read_track_header(stream: VideoStream) -> TrackHeader:
    """The header of a stream of an open file.

    Formats without such a header, and headers that are damaged, say nothing.
    """
    container = stream.container
    try:
        with open(container.name, "rb") as file:
            if container.format.name.startswith("matroska"):
                return _matroska(file, container.streams.video.index(stream))
            if container.format.name.startswith("mov"):
                return _mp4(file, stream.id)
    except (OSError, ValueError, IndexError, struct.error, ZeroDivisionError):
        pass
    return TrackHeader()


def box_kinds(path: str | os.PathLike[str]) -> list[bytes]:
    """Kinds of the outermost boxes of an MP4 or QuickTime file, in order; of another file anything."""
    try:
        with open(path, "rb") as file:
            return [kind for kind, _ in _top_boxes(file)]
    except (OSError, struct.error):
        return []


def lacks_index(path: str | os.PathLike[str]) -> bool:
    """Whether it is an MP4 or QuickTime file without the box that says where its frames are."""
    kinds = box_kinds(path)
    return kinds[:1] in ([b"ftyp"], [b"styp"], [b"mdat"], [b"wide"]) and b"moov" not in kinds


# Matroska (RFC 9559): elements of an id, a size and content

_SEGMENT, _CLUSTER, _TRACKS, _TRACK_ENTRY = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE
_TRACK_TYPE, _IS_VIDEO = 0x83, 1
_SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_VIDEO, _CONTENT_ENCODINGS, _CONTENT_ENCODING, _CONTENT_ENCRYPTION = 0xE0, 0x6D80, 0x6240, 0x5035
_BLOCK_ADDITION_MAPPING, _BLOCK_ADD_ID_TYPE, _BLOCK_ADD_ID_EXTRA_DATA = 0x41E4, 0x41E7, 0x41ED
_PIXEL_CROP = (0x54CC, 0x54BB, 0x54DD, 0x54AA)


def _matroska(file: BinaryIO, place: int) -> TrackHeader:
    """The header of the video track at `place` among the video tracks."""
    if not any(element == _SEGMENT for element, _ in _elements(file)):
        return TrackHeader()
    begin = file.tell()
    tracks_at: int | None = None
    for element, content in _elements(file):
        if element == _SEEK_HEAD:
            tracks_at = _seek_position(content, _TRACKS)
        elif element == _CLUSTER:
            if tracks_at is None:
                break
            file.seek(begin + tracks_at)  # editors move a header that has grown to the end of the file
            tracks_at = None
        elif element == _TRACKS:
            return _track_entry(_video_entries(content)[place])
    return TrackHeader()


def _seek_position(seek_head: bytes, target: int) -> int | None:
    """Where the element `target` is, bytes from the beginning of the segment's content."""
    for entry in _children(seek_head, _SEEK):
        named = any(_number(element) == target for element in _children(entry, _SEEK_ID))
        if named:
            return next(map(_number, _children(entry, _SEEK_POSITION)), None)
    return None


def _video_entries(tracks: bytes) -> list[bytes]:
    entries = _children(tracks, _TRACK_ENTRY)
    return [
        entry
        for entry in entries
        if any(_number(kind) == _IS_VIDEO for kind in _children(entry, _TRACK_TYPE))
    ]


def _track_entry(entry: bytes) -> TrackHeader:
    crop = dict.fromkeys(_PIXEL_CROP, 0)
    for video in _children(entry, _VIDEO):
        crop |= {name: _number(value) for name, value in _elements(io.BytesIO(video)) if name in crop}
    encodings = [
        one for all_ in _children(entry, _CONTENT_ENCODINGS) for one in _children(all_, _CONTENT_ENCODING)
    ]
    encrypted = any(any(_children(encoding, _CONTENT_ENCRYPTION)) for encoding in encodings)
    left, top, right, bottom = (crop[name] for name in _PIXEL_CROP)
    dolby_vision = [
        record
        for mapping in _children(entry, _BLOCK_ADDITION_MAPPING)
        if b"dvcC" in _children(mapping, _BLOCK_ADD_ID_TYPE)
        for record in _children(mapping, _BLOCK_ADD_ID_EXTRA_DATA)
    ]
    return TrackHeader((left, top, right, bottom), encrypted, _has_own_colours(dolby_vision))


def _children(content: bytes, name: int) -> Iterator[bytes]:
    return (value for element, value in _elements(io.BytesIO(content)) if element == name)


def _elements(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Ids and contents from where `file` is; of a segment and a cluster, which hold the video, no content."""
    for _ in range(MAX_ELEMENTS):
        element, size = _variable(file, keep_marker=True), _variable(file, keep_marker=False)
        if element is None or size is None:
            return
        if element in (_SEGMENT, _CLUSTER):
            yield element, b""
        elif size > MAX_HEADER_BYTES:
            file.seek(size, os.SEEK_CUR)
        else:
            after = file.tell() + size
            yield element, file.read(size)
            file.seek(after)


def _variable(file: BinaryIO, *, keep_marker: bool) -> int | None:
    """A number whose leading zero bits tell its length: 1 to 8 bytes; None at the end of the file."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(length - 1), "big")
    return value if keep_marker else value & ((1 << 7 * length) - 1)


def _number(content: bytes) -> int:
    return int.from_bytes(content, "big")


# MP4 and QuickTime (ISO/IEC 14496-12): boxes of a size, a kind and content

_SAMPLE_ENTRY_BYTES = 78
"""Of a video's sample description before the boxes in it."""

_OWN_COLOURS = 5
"""The profile of Dolby Vision without a base that others can show."""

_ENCRYPTED_ENTRIES = frozenset({b"encv", b"drmi"})
"""Sample descriptions of the common encryption and of FairPlay."""


def _mp4(file: BinaryIO, track: int) -> TrackHeader:
    """The header of the track of that number."""
    for kind, size in _top_boxes(file):
        if kind == b"moov" and size <= MAX_HEADER_BYTES:
            movie = file.read(size)
            for trak in _boxes(movie, b"trak"):
                if any(_track_id(header) == track for header in _boxes(trak, b"tkhd")):
                    return replace(_sample_description(trak), edits=_count_edits(trak))
    return TrackHeader()


def _top_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kinds and sizes of contents; the file is at the beginning of each content in turn.

    A content ends with the file at the latest: a damaged box claims up to 2^64 bytes, and Python cannot seek
    so far.
    """
    begin = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(begin)
    for _ in range(MAX_ELEMENTS):
        head = file.read(8)
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head)
        header = 8
        if size == 1:
            size, header = struct.unpack(">Q", file.read(8))[0], 16
        content_at = file.tell()
        if size < header or content_at > end:
            return
        content = min(size - header, end - content_at)
        yield kind, content
        file.seek(content_at + content)


def _boxes(content: bytes, kind: bytes) -> Iterator[bytes]:
    file = io.BytesIO(content)
    return (file.read(size) for name, size in _top_boxes(file) if name == kind)


def _track_id(header: bytes) -> int:
    at = 20 if header[0] == 1 else 12  # after version, flags and two dates of 8 or 4 bytes
    return int.from_bytes(header[at : at + 4], "big")


def _sample_description(trak: bytes) -> TrackHeader:
    """Margins, encryption and colours, from the first sample description of a track."""
    content = trak
    for kind in (b"mdia", b"minf", b"stbl", b"stsd"):
        content = next(_boxes(content, kind), b"")
    size, entry = struct.unpack(">I4s", content[8:16])
    parts = content[16 + _SAMPLE_ENTRY_BYTES : 8 + size]
    width, height = struct.unpack(">HH", content[40:44])
    margins = next((_clean_aperture(clap, width, height) for clap in _boxes(parts, b"clap")), NO_MARGINS)
    encrypted = entry in _ENCRYPTED_ENTRIES or any(_boxes(parts, b"sinf"))
    return TrackHeader(margins, encrypted, _has_own_colours(list(_boxes(parts, b"dvcC"))))


def _has_own_colours(records: list[bytes]) -> bool:
    """Whether the only configuration record of Dolby Vision is of profile 5."""
    return [record[2] >> 1 for record in records] == [_OWN_COLOURS]


def _count_edits(trak: bytes) -> int:
    """How many edits a track has, without the empty ones at the beginning, by which it begins late."""
    media_times: list[int] = []
    for edts in _boxes(trak, b"edts"):
        for elst in _boxes(edts, b"elst"):
            entry = ">QqI" if elst[0] == 1 else ">IiI"  # duration, media time, rate
            size = struct.calcsize(entry)
            whole = elst[8 : 8 + (len(elst) - 8) // size * size]
            media_times += [media_time for _, media_time, _ in struct.iter_unpack(entry, whole)]
    return len(list(dropwhile(lambda media_time: media_time == -1, media_times)))


def _clean_aperture(clap: bytes, width: int, height: int) -> Margins:
    """The margins around a clean aperture, whose size and offset from the centre are eight integers."""
    across, down, right, lower = (
        numerator / denominator for numerator, denominator in struct.iter_unpack(">iI", clap[:32])
    )
    left, top = round((width - across) / 2 + right), round((height - down) / 2 + lower)
    return left, top, width - left - round(across), height - top - round(down)
