"""Videos in which nothing can be found are passed over: one product with the index says so of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.files import remembered_digest
from dynfocus_cli.moments.index import MomentIndex
from dynfocus_cli.moments.moment import PassedOver, Screening
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

    The one with the best frame of all is never among them, so that a search in vain can name it.

    Args:
        subtitles: whether what is said in files beside the videos is searched as well.
    """
    watch, by_digest = Stopwatch(), dict[str, list[str]]()
    if retriever.caption_departures(caption) or retriever.scale <= 0:
        return Screening({}, watch.timings())
    with watch("decode"):
        for video, digest in _remembered(videos):
            if not (subtitles and subtitle_files(Path(video))):
                by_digest.setdefault(digest, []).append(video)
    with watch("select"):
        peaks = index.peaks(retriever.vector_of(caption), by_digest)
        if peaks is None:
            return Screening({}, watch.timings())
        products, errors = torch.from_numpy(peaks.products), torch.from_numpy(peaks.errors)
        at_most = retriever.calibrated(products + errors)  # (V,), NaN where the vectors are damaged
        best = (products - errors).nan_to_num(-torch.inf).max()
        is_hopeless = (at_most < retriever.threshold_of(options).value) & (products + errors < best)
        is_hopeless &= ~torch.from_numpy(peaks.places.remarks)
    passed_over = {
        video: PassedOver(video, int(peaks.places.frames[place]))
        for place in is_hopeless.nonzero().flatten().tolist()
        for video in by_digest[peaks.places.digests[place]]
    }
    return Screening(passed_over, watch.timings())


def _remembered(videos: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The videos whose digests are known without reading them, and those."""
    cache = FeatureCache.default()
    for video in videos:
        try:
            digest = remembered_digest(video) if cache is None else cache.remembered_digest(video)
        except (OSError, ValueError):  # it is not there: reported when its turn comes
            continue
        if digest is not None:
            yield video, digest
