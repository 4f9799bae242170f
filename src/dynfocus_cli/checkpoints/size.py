"""Sizes as people read them, and progress that is counted in megabytes."""

from __future__ import annotations

from rich.filesize import pick_unit_and_suffix

from dynfocus_cli.progress import Progress


def readable(number: int) -> str:
    """In the largest decimal unit that leaves at least 1, as files are sold: 15890000000 -> 15.9 GB."""
    return _with_unit(number, ["bytes", "kB", "MB", "GB", "TB"], 1000)


def binary(number: int) -> str:
    """In the largest binary unit that leaves at least 1, as memory is measured: 5368709120 -> 5.0 GiB."""
    return _with_unit(number, ["bytes", "KiB", "MiB", "GiB", "TiB"], 1024)


def _with_unit(number: int, units: list[str], base: int) -> str:
    size, unit = pick_unit_and_suffix(number, units, base)
    return f"{number / size:.{0 if size == 1 else 1}f} {unit}"


class Megabytes:
    """Reports bytes to a `Progress`, a piece a megabyte."""

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
