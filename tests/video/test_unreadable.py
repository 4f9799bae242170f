from __future__ import annotations

import random
from pathlib import Path

import pytest
from clips import write_clip
from matroska import change_track, content_encryption

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video import probe

EVEN = [40 * number for number in range(50)]
KEYS = {
    "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
    "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
}
CENC = {"encryption_scheme": "cenc-aes-ctr", **KEYS}


def scramble(path: Path) -> None:
    """Sets the scrambling bits of the video's transport packets and replaces what is in them."""
    data, draw = bytearray(path.read_bytes()), random.Random(3)
    for at in range(0, len(data), 188):
        if (data[at + 1] & 0x1F) << 8 | data[at + 2] == 0x100:
            begin = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
            data[at + 3] |= 0x80
            data[begin : at + 188] = draw.randbytes(at + 188 - begin)
    path.write_bytes(data)


def rename_entry(path: Path) -> None:
    """Calls the sample description what the iTunes store calls it."""
    path.write_bytes(path.read_bytes().replace(b"avc1\0\0\0\0", b"drmi\0\0\0\0"))


@pytest.mark.parametrize(
    "kind", ["common encryption", "QuickTime", "scrambled transport stream", "FairPlay", "WebM"]
)
def test_an_encrypted_file_is_called_so(tmp_path: Path, kind: str) -> None:
    if kind == "common encryption":
        clip = write_clip(tmp_path / "a.mp4", EVEN, container_options=CENC)
    elif kind == "QuickTime":
        clip = write_clip(tmp_path / "a.mov", EVEN, container_options=CENC)
    elif kind == "FairPlay":
        rename_entry(clip := write_clip(tmp_path / "a.mp4", EVEN))
    elif kind == "WebM":
        change_track(clip := write_clip(tmp_path / "a.mkv", EVEN), track=content_encryption())
    else:
        scramble(clip := write_clip(tmp_path / "a.ts", EVEN))
    with pytest.raises(VideoUnreadable, match="is encrypted") as caught:
        probe(clip)
    assert caught.value.exit_code == 3


def test_a_broken_transport_stream_is_not_called_encrypted(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.ts", EVEN)
    data = bytearray(clip.read_bytes())
    for at in range(188 * 3, len(data), 188):
        data[at + 4 : at + 188] = bytes(184)
    clip.write_bytes(data)
    with pytest.raises(VideoUnreadable, match="no frame of it can be decoded"):
        probe(clip)
