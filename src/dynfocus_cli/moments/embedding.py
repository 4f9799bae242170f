"""The frames of a video as a retriever sees them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dynfocus_cli.features.cache import FeatureCache
from dynfocus_cli.features.encoding import encode_video
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.options import DecodingOptions, SamplingOptions
from dynfocus_cli.progress import Progress
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import SamplingPlan, Span, VideoSource
from dynfocus_cli.video import Mentions, plan_sampling

MOST_FRAMES = 1 << 30
"""Frames of a search: no language model has to read them, so none are left out."""
BATCH = 16
"""Frames that are encoded at a time."""


@dataclass(frozen=True, slots=True)
class VideoVectors:
    """The sampled frames of a video as a retriever sees them."""

    times_s: tuple[float, ...]
    """The sampled moments, strictly increasing, in seconds."""
    vectors: Tensor
    """(T, D), in any precision, on the CPU."""
    within: Span
    """Where the sampled part begins and ends, seconds."""
    warnings: tuple[str, ...] = ()
    """What holds whenever these frames are taken."""
    run_warnings: tuple[str, ...] = ()
    """What was in the way of this run alone, as a GPU that decodes no such video."""


def embed(
    source: VideoSource,
    retriever: Retriever,
    sampling: SamplingOptions,
    decoding: DecodingOptions,
    progress: Progress,
    watch: Stopwatch,
) -> VideoVectors:
    """A video's frames as the retriever sees them, from the cache or else decoded and encoded.

    Raises:
        VideoUnreadable: no frame can be had of the file.
        UsageError: a time past the end.
    """
    plan = planned(source, retriever, sampling)
    cache = FeatureCache.default() if decoding.cache else None
    with retriever.threads():
        encoding = encode_video(
            source, plan.times_s, retriever.tower, cache, decoding.hwaccel, progress, watch, batch_size=BATCH
        )
    within = plan.start_s, max(plan.end_s, plan.times_s[-1])
    patches = encoding.frames.patches[:, 0]
    return VideoVectors(plan.times_s, patches, within, plan.warnings, encoding.warnings)


def planned(source: VideoSource, retriever: Retriever, sampling: SamplingOptions) -> SamplingPlan:
    """The moments at which a video is looked at; at the retriever's rate where none is asked for."""
    return plan_sampling(
        source,
        sampling,
        Mentions(),
        default_fps=retriever.fps,
        default_max_frames=MOST_FRAMES,
    )
