"""Decoding on the GPU, where there is one that can."""

from __future__ import annotations

import av
from av.codec import Codec
from av.codec.hwaccel import HWAccel

from dynfocus_cli.types import Hwaccel


def open_hardware(option: Hwaccel, codec: str) -> tuple[HWAccel | None, str | None]:
    """The device that decodes `codec` (FFmpeg's name), or None for the processor; and, where `option` names a
    device that cannot, a warning that says so.

    A GPU decodes H.264, HEVC, VP9 and AV1 to the same pictures as the processor, bit for bit, since these
    standards leave no room. PyAV fetches them as NV12, which swscale turns into RGB with rounding of its own:
    a value differs by 2 of 255 at most.
    """
    if option == "none":
        return None, None
    device = HWAccel("cuda", allow_software_fallback=True)
    try:
        # Without the fallback, to be told now what would otherwise be silence.
        HWAccel("cuda", allow_software_fallback=False).create(Codec(codec, "r"))
    except (av.FFmpegError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        if option == "auto":
            return None, None
        return None, (
            f"`hwaccel={option}`: this machine cannot decode {codec} that way ({error}); the processor does."
        )
    return device, None
