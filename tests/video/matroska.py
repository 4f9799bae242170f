"""Changes to the track headers of Matroska files, for clips that PyAV cannot write."""

from __future__ import annotations

from pathlib import Path

SEEK_HEAD, INFO = b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66"
VIDEO, TRACK_ENTRY, TRACKS, SEGMENT = b"\xe0", b"\xae", b"\x16\x54\xae\x6b", b"\x18\x53\x80\x67"


def element(name: bytes, content: bytes) -> bytes:
    """An id, a size of four bytes, and the content."""
    return name + (len(content) | 1 << 28).to_bytes(4, "big") + content


def pixel_crop(left: int = 0, top: int = 0, right: int = 0, bottom: int = 0) -> bytes:
    """Elements of a track's video settings."""
    values = {b"\x54\xcc": left, b"\x54\xbb": top, b"\x54\xdd": right, b"\x54\xaa": bottom}
    return b"".join(element(name, value.to_bytes(2, "big")) for name, value in values.items())


def content_encryption() -> bytes:
    """An element of a track: AES, as in protected WebM."""
    encryption = element(b"\x50\x35", element(b"\x47\xe1", b"\x05"))
    return element(b"\x6d\x80", element(b"\x62\x40", element(b"\x50\x33", b"\x01") + encryption))


def change_track(path: Path, *, video: bytes = b"", track: bytes = b"") -> None:
    """Adds elements to the first track, and to its video settings, of a file that FFmpeg wrote; the track
    headers move to the end of the file, as with mkvpropedit."""
    data = path.read_bytes()
    segment = data.index(SEGMENT) + 4
    seek_head, _, after = _content(data, data.index(SEEK_HEAD), 4)
    info = data.index(INFO, after)
    first, tracks, last = _content(data, data.index(TRACKS, after), 4)
    entry_first, entry, entry_last = _content(tracks, _place(tracks, TRACK_ENTRY), 1)
    video_first, settings, video_last = _content(entry, _place(entry, VIDEO), 1)
    entry = entry[:video_first] + element(VIDEO, settings + video) + entry[video_last:] + track
    tracks = tracks[:entry_first] + element(TRACK_ENTRY, entry) + tracks[entry_last:]
    position = (len(data) - segment - 8).to_bytes(4, "big")
    seek = element(
        SEEK_HEAD, element(b"\x4d\xbb", element(b"\x53\xab", TRACKS) + element(b"\x53\xac", position))
    )
    path.write_bytes(
        data[:segment]
        + b"\x01"
        + b"\xff" * 7  # of unknown size
        + seek
        + _void(info - seek_head - len(seek))
        + data[info:first]
        + _void(last - first)
        + data[last:]
        + element(TRACKS, tracks)
    )


def _content(data: bytes, at: int, name_bytes: int) -> tuple[int, bytes, int]:
    """Where the element begins, its content, and where it ends."""
    begin = at + name_bytes
    length = 9 - data[begin].bit_length()
    size = int.from_bytes(data[begin : begin + length], "big") & ((1 << 7 * length) - 1)
    return at, data[begin + length : begin + length + size], begin + length + size


def _place(content: bytes, name: bytes) -> int:
    """Where an element begins among others; their contents, as random numbers, may hold its id too."""
    at = 0
    while content[at : at + len(name)] != name:
        _, _, at = _content(content, at, 9 - content[at].bit_length())
    return at


def _void(size: int) -> bytes:
    return b"\xec" + (1 << 56 | size - 9).to_bytes(8, "big") + bytes(size - 9)
