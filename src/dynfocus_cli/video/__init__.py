"""From a video file to timestamped frames: probe, plan the sampling, decode.

The names load on first use, so that the command line parses a time without importing PyAV.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynfocus_cli.video.decode import decode_frames
    from dynfocus_cli.video.hardware import open_hardware
    from dynfocus_cli.video.mentions import Mentions, find_mentions, with_time_codes
    from dynfocus_cli.video.probing import probe
    from dynfocus_cli.video.sampling import FOCUS_HALF_WIDTH_S, plan_sampling
    from dynfocus_cli.video.subtitles import Subtitles, cues_on_screen, find_subtitles
    from dynfocus_cli.video.timecode import format_timecode, parse_time

__all__ = [
    "FOCUS_HALF_WIDTH_S",
    "Mentions",
    "Subtitles",
    "cues_on_screen",
    "decode_frames",
    "find_mentions",
    "find_subtitles",
    "format_timecode",
    "open_hardware",
    "parse_time",
    "plan_sampling",
    "probe",
    "with_time_codes",
]

_HOMES = {
    "FOCUS_HALF_WIDTH_S": "sampling",
    "Mentions": "mentions",
    "Subtitles": "subtitles",
    "cues_on_screen": "subtitles",
    "find_subtitles": "subtitles",
    "decode_frames": "decode",
    "find_mentions": "mentions",
    "format_timecode": "timecode",
    "open_hardware": "hardware",
    "parse_time": "timecode",
    "plan_sampling": "sampling",
    "probe": "probing",
    "with_time_codes": "mentions",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
