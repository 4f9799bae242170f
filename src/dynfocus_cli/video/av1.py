"""Which frames of an AV1 stream another one refers to, so that the others need not be decoded.

FFmpeg's AV1 decoders cannot be told to leave frames out: asked to, they lose those that are needed. Names and
order of the fields are those of the AV1 specification, 5.5 (sequence header) and 5.9 (frame header).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

_SEQUENCE_HEADER, _FRAME_HEADER, _TILE_GROUP, _FRAME, _REDUNDANT_HEADER = 1, 3, 4, 6, 7
"""Types of open bitstream units."""

_CONFIGURATION_MARK, _CONFIGURATION_BYTES = b"\x81", 4
"""How `av1C` begins, and how long it is before the sequence header."""

_HEADER_BYTES = 24
"""Of a frame, in which all that is read here lies."""

_KEY, _INTER, _INTRA_ONLY, _SWITCH = range(4)
_SLOTS, _REFERENCES = 8, 7
_ALL_SLOTS = 0xFF
_CHOSEN_BY_FRAME = 2
"""Of a coding tool: each frame header says whether it is on."""


class _Bits:
    """Numbers of a given count of bits, from the front of `data`."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int = 1) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("a header ends early")
        return self._value >> self._left & ((1 << count) - 1)


@dataclass(frozen=True, slots=True)
class _Frame:
    units: bytes
    refresh: int
    """The reference slots that it is put into, a bit each."""
    references: tuple[int, ...]
    """The slots of those that it is made from."""


@dataclass(frozen=True, slots=True)
class ReferenceReader:
    """Reads references from the packets of a stream, by what its sequence header says."""

    screen_content_tools: int
    integer_mv: int
    order_hint_bits: int

    @staticmethod
    def of(extradata: bytes) -> ReferenceReader | None:
        """From a stream's `av1C`; None where there is none, or one with parts that are not read here: still
        pictures, timing, frame numbers."""
        try:
            begin = _CONFIGURATION_BYTES if extradata[:1] == _CONFIGURATION_MARK else 0
            headers = (unit[2] for unit in _units(extradata[begin:]) if unit[0] == _SEQUENCE_HEADER)
            return next((_sequence_header(_Bits(header)) for header in headers), None)
        except ValueError:
            return None

    def is_unreferenced(self, packet: bytes) -> bool:
        """Whether no other frame refers to those in the packet."""
        try:
            _, frames = self._parse(packet)
            return all(frame.refresh == 0 for frame in frames)
        except ValueError:
            return False

    def needed(self, packets: Sequence[bytes]) -> list[bytes]:
        """What has to be decoded of each packet, perhaps nothing, to have the frame that the last one shows.

        The first packet begins with a key frame. Where references cannot be told, all of each packet.

            I0  P4 (B2 hidden) b1 | shows B2 | b3      to have b3 ->  I0  P4 (B2 hidden) | - | b3
        """
        slots: dict[int, int] = {}
        parents: list[set[int]] = []
        """Numbers of the frames that each frame is made from."""
        try:
            parsed = [self._parse(packet) for packet in packets]
            for _, in_packet in parsed:
                for frame in in_packet:
                    parents.append({slots[slot] for slot in frame.references})
                    slots |= {slot: len(parents) - 1 for slot in range(_SLOTS) if frame.refresh >> slot & 1}
        except (ValueError, KeyError):  # KeyError: a reference that was not read
            return list(packets)
        needed = {len(parents) - 1}
        for number in reversed(range(len(parents))):
            if number in needed:
                needed |= parents[number]
        numbers = count()
        parts: list[bytes] = []
        for other, in_packet in parsed:
            units = b"".join(frame.units for frame in in_packet if next(numbers) in needed)
            parts.append(other + units if units else b"")
        return parts

    def _parse(self, packet: bytes) -> tuple[bytes, list[_Frame]]:
        """The packet's other units, and its frames; raises ValueError where the references cannot be told."""
        other, frames = b"", list[list[bytes]]()
        for kind, unit, content in _units(packet):
            if kind == _SEQUENCE_HEADER and _sequence_header(_Bits(content)) != self:
                raise ValueError("another sequence begins")
            if kind in (_FRAME, _FRAME_HEADER):
                frames.append([unit])
            elif kind in (_TILE_GROUP, _REDUNDANT_HEADER) and frames:
                frames[-1].append(unit)
            else:
                other += unit
        return other, [self._frame(b"".join(units)) for units in frames]

    def _frame(self, units: bytes) -> _Frame:
        _, _, content = next(_units(units))
        bits = _Bits(content[:_HEADER_BYTES])
        show_existing_frame = bits.read()
        if show_existing_frame:
            return _Frame(units, 0, (bits.read(3),))
        frame_type, show_frame = bits.read(2), bits.read()
        if not show_frame:
            bits.read()  # showable_frame
        if frame_type == _KEY and show_frame:
            return _Frame(units, _ALL_SLOTS, ())
        error_resilient_mode = frame_type == _SWITCH or bits.read()
        if frame_type != _INTER or error_resilient_mode:
            raise ValueError("rare, and their slots are told in other ways")
        bits.read()  # disable_cdf_update
        screen_content_tools = self.screen_content_tools
        if screen_content_tools == _CHOSEN_BY_FRAME:
            screen_content_tools = bits.read()
        if screen_content_tools and self.integer_mv == _CHOSEN_BY_FRAME:
            bits.read()  # force_integer_mv
        bits.read(1 + self.order_hint_bits + 3)  # frame_size_override_flag, order_hint, primary_ref_frame
        refresh = bits.read(8)
        frame_refs_short_signaling = self.order_hint_bits and bits.read()
        if frame_refs_short_signaling:
            raise ValueError("the references follow from the order of all slots")
        return _Frame(units, refresh, tuple(bits.read(3) for _ in range(_REFERENCES)))


def _units(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Types, bytes and contents of open bitstream units; ValueError where one has layers or no size."""
    at = 0
    while at < len(data):
        header, begin = data[at], at
        if header & 0b110 != 0b010:  # obu_extension_flag, obu_has_size_field
            raise ValueError("layers")
        size = shift = 0
        for at in range(begin + 1, min(begin + 9, len(data))):  # leb128
            size |= (data[at] & 0x7F) << shift
            shift += 7
            if data[at] < 0x80:
                break
        end = at + 1 + size
        yield header >> 3 & 0xF, data[begin:end], data[at + 1 : end]
        at = end


def _sequence_header(bits: _Bits) -> ReferenceReader | None:
    bits.read(3 + 1)  # seq_profile, still_picture
    reduced_still_picture_header, timing_info_present = bits.read(), bits.read()
    if reduced_still_picture_header or timing_info_present:
        return None
    initial_display_delay_present = bits.read()
    for _ in range(bits.read(5) + 1):  # operating points
        bits.read(12)
        if bits.read(5) > 7:  # seq_level_idx
            bits.read()  # seq_tier
        if initial_display_delay_present and bits.read():
            bits.read(4)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    bits.read(width_bits + height_bits)
    frame_id_numbers_present = bits.read()
    if frame_id_numbers_present:
        return None
    bits.read(3 + 4)  # coding tools
    enable_order_hint = bits.read()
    if enable_order_hint:
        bits.read(2)
    screen_content_tools = _CHOSEN_BY_FRAME if bits.read() else bits.read()
    integer_mv = _CHOSEN_BY_FRAME
    if screen_content_tools and not bits.read():
        integer_mv = bits.read()
    order_hint_bits = bits.read(3) + 1 if enable_order_hint else 0
    return ReferenceReader(screen_content_tools, integer_mv, order_hint_bits)
