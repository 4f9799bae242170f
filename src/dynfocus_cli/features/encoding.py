"""Patch features of the frames at planned moments, from the cache or else decoded and encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from av.codec.hwaccel import HWAccel
from torch import Tensor

from dynfocus_cli.features.cache import FeatureCache, feature_key
from dynfocus_cli.features.encoded import EncodedFrames
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.features.preprocess import Scaling
from dynfocus_cli.files import reason, state_of
from dynfocus_cli.progress import Progress
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import CacheUse, Condition, FrameBatch, Hwaccel, VideoSource
from dynfocus_cli.video import decode_frames, open_hardware


@dataclass(frozen=True, slots=True)
class VisionTower:
    """A vision encoder, and all that its features depend on beside the pixels."""

    encode: Callable[[Tensor], Tensor]
    """Pixels (B, 3, H, W), as `preprocessing` made them, to patch features (B, N, D_v)."""
    preprocessing: Scaling
    revision: str
    """Digest of the model: its weights and the files beside them."""
    device: torch.device
    dtype: torch.dtype
    together: int = 1
    """Consecutive frames that are encoded as one; each of them gets the features of all."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoded frames of a video."""

    frames: EncodedFrames
    cache: CacheUse
    warnings: tuple[str, ...]


def encode_video(
    source: VideoSource,
    moments_s: Sequence[float],
    tower: VisionTower,
    cache: FeatureCache | MemoryFeatureCache | None,
    hwaccel: Hwaccel,
    progress: Progress,
    watch: Stopwatch,
    *,
    batch_size: int,
    prefetched: Iterator[FrameBatch] | None = None,
) -> Encoding:
    """Patch features of the frames on screen at `moments_s`, which strictly increase.

    They are decoded and encoded `batch_size` at a time, which bounds memory whatever the video's length. Only
    moments that no earlier question looked at are decoded. That changes no feature: the encoder gives a frame
    the same ones whatever frames it is encoded with.

    Args:
        prefetched: the frames at all moments, already being decoded; unused where the cache has some.

    Raises:
        VideoUnreadable: no frame can be decoded.
    """
    progress.stage("encode", len(moments_s))
    if tower.together > 1:
        cache = None  # what a frame was paired with would count too
        batch_size = max(tower.together, batch_size - batch_size % tower.together)
    device, warning = open_hardware(hwaccel, source.codec)
    warnings = [] if warning is None else [warning]
    key, known, state = "", None, None
    if cache is not None:
        with watch("decode"):
            state = state_of(source.path)
            try:
                digest = cache.digest(source.path)
            except OSError as error:
                cache = None
                warnings.append(f"Features are not kept: not all of the file can be read ({reason(error)}).")
            else:
                key = key_of(digest, source, tower, device)
                known = cache.look_up(key, moments_s)
    cached = set() if known is None else set(known.times_s)
    progress.advance(len(cached))
    missing = [moment_s for moment_s in moments_s if moment_s not in cached]
    parts = [] if known is None else [known]
    if missing:
        batches = prefetched
        if batches is None or known is not None:
            batches = decode_for(source, missing, tower, device, batch_size)
        if tower.together > 1:
            batches = _in_whole_groups(batches, tower.together)
        fresh = _encode(batches, missing, tower, progress, watch)
        parts.append(fresh)
        if cache is not None and state_of(source.path) == state:  # else nobody knows what was decoded
            with watch("encode"):
                problem = cache.store(key, fresh)
            if problem is not None:
                warnings.append(problem)
    kept = isinstance(cache, FeatureCache)
    use: CacheUse = "off" if not kept else "miss" if known is None else "partial" if missing else "hit"
    return Encoding(EncodedFrames.joined(parts), use, tuple(warnings))


def key_of(digest: str, source: VideoSource, tower: VisionTower, device: HWAccel | None) -> str:
    """The key of a video's features: the video, the encoder, and how and where it is decoded and encoded."""
    settings: dict[str, str | int] = {
        "stream": source.stream_index,
        "hwaccel": "none" if device is None else "cuda",
        "revision": tower.revision,
        "device": tower.device.type,
        "dtype": str(tower.dtype),
    }
    scaling = {f"preprocessing.{name}": str(value) for name, value in asdict(tower.preprocessing).items()}
    return feature_key(digest, settings | scaling)


def decode_for(
    source: VideoSource,
    moments_s: Sequence[float],
    tower: VisionTower,
    device: HWAccel | None,
    batch_size: int,
) -> Iterator[FrameBatch]:
    """The frames at the moments, scaled as the encoder takes them; threads decode ahead of the consumer."""
    size = {"width": tower.preprocessing.width, "height": tower.preprocessing.height}
    fit = tower.preprocessing.fit
    return decode_frames(source, moments_s, **size, fit=fit, batch_size=batch_size, hwaccel=device)


def _in_whole_groups(batches: Iterator[FrameBatch], together: int) -> Iterator[FrameBatch]:
    """The same frames in batches of a multiple of `together` frames, all but the last: decoders share their
    work by time alone, and their batches may end within a group of frames that are encoded as one.

        5, 5 and 1 frames, 2 together -> 4, 6 and 1
    """
    rest: FrameBatch | None = None
    for decoded in batches:
        batch = decoded if rest is None else _joined(rest, decoded)
        whole = len(batch.times_s) // together * together
        if whole:
            yield _part(batch, 0, whole)
        rest = _part(batch, whole, None) if whole < len(batch.times_s) else None
    if rest is not None:
        yield rest


def _joined(first: FrameBatch, second: FrameBatch) -> FrameBatch:
    return FrameBatch(
        np.concatenate((first.pixels, second.pixels)),
        first.times_s + second.times_s,
        first.pts_s + second.pts_s,
        first.conditions + second.conditions,
    )


def _part(batch: FrameBatch, start: int, end: int | None) -> FrameBatch:
    """The frames from `start` on, up to `end`."""
    part = slice(start, end)
    return FrameBatch(batch.pixels[part], batch.times_s[part], batch.pts_s[part], batch.conditions[part])


def _encode(
    batches: Iterator[FrameBatch],
    moments_s: Sequence[float],
    tower: VisionTower,
    progress: Progress,
    watch: Stopwatch,
) -> EncodedFrames:
    """The features of all frames of `batches`, encoded batch by batch."""
    patches: Tensor | None = None  # (T, N, D_v), made once: an hour's frames are too large to be joined later
    pts_s: list[float] = []
    conditions: list[Condition] = []
    while True:
        with watch("decode"):
            batch = next(batches, None)
        if batch is None:
            break
        with watch("encode"), torch.inference_mode():
            # Only frames that differ from the one before are encoded.
            neighbours = pairwise((pts_s[-1] if pts_s else None, *batch.pts_s))
            is_new = [tower.together > 1 or here != before for before, here in neighbours]
            if any(is_new):
                pixels = tower.preprocessing(batch.pixels[is_new]).to(tower.device, tower.dtype)
                encoded = tower.encode(pixels).cpu()
                if patches is None:
                    patches = encoded.new_empty(len(moments_s), *encoded.shape[1:])
            assert patches is not None, "the first frame is new"
            for row, count in enumerate(accumulate(map(int, is_new)), len(pts_s)):
                patches[row] = encoded[count - 1] if count else patches[row - 1]
        pts_s += batch.pts_s
        conditions += batch.conditions
        progress.advance(len(batch.times_s))
    assert patches is not None, "a video without frames is an error of the decoder"
    return EncodedFrames(tuple(moments_s), tuple(pts_s), tuple(conditions), patches)
