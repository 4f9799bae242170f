"""A broken or crafted file gets frames or a sentence: within seconds, without the machine's memory."""

from __future__ import annotations

import io
import os
import resource
import signal
import struct
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import pytest
from clips import write_clip
from matrix import CASES
from mutations import mutate, write_bases
from PIL import Image

import dynfocus_cli.video.frames_on_screen  # noqa: F401  (imported once, before the processes part)
from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.video import decode_frames, probe

pytestmark = pytest.mark.slow

BOUND_S = 20
MAX_BYTES = 1 << 30
"""Beyond what the test itself holds: a crafted header must not make the decoder ask for it."""

SEEDS = 160


def read(path: Path | str) -> str:
    """`frames`, or the sentence."""
    try:
        source = probe(path)
        moments = [source.duration_s * place / 8 for place in range(8)]
        for batch in decode_frames(source, moments, width=64, height=64, fit="squash", batch_size=4):
            assert len(batch.pixels) == len(batch.times_s)
        return "frames"
    except VideoUnreadable as error:
        return str(error)


def alone(work: Callable[[], object]) -> None:
    """Runs `work` in a process of its own, in bounded time and memory; fails on anything but a quiet end."""
    child = os.fork()
    if child == 0:
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MAX_BYTES, held + MAX_BYTES))
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    began = time.monotonic()
    while time.monotonic() - began < BOUND_S:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail(f"no end within {BOUND_S} s")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_bases(tmp_path_factory.mktemp("bases"))


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_broken_files_give_frames_or_a_sentence(tmp_path: Path, bases: list[Path], first: int) -> None:
    """`benchmarks/fuzz.py` goes through thousands of the same seeds."""
    for seed in range(first, first + 20):
        alone(partial(read, mutate(seed, bases, tmp_path)))


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
    "boxes within boxes": ("a.mp4", lambda: b"\0\0\0\x14ftypmp42\0\0\0\0isom" + b"\0\x0f\0\0moov" * 20_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path: Path, name: str) -> None:
    file_name, make = BOMBS[name]
    path = tmp_path / file_name
    path.write_bytes(make())

    def work() -> None:
        assert read(path).startswith(str(path))

    alone(work)


def test_a_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.mp4")
    assert read(tmp_path / "a.mp4") == "frames"


def test_a_thousand_streams(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as container:
        for _ in range(1000):
            stream = container.add_stream("mjpeg", rate=1)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        frame = av.VideoFrame(16, 16, "yuvj420p")
        frame.pts = 0
        container.mux(container.streams[0].encode(frame))
    alone(lambda: read(path))


def test_packets_that_never_give_a_frame(tmp_path: Path) -> None:
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

    def work() -> None:
        assert "no frame of it can be decoded" in read(path)

    alone(work)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")

    def work() -> None:
        for name in ("pipe.mp4", "zero.mp4"):
            assert "is not a regular file" in read(tmp_path / name)

    alone(work)


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
