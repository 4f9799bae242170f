"""Videos in which nothing can be found are passed over: one product with the index says so of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.files import remembered_digest
from dynfocus_cli.moments.index import MomentIndex
from dynfocus_cli.moments.moment import Screening
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.options import FindOptions
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.video.subtitles import subtitle_files


def screen(
    videos: Iterable[str],
    caption: str,
    retriever: Retriever,
    options: FindOptions,
    index: MomentIndex,
    *,
    subtitles: bool,
) -> Screening:
    """The videos of which the index says that no frame reaches the threshold, and of which a search would say
    nothing else either: no warning, nothing on what is unlike the training, nothing that is said in them.

    Of those the one with the best frame is not passed over, so that a search in vain can name it.

    Args:
        subtitles: whether what is said in files beside the videos is searched as well.
    """
    watch, by_digest = Stopwatch(), dict[str, list[str]]()
    threshold = retriever.threshold_of(options)
    if retriever.caption_departures(caption) or retriever.scale <= 0:
        return Screening({}, threshold, watch.timings())
    with watch("decode"):
        for video, digest in _with_digests(videos):
            if not (subtitles and subtitle_files(Path(video))):
                by_digest.setdefault(digest, []).append(video)
    with watch("select"):
        peaks = index.peaks(retriever.vector_of(caption), by_digest)
        if peaks is None:
            return Screening({}, threshold, watch.timings())
        products, errors = torch.from_numpy(peaks.products), torch.from_numpy(peaks.errors)  # (V,) each
        # Products of damaged vectors may be no numbers.
        certain = ~torch.from_numpy(peaks.places.remarks) & products.isfinite()
        best = (products - errors).masked_fill(~certain, -torch.inf).max()  # at least
        below = retriever.calibrated(products + errors) < threshold.value
        below &= certain & (products + errors < best)
    passed_over = {
        video: frames
        for digest, frames, is_below in zip(
            peaks.places.digests, peaks.places.frames.tolist(), below.tolist(), strict=True
        )
        if is_below
        for video in by_digest[digest]
    }
    return Screening(passed_over, threshold, watch.timings())


def _with_digests(videos: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each video whose digest is known without reading it, and its digest."""
    cache = FeatureCache.default()
    for video in videos:
        try:
            digest = remembered_digest(video) if cache is None else cache.remembered_digest(video)
        except (OSError, ValueError):  # it is not there: reported when its turn comes
            continue
        if digest is not None:
            yield video, digest
