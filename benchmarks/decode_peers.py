"""One measurement of `decode.py`, in a process of its own: `decode_peers.py TOOL VIDEO MOMENT...`

Every tool gives the same: 224 x 224 RGB pictures of the frames on screen at the moments, as one array.
Prints JSON: seconds from opening the file to the last picture, seconds of processor time, bytes of memory
beyond what the imports took, and the frames' numbers as read from their barcodes.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import child
from decode_clips import FPS, barcode_of

SIZE = 224
CORES = len(os.sched_getaffinity(0))
Pictures = NDArray[np.uint8]
Decode = Callable[[str, Sequence[float]], Pictures]


def dynfocus() -> Decode:
    from dynfocus_cli.video import decode_frames, probe

    def decode(video: str, moments: Sequence[float]) -> Pictures:
        frames = decode_frames(probe(video), moments, width=SIZE, height=SIZE, fit="squash", batch_size=32)
        return np.concatenate([batch.pixels for batch in frames])

    return decode


def torchcodec(threads: int) -> Decode:
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    def decode(video: str, moments: Sequence[float]) -> Pictures:
        decoder = VideoDecoder(
            video,
            seek_mode="exact",
            num_ffmpeg_threads=threads,
            dimension_order="NHWC",
            transforms=[Resize((SIZE, SIZE))],
        )
        return decoder.get_frames_played_at(list(moments)).data.numpy()

    return decode


def decord() -> Decode:
    from decord import VideoReader, cpu

    def decode(video: str, moments: Sequence[float]) -> Pictures:
        reader = VideoReader(video, ctx=cpu(0), width=SIZE, height=SIZE, num_threads=0)
        return reader.get_batch([number_at(moment) for moment in moments]).asnumpy()

    return decode


def opencv(seek: bool) -> Decode:
    import cv2

    def decode(video: str, moments: Sequence[float]) -> Pictures:
        capture, pictures, at = cv2.VideoCapture(video), [], 0
        for moment in moments:
            target = number_at(moment)
            if seek and target != at:
                capture.set(cv2.CAP_PROP_POS_FRAMES, target)
                at = target
            while at < target:
                capture.grab()
                at += 1
            _, picture = capture.read()
            at += 1
            small = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
            pictures.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
        return np.stack(pictures)

    return decode


def ffmpeg_one() -> Decode:
    """One process; `select` passes the frames by number, from a seek to the first of them on."""

    def decode(video: str, moments: Sequence[float]) -> Pictures:
        return _pictures(_said(one_command(video, moments)))

    return decode


def one_command(video: str, moments: Sequence[float]) -> list[str]:
    step = moments[1] - moments[0]
    # `fps=round=up` at a rate gives the frame on screen at k / rate, as the others do.
    command = ["ffmpeg", "-v", "error", "-ss", f"{moments[0]:.6f}", "-i", video, "-an", "-sn"]
    command += ["-vf", f"fps={1 / step:.9f}:round=up,scale={SIZE}:{SIZE}:flags=bicubic"]
    return [*command, "-frames:v", str(len(moments)), "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]


def ffmpeg_each() -> Decode:
    """A process for each moment, as many at a time as there are cores."""

    def decode(video: str, moments: Sequence[float]) -> Pictures:
        with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
            said = pool.map(lambda moment: _said(each_command(video, moment)), moments)
            return np.concatenate([_pictures(data) for data in said])

    return decode


def each_command(video: str, moment: float) -> list[str]:
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-ss", f"{moment:.6f}", "-i", video, "-an", "-sn"]
    command += ["-frames:v", "1", "-vf", f"scale={SIZE}:{SIZE}:flags=bicubic"]
    return [*command, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]


TOOLS: dict[str, Callable[[], Decode]] = {
    "dynfocus": dynfocus,
    "torchcodec": lambda: torchcodec(CORES),
    "torchcodec-1-thread": lambda: torchcodec(1),
    "decord": decord,
    "opencv": lambda: opencv(seek=False),
    "opencv-seek": lambda: opencv(seek=True),
    "ffmpeg": ffmpeg_one,
    "ffmpeg-each": ffmpeg_each,
}


def number_at(moment: float) -> int:
    """The frame on screen, in clips of an even rate; moments are on its grid, up to rounding."""
    return int(moment * FPS + 1e-6)


def _said(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def _pictures(data: bytes) -> Pictures:
    return np.frombuffer(data, np.uint8).reshape(-1, SIZE, SIZE, 3)


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _reset_peak() -> int:
    """Resident bytes now; the peak counts from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    tool, video, *moments = sys.argv[1:]
    decode = TOOLS[tool]()
    before, cpu_s, began = _reset_peak(), _cpu_s(), time.perf_counter()
    times = [float(moment) for moment in moments]
    pictures = decode(video, times)
    spent_s, cpu_s = time.perf_counter() - began, _cpu_s() - cpu_s
    peak = _status("VmHWM") - before
    # Of ffmpeg's own process, once more by itself: that of a child of this one would be this one's.
    if tool == "ffmpeg":
        peak = child.run(one_command(video, times)).peak_bytes
    elif tool == "ffmpeg-each":
        peak = child.run(each_command(video, times[len(times) // 2])).peak_bytes
    numbers = [barcode_of(picture) for picture in pictures]
    print(json.dumps({"wall_s": spent_s, "cpu_s": cpu_s, "peak_bytes": peak, "numbers": numbers}))


if __name__ == "__main__":
    main()
