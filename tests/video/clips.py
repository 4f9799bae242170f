"""Clips synthesised for the tests: each frame carries its number as a barcode of black and white cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS = 4, 3
"""12 cells: the first always white and the last always black, which betrays a wrong turn; 10 bits between."""

CLOCK = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class Placement:
    """What players do to a decoded frame: cut off its margins, mirror it left to right, turn it."""

    clockwise: int = 0
    """Degrees."""
    mirrored: bool = False
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Pixels of the decoded frame at the left, the top, the right and the bottom."""

    def upright_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as displayed, of a decoded frame."""
        left, top, right, bottom = self.margins
        size = (width - left - right, height - top - bottom)
        return size if self.clockwise % 180 == 0 else size[::-1]

    def stored(self, upright: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame to encode; its margins are grey."""
        picture = np.rot90(upright, self.clockwise // 90)
        if self.mirrored:
            picture = picture[:, ::-1]
        left, top, right, bottom = self.margins
        return np.pad(picture, ((top, bottom), (left, right), (0, 0)), constant_values=128)

    def shown(self, decoded: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright picture in a decoded frame."""
        left, top, right, bottom = self.margins
        picture = decoded[top : len(decoded) - bottom, left : decoded.shape[1] - right]
        if self.mirrored:
            picture = picture[:, ::-1]
        return np.rot90(picture, -self.clockwise // 90)


UPRIGHT = Placement()


def barcode(number: int, width: int = 96, height: int = 72) -> NDArray[np.uint8]:
    """(height, width, 3)."""
    cells = [1, *((number >> bit) & 1 for bit in range(10)), 0]
    grid = np.array(cells, np.uint8).reshape(ROWS, COLUMNS) * 255
    rows, columns = np.arange(height) * ROWS // height, np.arange(width) * COLUMNS // width
    return np.repeat(grid[rows][:, columns][..., None], 3, axis=2)


def read_barcode(pixels: NDArray[np.uint8]) -> int | None:
    """The number on an upright picture of any size; None for what is no barcode."""
    height, width = pixels.shape[:2]
    cells = [
        int(
            pixels[
                (4 * row + 1) * height // (4 * ROWS) : (4 * row + 3) * height // (4 * ROWS),
                (4 * column + 1) * width // (4 * COLUMNS) : (4 * column + 3) * width // (4 * COLUMNS),
            ].mean()
            > 127
        )
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]
    if cells[0] != 1 or cells[-1] != 0:
        return None
    return sum(bit << place for place, bit in enumerate(cells[1:-1]))


def write_clip(
    path: Path,
    pts_ms: Sequence[int],
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (96, 72),
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    clockwise: int = 0,
    placement: Placement | None = None,
    tagged: bool = True,
    aspect: Fraction | None = None,
    audio_s: float = 0.0,
    rate: int = 25,
    gop: int = 12,
    clock: Fraction | None = CLOCK,
    container_options: dict[str, str] | None = None,
    stored: NDArray[np.uint8] | None = None,
) -> Path:
    """Writes a frame for each presentation time, stored so that players turn it `clockwise` to be upright, or
    do what `placement` says; only where it is not `tagged`, the container does not tell them.

    `clock` is the encoder's; None is 1 / rate, for codecs that know no other. `stored` is each picture as it
    is stored, where it is no barcode.
    """
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        stream.gop_size = gop
        stream.codec_context.time_base = clock or Fraction(1, rate)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        placement = placement or Placement(clockwise)
        if tagged and (placement.clockwise or placement.mirrored):
            # PyAV counts the other way round, and mirrors after it has turned.
            degrees = placement.clockwise if placement.mirrored else -placement.clockwise
            stream.set_display_rotation(degrees, hflip=placement.mirrored)
        sound = container.add_stream("aac", rate=16000, layout="mono") if audio_s else None
        for number, milliseconds in enumerate(pts_ms):
            picture = stored
            if picture is None:
                picture = placement.stored(barcode(number, *placement.upright_size(*size)))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(Fraction(milliseconds, 1000) / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            _write_silence(container, sound, audio_s)
    return path


def write_audio(path: Path, seconds: float = 1.0, *, cover: bool = False) -> Path:
    """Silence, with a cover picture if asked: a file that has sound and nothing to see."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac" if path.suffix != ".mp3" else "mp3", rate=44100, layout="mono")
        if cover:
            picture = container.add_stream("png", rate=1)
            picture.width, picture.height, picture.pix_fmt = 96, 72, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(barcode(1), format="rgb24")
            frame.pts = 0
            container.mux(picture.encode(frame))
            container.mux(picture.encode())
        _write_silence(container, sound, seconds)
    return path


def every_frame(path: Path | str, stream_index: int = 0) -> tuple[list[float], list[NDArray[np.uint8]]]:
    """The oracle: presentation times from the first frame on, and pictures as stored, of all frames."""
    with av.open(str(path)) as container:
        frames = sorted(container.decode(container.streams[stream_index]), key=lambda frame: frame.pts)
        start = frames[0].pts * frames[0].time_base
        times = [float(frame.pts * frame.time_base - start) for frame in frames]
        return times, [frame.to_ndarray(format="rgb24") for frame in frames]


def on_screen(times_s: Sequence[float], moment_s: float) -> int:
    """The oracle: index of the frame on screen."""
    return max((index for index, time in enumerate(times_s) if time <= moment_s + 1e-6), default=0)


def _write_silence(container: av.container.OutputContainer, sound: av.AudioStream, seconds: float) -> None:
    samples, rate = 1024, sound.rate
    for block in range(int(seconds * rate / samples) + 1):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts, frame.time_base = rate, block * samples, Fraction(1, rate)
        container.mux(sound.encode(frame))
    container.mux(sound.encode())
