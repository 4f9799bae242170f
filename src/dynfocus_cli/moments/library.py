"""The search for a moment in one video or in many, in what frames show and in what is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from dynfocus_cli.errors import UsageError, VideoUnreadable, without_frames
from dynfocus_cli.models.protocol import Backend, ModelSpec
from dynfocus_cli.moments.captions import caption_of
from dynfocus_cli.moments.embedding import MOST_FRAMES
from dynfocus_cli.moments.index import IndexUnwritable, MomentIndex
from dynfocus_cli.moments.indexing import IndexedVideo, digest_of, indexed, open_index
from dynfocus_cli.moments.moment import Moment, Moments, Screening, VideoFailure, VideoMoments
from dynfocus_cli.moments.open import open_retriever
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.moments.screening import screen
from dynfocus_cli.moments.search import find, frame_s, refuse_unlike
from dynfocus_cli.moments.spans import JITTER_S
from dynfocus_cli.moments.windows import find_by_windows, plan_windows
from dynfocus_cli.moments.words import joined, word_hits
from dynfocus_cli.options import FindOptions, RunOptions, check_query
from dynfocus_cli.pipeline.domain import refuses
from dynfocus_cli.progress import Progress, Silent
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import ModelInfo, Quantization, SamplingPlan, VideoSource
from dynfocus_cli.video import Mentions, find_subtitles, plan_sampling, probe

if TYPE_CHECKING:
    from dynfocus_cli.models.vlm.selector import SelectorSpec

_SLOW = (
    "{name} does not compare frames with texts, so it was asked about a few seconds at a time: that takes "
    "longer, and borders are not refined. A `selector` beside it compares them."
)
_NOTHING_TO_VERIFY = (
    "`verify` has a language model judge what frames alone have found, and {name} alone is asked about every "
    "few seconds anyway: leave it out, or name a `selector` beside it."
)
_NOTHING_TO_KEEP = (
    "{name} does not compare frames with texts, so there is nothing to keep for searches: name a SigLIP or "
    "CLIP as `selector` beside it, or as the `model`."
)
_CHANGED = "{video} was changed while it was read: run it again once it is finished."
_NO_CACHE = (
    "Nothing is kept: the cache may hold 0 bytes, or has no folder. Set DYNFOCUS_CACHE_SIZE and "
    "DYNFOCUS_CACHE_DIR otherwise."
)
DEFAULTS, DEFAULT_RUN = FindOptions(), RunOptions(subtitles="auto")


class Finder:
    """One model that looks for moments; its weights are loaded when they are needed."""

    def __init__(
        self,
        name: str,
        info: ModelInfo,
        retriever: Retriever | None,
        fps: float,
        load: Callable[[], Backend] | None,
    ) -> None:
        """
        Args:
            retriever: what compares frames with captions; None where the language model is asked about one
                stretch after another.
            fps: frames a second that are looked at, where no rate is asked for.
            load: gives the language model; None where there is none.
        """
        self.name, self.info, self.retriever, self.fps = name, info, retriever, fps
        self._load = load

    @classmethod
    def of_model(cls, spec: ModelSpec, load: Callable[[], Backend]) -> Finder:
        """What searches by a model.

        Raises:
            ModelUnavailable: what it compares frames with captions by is damaged, or of another model.
        """
        loaded = cache(load)
        retriever = open_retriever(spec, loaded)
        fps = spec.defaults.fps if retriever is None else retriever.fps
        return cls(spec.name, spec.info, retriever, fps, loaded)

    @classmethod
    def of_dual_encoder(cls, spec: SelectorSpec) -> Finder:
        """What searches by a SigLIP or CLIP alone, which answers no questions."""
        from dynfocus_cli.moments.dual_encoder import DualEncoderRetriever

        info = ModelInfo(spec.name, "selector", spec.revision[:12], "none", str(spec.device))
        retriever = DualEncoderRetriever(spec, info)
        return cls(spec.name, info, retriever, retriever.fps, None)

    def check(self, options: FindOptions) -> None:
        """Raises UsageError for options that the model cannot follow."""
        if options.verify and self._load is None:
            raise UsageError(
                f"`verify` asks a language model, and {self.name} has none: leave it out, or name another "
                "`model`."
            )
        if options.verify and self.retriever is None:
            raise UsageError(_NOTHING_TO_VERIFY.format(name=self.name))

    def check_text(self, text: str, run: RunOptions = DEFAULT_RUN) -> None:
        """Raises OutOfDomain where no video could be searched for the text: nobody named the model, and it
        was not trained on such a text."""
        if self.retriever is not None and self._refuses(run):
            refuse_unlike(self.retriever, caption_of(text))(())

    def find(
        self,
        video: str,
        text: str,
        options: FindOptions = DEFAULTS,
        run: RunOptions = DEFAULT_RUN,
        progress: Progress | None = None,
    ) -> VideoMoments:
        """When the file `video` shows or says what `text` asks for; the moments with the best first.

        Raises:
            UsageError: the text is empty, too long or no text; a time past the end; a subtitle file that
                cannot be read; `verify` without a language model, or with one alone.
            VideoUnreadable: no frame can be had of the file.
            OutOfDomain: nobody named the model, and it was not trained on such a video or text.
        """
        check_query(text)
        self.check(options)
        watch, caption = Stopwatch(), caption_of(text)
        result = self._shown(video, caption, options, run, progress or Silent(), watch)
        moments, warnings = self._with_words(result, caption, options, run)
        return replace(
            result, moments=moments, warnings=(*result.warnings, *warnings), timings_s=watch.timings()
        )

    def screen(
        self,
        videos: Iterable[str],
        text: str,
        options: FindOptions = DEFAULTS,
        run: RunOptions = DEFAULT_RUN,
    ) -> Screening | None:
        """Which of several videos need not be searched, because the index alone says that nothing is to be
        found in them; None where nothing says so."""
        if self.retriever is None or run.subtitles not in ("auto", "off"):
            return None
        index = open_index(self.retriever, run.sampling, run.decoding)
        if index is None:
            return None
        return screen(
            videos, caption_of(text), self.retriever, options, index, subtitles=run.subtitles == "auto"
        )

    def index(self, run: RunOptions = DEFAULT_RUN) -> MomentIndex:
        """Where what searches need of videos is kept.

        Raises:
            UsageError: a search by this model needs nothing that could be kept, or nothing may be kept.
        """
        if self.retriever is None:
            raise UsageError(_NOTHING_TO_KEEP.format(name=self.name))
        index = open_index(self.retriever, run.sampling, run.decoding)
        if index is None:
            raise UsageError(_NO_CACHE)
        return index

    def keep(
        self,
        video: str,
        run: RunOptions = DEFAULT_RUN,
        progress: Progress | None = None,
        watch: Stopwatch | None = None,
    ) -> IndexedVideo:
        """Puts into the index what searches need of the file `video`, unless it is there.

        Raises:
            UsageError: see `index`.
            VideoUnreadable: no frame can be had of the file, or it is written to at this moment.
            OutOfDomain: nobody named the model, and it was not trained on such a video.
        """
        index = self.index(run)
        assert self.retriever is not None, "else there is no index"
        kept = indexed(
            video,
            self.retriever,
            run.sampling,
            run.decoding,
            index,
            progress or Silent(),
            watch or Stopwatch(),
            refuse_unlike(self.retriever) if self._refuses(run) else lambda departures: None,
        )
        if not kept.is_kept and not kept.problem:
            raise VideoUnreadable(_CHANGED.format(video=video))
        return kept

    def embedded(
        self, video: str, run: RunOptions = DEFAULT_RUN, progress: Progress | None = None
    ) -> IndexedVideo:
        """What searches need of the file `video`, for the process that has the index to `take`.

        Raises:
            VideoUnreadable, OutOfDomain: as `keep`.
        """
        assert self.retriever is not None, "else there is no index"
        digest = digest_of(video)
        seen = indexed(
            video,
            self.retriever,
            run.sampling,
            replace(run.decoding, cache=False),
            None,
            progress or Silent(),
            Stopwatch(),
            refuse_unlike(self.retriever) if self._refuses(run) else lambda departures: None,
        )
        if digest_of(video) != digest:
            raise VideoUnreadable(_CHANGED.format(video=video))
        return replace(seen, digest=digest)

    def take(self, seen: IndexedVideo, run: RunOptions = DEFAULT_RUN) -> IndexedVideo:
        """Puts into the index what another process has `embedded`.

        Raises:
            UsageError: see `index`.
        """
        if seen.is_kept:
            return seen
        try:
            self.index(run).add(seen.digest, seen.entry)
        except IndexUnwritable as error:
            return replace(seen, problem=str(error))
        return replace(seen, is_kept=True)

    def is_kept(self, video: str, run: RunOptions = DEFAULT_RUN) -> bool:
        """Whether the index has what searches need of the file `video`; reads the file, but decodes nothing.

        Raises:
            VideoUnreadable: it cannot be read.
            UsageError: see `index`.
        """
        return self.index(run).has(digest_of(video))

    def plan(self, video: str, run: RunOptions = DEFAULT_RUN) -> tuple[VideoSource, SamplingPlan]:
        """The file `video`, and the moments at which it would be looked at.

        Raises:
            VideoUnreadable: it is no video.
            UsageError: a time past the end.
        """
        source, fps = probe(video), self.fps
        if self.retriever is None:
            return source, plan_windows(source, run.sampling, self.name, fps)
        return source, plan_sampling(
            source, run.sampling, Mentions(), default_fps=fps, default_max_frames=MOST_FRAMES
        )

    def _shown(
        self,
        video: str,
        caption: str,
        options: FindOptions,
        run: RunOptions,
        progress: Progress,
        watch: Stopwatch,
    ) -> VideoMoments:
        """What the frames show."""
        if self.retriever is None:
            assert self._load is not None, "without a retriever there is a language model"
            found = find_by_windows(
                video, caption, self._load(), options, run.sampling, run.decoding, progress
            )
            return replace(found, warnings=(_SLOW.format(name=self.name), *found.warnings))
        return find(
            video,
            caption,
            self.retriever,
            options,
            sampling=run.sampling,
            decoding=run.decoding,
            progress=progress,
            watch=watch,
            load=self._load,
            refuse=self._refuses(run),
            index=open_index(self.retriever, run.sampling, run.decoding),
        )

    def _refuses(self, run: RunOptions) -> bool:
        """Whether what the model was not trained on is an error."""
        assert self.retriever is not None, "a model without one says of nothing that it was not trained on it"
        return refuses(self.retriever.fallback, run)

    def _with_words(
        self, result: VideoMoments, caption: str, options: FindOptions, run: RunOptions
    ) -> tuple[tuple[Moment, ...], tuple[str, ...]]:
        """The moments and those at which it is said, and warnings about subtitles."""
        source = result.source
        subtitles, warnings = find_subtitles(source, run.subtitles)
        if subtitles is None:
            return result.moments, warnings
        hits = word_hits(caption, subtitles.cues)
        start_s, end_s = run.sampling.start_s or 0.0, run.sampling.end_s
        within = start_s, source.duration_s if end_s is None else min(end_s, source.duration_s)
        moments = joined(result.moments, hits, source.path, within, frame_s(source))
        kept = [moment for moment in moments if moment.length_s >= options.min_length_s - JITTER_S]
        return tuple(sorted(kept, key=lambda moment: moment.rank)[: options.top]), warnings


def open_finder(
    name_or_path: str | None,
    device: str = "auto",
    quantize: Quantization | None = None,
    selector: str | None = None,
) -> Finder:
    """What searches by a model of this name or folder, whose weights are not loaded yet; a SigLIP or CLIP is
    one as well.

    Raises:
        ModelUnavailable: it is unknown, incomplete, damaged, or cannot run on this machine.
        UsageError: it is stored quantized in another way than `quantize` says.
    """
    from dynfocus_cli.models.open import finds_frames_only, load_model, place_of, read_model_spec

    if name_or_path is not None and selector is None and finds_frames_only(name_or_path, device):
        from dynfocus_cli.models.vlm.selector import read_selector_spec

        return Finder.of_dual_encoder(read_selector_spec(name_or_path, place_of(device)))
    spec = read_model_spec(name_or_path, device, quantize, selector)
    return Finder.of_model(spec, lambda: load_model(name_or_path, device, quantize, selector))


def find_all(
    videos: Sequence[str],
    text: str,
    finder: Finder,
    options: FindOptions = DEFAULTS,
    run: RunOptions = DEFAULT_RUN,
    progress: Progress | None = None,
    check: Callable[[str], None] = lambda video: None,
) -> Moments:
    """What a search finds in several videos; one that fails is among the failures, and costs no other.

    Args:
        check: raises for a video of which is known, before it is opened, that it cannot be read.

    Raises:
        UsageError: the text is empty, too long or no text, or the options are none for this model.
        OutOfDomain: nobody named the model, and it was not trained on such a text.
        VideoUnreadable: of a single video, as `Finder.find`; OutOfDomain likewise.
    """
    check_query(text)
    finder.check(options)
    finder.check_text(text, run)
    found, failures = [], []
    for video in videos:
        try:
            check(video)
            found.append(finder.find(video, text, options, run, progress))
        except Exception as error:
            if len(videos) == 1:
                raise
            failures.append(VideoFailure(video, without_frames(error)))
    return Moments(text, caption_of(text), finder.info, tuple(found), options.top, tuple(failures))


def with_borders(options: FindOptions, *, exact: bool) -> FindOptions:
    """Options that say whether borders are refined: as asked for, else where `exact`."""
    return options if options.refine is not None else replace(options, refine=exact)
