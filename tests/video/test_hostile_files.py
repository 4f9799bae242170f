"""A broken or crafted file gets frames or a sentence: within seconds, without the machine's memory."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from boxes import insert_box
from clips import write_clip
from matrix import CASES
from mutations import mutate, write_bases
from PIL import Image
from reading_process import ReadingProcess, read

from dynfocus_cli.video import probe

pytestmark = pytest.mark.slow

SEEDS = 160


@pytest.fixture(scope="module")
def process() -> Iterator[ReadingProcess]:
    with ReadingProcess() as running:
        yield running


def read_alone(process: ReadingProcess, path: Path) -> str:
    """`frames`, or the sentence, read in a process of its own, in bounded time and memory."""
    outcome = process.call(read, path)
    assert outcome.kind == "returned", f"{path.name}: {outcome.kind}\n{outcome.value or ''}"
    return str(outcome.value)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_bases(tmp_path_factory.mktemp("bases"))


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_broken_files_give_frames_or_a_sentence(
    tmp_path: Path, bases: list[Path], process: ReadingProcess, first: int
) -> None:
    """`benchmarks/fuzz.py` goes through thousands of the same seeds."""
    for seed in range(first, first + 20):
        read_alone(process, mutate(seed, bases, tmp_path))


def huge_png() -> bytes:
    """A few bytes that claim 65500 x 65500 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 65500, 65500, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(10**6)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def huge_gif() -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    return head + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\x00;"


def zipped() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("video.mp4", b"none")
    return target.getvalue()


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a picture of gigabytes": ("bomb.png", huge_png),
    "the same as a video": ("bomb.mp4", huge_png),
    "an animation of gigabytes": ("bomb.gif", huge_gif),
    "an archive": ("a.mp4", zipped),
    "JSON": ("a.mp4", lambda: b'{"schema": "dynfocus.answer/1"}'),
    "text": ("a.mkv", lambda: b"There is no video in here.\n" * 100),
    "zeros": ("a.mp4", lambda: bytes(100_000)),
    "a box that never ends": ("a.mp4", lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\xff\xff\xff\xffmoov"),
    "a box of 16 exabytes": (
        "a.mp4",
        lambda: b"\0\0\0\x10ftypmp42\0\0\0\0" + b"\0\0\0\x01free" + b"\xff" * 8 + bytes(4000),
    ),
    "boxes within boxes": ("a.mp4", lambda: b"\0\0\0\x14ftypmp42\0\0\0\0isom" + b"\0\x0f\0\0moov" * 20_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path: Path, process: ReadingProcess, name: str) -> None:
    file_name, make = BOMBS[name]
    path = tmp_path / file_name
    path.write_bytes(make())
    assert read_alone(process, path).startswith(str(path))


def test_a_box_of_exabytes_inside_the_index(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", [0, 40, 80])
    insert_box(clip, b"avc1", b"junk", b"\xff" * 8)
    clip.write_bytes(clip.read_bytes().replace(b"\0\0\0\x10junk", b"\0\0\0\x01junk"))
    assert read(clip) == "frames"


def test_a_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.mp4")
    assert read(tmp_path / "a.mp4") == "frames"


def test_a_thousand_streams(tmp_path: Path, process: ReadingProcess) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        for _ in range(1000):
            stream = container.add_stream("mjpeg", rate=1)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        frame = av.VideoFrame(16, 16, "yuvj420p")
        frame.pts = 0
        container.mux(container.streams[0].encode(frame))
    read_alone(process, path)


def test_packets_that_never_give_a_frame(tmp_path: Path, process: ReadingProcess) -> None:
    """A Matroska file of H.264 packets whose slices are gone, by the ten thousands."""
    good, path = write_clip(tmp_path / "good.mkv", [0, 40, 80]), tmp_path / "empty.mkv"
    with av.open(str(good)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for number in range(40_000):
            packet = av.Packet(b"\0\0\0\x01\x09")
            packet.stream, packet.time_base = copy, stream.time_base
            packet.pts = packet.dts = 40 * number
            packet.is_keyframe = number % 10 == 0
            target.mux(packet)
    assert "no frame of it can be decoded" in read_alone(process, path)


def test_what_is_no_regular_file(tmp_path: Path, process: ReadingProcess) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    for name in ("pipe.mp4", "zero.mp4"):
        assert "is not a regular file" in read_alone(process, tmp_path / name)


DAMAGED = ("H.264 B-frames", "H.264 open GOP mkv", "HEVC closed GOP", "VP9", "AV1 mp4", "MPEG-4 mp4")


@pytest.mark.parametrize("name", DAMAGED)
def test_around_damage_frames_are_exact_and_in_it_they_are_doubted(tmp_path: Path, name: str) -> None:
    from test_matrix import delivered, full_decode

    path = CASES[name].write(tmp_path)
    source = probe(path)
    times, _ = full_decode(path, source.stream_index)
    whole = delivered(source, times)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        syncs = [packet.pts for packet in packets if packet.is_keyframe]
        victims = packets[len(packets) // 2 : len(packets) // 2 + 3]
        spoilt = [(packet.pos, packet.size, packet.pts) for packet in victims]
        tick, start = float(stream.time_base), source.start_s  # type: ignore[arg-type]
    data = bytearray(path.read_bytes())
    for pos, size, _ in spoilt:
        body = slice(pos + size // 3, pos + size)
        data[body] = bytes(byte ^ 0x5A for byte in data[body])
    path.write_bytes(data)
    first, last = (pick(pts for _, _, pts in spoilt) for pick in (min, max))
    sound_until = max(pts for pts in syncs if pts <= first) * tick - start
    sound_from = min((pts for pts in syncs if pts > last), default=10**12) * tick - start
    found = delivered(source, times)
    outside = [place for place, time in enumerate(times) if not sound_until <= time < sound_from]
    assert outside
    assert [found[place] for place in outside] == [whole[place] for place in outside]
    inside = [place for place in range(len(times)) if place not in outside]
    changed = [place for place in inside if found[place][:2] != whole[place][:2]]
    doubted = [place for place in inside if found[place][2] != "sound"]
    assert doubted
    assert set(changed) <= set(doubted)
