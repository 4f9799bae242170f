"""Videos are embedded once and kept in an index, from which searches take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from dynfocus_cli.errors import VideoUnreadable
from dynfocus_cli.features import cache as feature_cache
from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.files import known_digest, reason, state_of
from dynfocus_cli.moments.embedding import VideoVectors, embed
from dynfocus_cli.moments.index import IndexUnwritable, MomentIndex, VideoEntry
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.options import DecodingOptions, SamplingOptions
from dynfocus_cli.progress import Progress
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.video import probe

Departures = tuple[str, ...] | None
"""How a video differs from those of a retriever's training; None where that does not say."""


@dataclass(frozen=True, slots=True)
class IndexedVideo:
    """A video as it is kept, or would be."""

    entry: VideoEntry
    digest: str
    """SHA-256 of the file's content; empty where there is no index."""
    is_new: bool
    """Whether it was embedded just now."""
    is_kept: bool = False
    """Whether the index has it now."""
    problem: str = ""
    """Why the index could not be written, as a clause."""
    run_warnings: tuple[str, ...] = ()
    """See `VideoVectors`."""

    @property
    def frames(self) -> VideoVectors:
        """Its frames as the retriever sees them."""
        entry = self.entry
        vectors = torch.from_numpy(entry.vectors)
        return VideoVectors(entry.times_s, vectors, entry.within, entry.warnings, self.run_warnings)


def open_index(
    retriever: Retriever, sampling: SamplingOptions, decoding: DecodingOptions
) -> MomentIndex | None:
    """Where videos are kept that are embedded so; None where nothing is to be kept, or where a part of each
    video is looked at. On which device they are decoded and encoded is no matter: what a machine with a GPU
    keeps, others search, though the last digits of a score may differ.

    Raises:
        UsageError: `DYNFOCUS_CACHE_SIZE` is no size.
    """
    cache = FeatureCache.default() if decoding.cache else None
    if cache is None or not _is_whole(sampling):
        return None
    rate = f"{sampling.fps or retriever.fps:g} a second"
    frames = rate if sampling.frames is None else f"{sampling.frames} a video"
    if sampling.max_frames is not None:
        frames += f", at most {sampling.max_frames}"
    depends_on = {
        "pictures": str(feature_cache.FORMAT),
        "retriever": retriever.revision,
        "frames": frames,
    }
    return MomentIndex(cache.folder, depends_on, {"model": retriever.name, "frames": frames})


def indexed(
    video: str,
    retriever: Retriever,
    sampling: SamplingOptions,
    decoding: DecodingOptions,
    index: MomentIndex | None,
    progress: Progress,
    watch: Stopwatch,
    admit: Callable[[Departures], None] = lambda departures: None,
) -> IndexedVideo:
    """The file `video` from the index, or else embedded and kept there.

    Args:
        admit: is told how the video differs from those of the training before it is embedded, and may raise.

    Raises:
        VideoUnreadable: no frame can be had of the file.
        UsageError: a time past the end.
    """
    digest, stamp = "", None
    if index is not None:
        with watch("decode"):
            stamp = state_of(video)  # before the digest: the file may be replaced while it is read
            digest = digest_of(video)
            known = index.get(digest, video)
        if known is not None:
            admit(known.departures)
            return IndexedVideo(known, digest, is_new=False, is_kept=True)
    # What the index keeps, the cache of features need not keep as well.
    unkept = decoding if index is None else replace(decoding, cache=False)
    with watch("decode"):
        source = probe(video)
    with watch("select"), retriever.threads():
        departures = retriever.video_departures(source, unkept)
    admit(departures)
    frames = embed(source, retriever, sampling, unkept, progress, watch)
    vectors: np.ndarray = frames.vectors.to(torch.float16).numpy()
    entry = VideoEntry(source, frames.times_s, vectors, frames.within, frames.warnings, departures)
    is_kept, problem = False, ""
    if index is not None and state_of(video) == stamp:  # else nobody knows what was decoded
        try:
            with watch("encode"):
                index.add(digest, entry)
            is_kept = True
        except IndexUnwritable as error:
            problem = str(error)
    return IndexedVideo(entry, digest, True, is_kept, problem, frames.run_warnings)


def digest_of(video: str) -> str:
    """SHA-256 of a file's content, remembered in the user's cache.

    Raises:
        VideoUnreadable: it cannot be read.
    """
    cache = FeatureCache.default()
    try:
        return known_digest(video) if cache is None else cache.digest(video)
    except (OSError, ValueError) as error:
        raise VideoUnreadable(f"Cannot read {video}: {reason(error)}.") from error


def _is_whole(sampling: SamplingOptions) -> bool:
    return sampling.start_s is None and sampling.end_s is None and sampling.at_s is None
