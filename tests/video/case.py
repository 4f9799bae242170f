"""One clip of the matrix: how it is written, and how its pictures are turned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from clips import UPRIGHT, Placement, write_clip

EVEN = tuple(40 * number for number in range(150))
SHORT = EVEN[:60]


@dataclass(frozen=True, slots=True)
class Case:
    """How one clip is written."""

    name: str
    pts_ms: Sequence[int] = SHORT
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (96, 72)
    clock: Fraction | None = Fraction(1, 1000)
    """The encoder's time base; None is 1 / rate, for codecs that know no other."""
    rate: int = 25
    gop: int = 12
    placement: Placement = UPRIGHT
    tagged: bool = True
    """The container tells players of the placement."""
    more: dict[str, object] = field(default_factory=dict)
    """Further arguments of `clips.write_clip`."""
    after: Callable[[Path], None] | None = None
    """What is done to the file then."""

    def write(self, folder: Path) -> Path:
        """The clip, in `folder`."""
        path = folder / self.name
        write_clip(
            path,
            self.pts_ms,
            codec=self.codec,
            pixel_format=self.pixel_format,
            options=self.options,
            container_options=self.container,
            size=self.size,
            clock=self.clock,
            rate=self.rate,
            gop=self.gop,
            placement=self.placement,
            tagged=self.tagged,
            **self.more,  # type: ignore[arg-type]
        )
        if self.after is not None:
            self.after(path)
        return path


def x264(parameters: str, **options: str) -> dict[str, str]:
    return {"bf": "3", "b_strategy": "0", **options, "x264-params": f"scenecut=0:{parameters}"}


def x265(parameters: str) -> dict[str, str]:
    return {"preset": "ultrafast", "x265-params": f"log-level=none:pools=1:frame-threads=1:{parameters}"}


B = {"bf": "3", "b_strategy": "0"}
