"""Kinds of files that users of video tools report, written anew: what comes is what a player shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import every_frame, read_barcode, write_clip

from dynfocus_cli.video import decode_frames, probe


@pytest.mark.parametrize("other", [(192, 144), (48, 36), (72, 96)])
def test_a_size_that_changes_within_a_recording(tmp_path: Path, other: tuple[int, int]) -> None:
    first = write_clip(tmp_path / "a.ts", [40 * number for number in range(30)])
    second = write_clip(tmp_path / "b.ts", [40 * number for number in range(30, 60)], size=other)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    source = probe(joined)
    assert (source.width, source.height) == (96, 72)
    moments = [place * source.duration_s / 60 for place in range(60)]
    batches = decode_frames(source, moments, width=48, height=48, fit="squash", batch_size=16)
    numbers = [read_barcode(pixels) for batch in batches for pixels in batch.pixels]
    assert None not in numbers
    assert numbers[0] == 0
    assert len(set(numbers)) >= 28


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov"])
def test_a_video_of_one_frame(tmp_path: Path, suffix: str) -> None:
    clip = write_clip(tmp_path / f"a.{suffix}", [0])
    _, pictures = every_frame(clip)
    source = probe(clip)
    (batch,) = decode_frames(source, [0.0], width=96, height=72, fit="squash", batch_size=1)
    assert np.abs(batch.pixels[0].astype(int) - pictures[0]).max() <= 2
