"""The search of one video: frames are embedded, compared with a caption, and joined to spans of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from dynfocus_cli.features.encoding import encode_video
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.moments.borders import refine
from dynfocus_cli.moments.embedding import BATCH, VideoVectors
from dynfocus_cli.moments.index import MomentIndex
from dynfocus_cli.moments.indexing import Departures, indexed
from dynfocus_cli.moments.moment import Curve, Moment, VideoMoments
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.moments.spans import JITTER_S, ScoredSpan, may_be_as_long, ranked, spans
from dynfocus_cli.moments.verify import verified
from dynfocus_cli.options import DecodingOptions, FindOptions, SamplingOptions
from dynfocus_cli.pipeline.domain import notices, refusal
from dynfocus_cli.progress import Progress, Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import DomainCheck, VideoSource

GUESS = "take what is found as a guess, or name another `model`."
_UNKEPT = (
    "This video could not be kept in the index in {folder} ({reason}), so the next search decodes it again: "
    "free some space, set DYNFOCUS_CACHE_DIR, or give `cache=False`."
)
DEFAULTS, DEFAULT_SAMPLING, DEFAULT_DECODING = FindOptions(), SamplingOptions(), DecodingOptions()


def find(
    video: str,
    caption: str,
    retriever: Retriever,
    options: FindOptions = DEFAULTS,
    *,
    sampling: SamplingOptions = DEFAULT_SAMPLING,
    decoding: DecodingOptions = DEFAULT_DECODING,
    progress: Progress | None = None,
    watch: Stopwatch | None = None,
    load: Callable[[], Backend] | None = None,
    refuse: bool = False,
    index: MomentIndex | None = None,
) -> VideoMoments:
    """When the file `video` shows what `caption` says; borders are refined unless `options` say otherwise.

    Args:
        load: gives the model that is asked with `verify`.
        refuse: what the model was not trained on is an error, not a warning.
        index: where the video's vectors come from, or are kept; see `open_index`.

    Raises:
        VideoUnreadable: no frame can be had of the file.
        UsageError: a time past the end.
        OutOfDomain: with `refuse`, the model was not trained on such a video or caption.
    """
    progress, watch = progress or Silent(), watch or Stopwatch()
    admit = refuse_unlike(retriever, caption) if refuse else lambda departures: None
    kept = indexed(video, retriever, sampling, decoding, index, progress, watch, admit)
    source, check = kept.entry.source, checked(retriever, caption, kept.entry.departures)
    result = search(
        source, kept.frames, caption, retriever, options, decoding=decoding, watch=watch, load=load
    )
    if kept.problem and index is not None:
        unkept = _UNKEPT.format(folder=index.folder.parent, reason=kept.problem)
        result = replace(result, warnings=(*result.warnings, unkept))
    return with_check(result, retriever.name, check)


def refuse_unlike(retriever: Retriever, caption: str | None = None) -> Callable[[Departures], None]:
    """What raises OutOfDomain where a video or the caption departs from those of the training."""

    def admit(departures: Departures) -> None:
        check = checked(retriever, caption, departures)
        if check is not None and not check.in_domain:
            raise refusal(retriever.name, check, retriever.fallback)

    return admit


def checked(retriever: Retriever, caption: str | None, video: Departures) -> DomainCheck | None:
    """Whether a video and a caption are such as the retriever was trained on; None where it does not say.

    Args:
        video: see `Retriever.video_departures`.
    """
    if video is None:
        return None
    return DomainCheck(video, () if caption is None else retriever.caption_departures(caption))


def with_check(result: VideoMoments, name: str, check: DomainCheck | None) -> VideoMoments:
    """A video's moments with what the check says, first among the warnings."""
    if check is None:
        return result
    lines = notices(name, check, GUESS)
    return replace(result, in_domain=check.in_domain, warnings=(*lines, *result.warnings))


def search(
    source: VideoSource,
    frames: VideoVectors,
    caption: str,
    retriever: Retriever,
    options: FindOptions,
    *,
    decoding: DecodingOptions = DEFAULT_DECODING,
    watch: Stopwatch | None = None,
    load: Callable[[], Backend] | None = None,
) -> VideoMoments:
    """The moments of a video whose frames are embedded already; decodes only to refine and to verify.

    Args:
        load: gives the model that is asked with `verify`.

    Raises:
        VideoUnreadable: frames that are needed for the borders cannot be had of the file.
    """
    watch = watch or Stopwatch()
    with watch("select"), retriever.threads():
        curve = curve_of(frames, caption, retriever)
        threshold = retriever.threshold_of(options)
        exact, count = options.refine is not False, max(options.top, options.verify)
        least_s = 0.0 if exact else options.min_length_s
        kept = ranked(spans(curve, frames.within, threshold.value, min_length_s=least_s))
    decoded = 0
    if exact:
        waiting, kept = may_be_as_long(kept, options.min_length_s), []
        least_s = max(options.min_length_s, frame_s(source) / 2)
        while waiting and len(kept) < count:  # how long they are is known once they are looked at
            with retriever.threads():
                looked_at, frames_read = refined(source, waiting[:count], caption, retriever, decoding, watch)
            kept += [span for span in looked_at if span.length_s >= least_s - JITTER_S]
            waiting, decoded = waiting[count:], decoded + frames_read
    kept = kept[:count]
    moments = tuple(moment_of(span, source, exact=exact) for span in kept)
    if options.verify and load is not None and moments:
        moments = verified(moments, caption, load(), options.verify, decoding)
    moments = tuple(sorted(moments, key=lambda moment: moment.rank))[: options.top]
    warnings = (*frames.warnings, *frames.run_warnings)
    return VideoMoments(source, moments, curve, warnings, frames_refined=decoded, threshold=threshold)


def curve_of(frames: VideoVectors, caption: str, retriever: Retriever) -> Curve:
    """How well each frame fits the caption."""
    return Curve(frames.times_s, tuple(retriever.probabilities(frames.vectors, caption).tolist()))


def refined(
    source: VideoSource,
    found: Sequence[ScoredSpan],
    caption: str,
    retriever: Retriever,
    decoding: DecodingOptions,
    watch: Stopwatch,
) -> tuple[list[ScoredSpan], int]:
    """Spans with borders that are exact to the frame, and the frames decoded for it.

    Raises:
        VideoUnreadable: the file is gone, or no frame of it can be decoded any more.
    """
    text = retriever.vector_of(caption)

    def look(moments_s: Sequence[float]) -> tuple[list[float], tuple[float, ...]]:
        encoding = encode_video(
            source, moments_s, retriever.tower, None, decoding.hwaccel, Silent(), watch, batch_size=BATCH
        )
        scores = retriever.calibrated(encoding.frames.patches[:, 0].half().float() @ text)
        return scores.tolist(), encoding.frames.pts_s

    result = refine(source, found, look)
    return result.spans, result.frames


def moment_of(span: ScoredSpan, source: VideoSource, *, exact: bool) -> Moment:
    """A span as a moment of its video."""
    frame = frame_s(source)
    return Moment(
        video=source.path,
        start_s=span.start_s,
        end_s=span.end_s,
        score=span.score,
        best_s=span.best_s,
        tolerance_s=frame if exact else max(frame, span.tolerance_s),
    )


def frame_s(source: VideoSource) -> float:
    """How long a frame is on screen, seconds, where they follow each other most closely."""
    fps = source.fastest_fps or source.fps
    return 1.0 / fps if fps > 0 else source.duration_s
