"""Telling an encrypted file from a damaged one."""

from __future__ import annotations

import os

from av.packet import Packet
from av.video.stream import VideoStream

_HEAD_BYTES = 1 << 20

_TS_PACKET, _TS_SYNC = 188, 0x47
_TS_SCRAMBLED = 0xC0
"""The bits of a transport packet's fourth byte that say that its payload is scrambled."""

_ASF_ENCRYPTION = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),  # Content Encryption Object
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),  # Extended Content Encryption Object
)


def is_encrypted_packet(packet: Packet[VideoStream]) -> bool:
    """Whether the demuxer says that a key is needed: common encryption in MP4."""
    return packet.has_sidedata("encryption_info")


def looks_encrypted(path: str | os.PathLike[str], container: str) -> bool:
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
