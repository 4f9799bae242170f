"""Sizes as people read them, and as progress is told."""

from __future__ import annotations

from dynfocus_cli.progress import Progress

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def readable(number: int) -> str:
    """The largest decimal unit that leaves at least 1, as files are sold: 15890000000 -> 15.9 GB."""
    size, unit = float(number), 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {UNITS[unit]}" if unit == 0 else f"{size:.1f} {UNITS[unit]}"


def binary(number: int) -> str:
    """The largest binary unit that leaves at least 1, as memory and the cache are measured: 5368709120 -> 5.0
    GiB."""
    size, units = float(number), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{number} bytes" if units[0] == "bytes" else f"{size:.1f} {units[0]}"


class Megabytes:
    """Tells a `Progress` of bytes, a piece a megabyte."""

    def __init__(self, progress: Progress, stage: str, total: int) -> None:
        """Begins `stage`, of `total` bytes."""
        progress.stage(stage, total // 1_000_000)
        self._progress = progress
        self._bytes = 0

    def __call__(self, number: int) -> None:
        """`number` more bytes are done."""
        before, self._bytes = self._bytes, self._bytes + number
        if whole := self._bytes // 1_000_000 - before // 1_000_000:
            self._progress.advance(whole)
