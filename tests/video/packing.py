"""MPEG-4 with packed B-frames, as DivX and Xvid write it: made from an AVI file whose B-frames are not."""

from __future__ import annotations

from pathlib import Path

import av

PLACEHOLDER = b"\0\0\1\xb6\x52\x4f"
"""A frame that is not coded."""

_FRAME = b"\0\0\1\xb6"
_B_FRAME = 2


def pack_b_frames(plain: Path, packed: Path) -> None:
    """Writes the first B-frame after another frame into that one's chunk, and a placeholder where a run ends.

    I P b b P b b  ->  I P+b b - P+b b -
    """
    with av.open(str(plain)) as source, av.open(str(packed), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        frames = [(bytes(packet), packet.is_keyframe) for packet in source.demux(stream) if packet.size]
        chunks: list[tuple[bytes, bool]] = []
        in_run = False
        for data, is_sync_point in frames:
            is_b = data[data.index(_FRAME) + 4] >> 6 == _B_FRAME
            if is_b and not in_run:
                chunks[-1] = chunks[-1][0] + data, chunks[-1][1]
            elif is_b:
                chunks.append((data, False))
            else:
                if in_run:
                    chunks.append((PLACEHOLDER, False))
                chunks.append((data, is_sync_point))
            in_run = is_b
        for number, (data, is_sync_point) in enumerate(chunks):
            packet = av.Packet(data)
            packet.stream, packet.time_base = copy, stream.time_base
            packet.pts = packet.dts = number
            packet.duration = 1
            packet.is_keyframe = is_sync_point
            target.mux(packet)
