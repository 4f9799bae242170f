"""How a decoded picture is turned and mirrored to be upright."""

from __future__ import annotations

import io
import math
import struct
import warnings
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """What players do to the decoded picture: mirror it left to right, then turn it."""

    rotation: int = 0
    """Degrees clockwise: 0, 90, 180 or 270."""
    mirrored: bool = False

    @property
    def swaps_sides(self) -> bool:
        """Whether the decoded width is the displayed height."""
        return self.rotation in (90, 270)

    def upright(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The decoded picture as displayed; the first two of its three dimensions may change places."""
        mirrored = pixels[:, ::-1] if self.mirrored else pixels
        return np.rot90(mirrored, -self.rotation // 90)

    @staticmethod
    def of_matrix(matrix: bytes) -> Orientation:
        """From a display matrix as FFmpeg keeps it: nine 32-bit integers, of which a, b, c, d take a point
        (x, y) of the decoded picture to (a x + c y, b x + d y). Angles are rounded to quarter turns.

            a b / c d = 0 1 / -1 0 -> turned by 90    -1 0 / 0 1 -> mirrored    1 0 / 0 -1 -> mirrored, by 180
        """
        a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
        mirrored = a * d - b * c < 0
        degrees = math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
        return Orientation(round(degrees / 90) * 90 % 360, mirrored)


UPRIGHT = Orientation()

_OF_EXIF = {
    2: Orientation(0, mirrored=True),
    3: Orientation(180),
    4: Orientation(180, mirrored=True),
    5: Orientation(270, mirrored=True),
    6: Orientation(90),
    7: Orientation(90, mirrored=True),
    8: Orientation(270),
}


def is_picture_file(container: str) -> bool:
    """Whether a container, by FFmpeg's name, is that of a picture: JPEG, PNG, TIFF, GIF and the like."""
    return container.endswith("_pipe") or container in ("apng", "gif", "jpegxl_anim")


def frame_orientation(
    picture: av.VideoFrame, container: str, otherwise: Orientation = UPRIGHT, packet: bytes = b""
) -> Orientation:
    """From the display matrix of the container, the stream or the picture; `otherwise` where there is none.

    A matrix in an H.264 or HEVC stream holds on for the pictures after it, and is not repeated in each.

    Args:
        container: FFmpeg's name of it. Of a picture file EXIF tells, in `packet`: PyAV 18 ends the process
            where a frame has both EXIF and a colour profile, and its side data is looked at.
        packet: what the picture was decoded from.
    """
    if is_picture_file(container):
        return _packet_orientation(packet) or otherwise
    try:
        matrix = cast("SideData | None", picture.side_data.get("DISPLAYMATRIX"))
    except ValueError:
        # PyAV 18 knows the kinds of side data up to FFmpeg 7; on a frame with a later one, as EXIF, it fails.
        return _packet_orientation(packet) or otherwise
    return otherwise if matrix is None else Orientation.of_matrix(bytes(matrix))


def _packet_orientation(packet: bytes) -> Orientation | None:
    from PIL import ExifTags, Image

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(packet)) as picture:
            warnings.simplefilter("ignore")  # of EXIF that is cut off
            return _OF_EXIF.get(picture.getexif().get(ExifTags.Base.Orientation, 0))
    except (Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        return None
