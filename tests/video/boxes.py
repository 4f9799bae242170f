"""Boxes put into MP4 files, for clips that PyAV cannot write."""

from __future__ import annotations

from pathlib import Path

_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def insert_box(path: Path, entry: bytes, kind: bytes, content: bytes) -> None:
    """Adds a box to the sample description `entry` of the first track; the index follows the media, so that
    nothing that it points to moves."""
    data = bytearray(path.read_bytes())
    assert data.index(b"mdat") < data.index(b"moov")
    at = data.index(b"moov")
    places = []
    for parent in (*_PARENTS, entry):
        at = data.index(parent, at)
        places.append(at - 4)
    end = places[-1] + int.from_bytes(data[places[-1] : places[-1] + 4], "big")
    box = (8 + len(content)).to_bytes(4, "big") + kind + content
    for place in places:
        size = int.from_bytes(data[place : place + 4], "big") + len(box)
        data[place : place + 4] = size.to_bytes(4, "big")
    data[end:end] = box
    path.write_bytes(data)
