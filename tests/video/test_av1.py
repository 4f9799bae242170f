"""Frames of AV1 that are left out, and what is decoded without them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from case import EVEN
from clips import write_clip
from hypothesis import given
from hypothesis import strategies as st
from matrix import SVT

from dynfocus_cli.video.av1 import ReferenceReader

AV1C = bytes.fromhex("81050c000a0b0000002d4cffb3c02f8004")


@pytest.mark.parametrize("last", [0, 1, 16, 37, 75, 149])
def test_a_frame_comes_out_the_same_from_what_it_needs(tmp_path: Path, last: int) -> None:
    clip = write_clip(tmp_path / "a.mp4", EVEN, codec="libsvtav1", options=SVT, gop=300)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        references = ReferenceReader.of(stream.codec_context.extradata or b"")
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
    assert references is not None
    needed = [part for part in references.needed(packets[: last + 1]) if part]
    assert len(needed) <= 12
    assert [part for part in references.needed(needed) if part] == needed
    assert np.array_equal(_last_picture(needed), _last_picture(packets[: last + 1]))


def _last_picture(packets: list[bytes]) -> np.ndarray:
    decoder = av.CodecContext.create("libdav1d", "r")
    frames = [frame for data in packets for frame in decoder.decode(av.Packet(data))]
    return [*frames, *decoder.decode(None)][-1].to_ndarray()


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.booleans())
def test_any_bytes_stay_as_they_are_or_are_left_out(packets: list[bytes], begins: bool) -> None:
    references = ReferenceReader.of(AV1C)
    assert references == ReferenceReader(screen_content_tools=2, integer_mv=2, order_hint_bits=7)
    needed = references.needed([b"\x12\x00" * begins + packet for packet in packets])
    assert len(needed) == len(packets)
    assert isinstance(references.is_unreferenced(packets[0]), bool)


@given(st.binary(max_size=40))
def test_any_sequence_header_is_read_or_is_none(extradata: bytes) -> None:
    references = ReferenceReader.of(extradata)
    assert references is None or references.order_hint_bits <= 8
