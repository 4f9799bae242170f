"""What workers do for `ask` and `inspect`: questions about a video are answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dynfocus_cli.batch import videos as batch_videos
from dynfocus_cli.batch.result_key import Content, content_of, digest_function
from dynfocus_cli.batch.video_work import Make, VideoWork

if TYPE_CHECKING:
    from dynfocus_cli.batch.questions import Query
    from dynfocus_cli.features.memory_cache import MemoryFeatureCache
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.options import RunOptions
    from dynfocus_cli.pipeline.prefetch import Prefetch
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.report.json import Record


@dataclass(frozen=True, slots=True)
class QuestionWork(VideoWork):
    """Answers questions, or inspects; a request is a `Query`, or None for no question."""

    command: Literal["ask", "inspect"]
    load_model: Callable[[], Backend]
    options: RunOptions
    spelled: Callable[[Any], Any]
    """An answer or inspection whose warnings name options as their reader knows them."""

    def load(self) -> Backend:
        return self.load_model()

    def begin(self, path: str, first: Query | None, model: Backend) -> Make:
        from dynfocus_cli.features.memory_cache import MemoryFeatureCache

        return _Questions(self, path, model, self._prefetch(path, first, model), MemoryFeatureCache()).make

    def content(self, path: str) -> Content:
        digest = digest_function(cache=self.options.decoding.cache)
        return content_of(path, digest=digest, subtitles_beside=self.options.subtitles == "auto")

    def _prefetch(self, path: str, query: Query | None, model: Backend) -> Prefetch | None:
        """Begins to decode; what is wrong with the video is reported at its turn."""
        from dynfocus_cli.pipeline.prefetch import start_prefetch

        with suppress(Exception):
            batch_videos.check(path)
            if query is None:
                return start_prefetch(path, None, model, self.options)
            choices = query.choices if self.command == "ask" else ()
            return start_prefetch(path, query.text, model, self.options, choices)
        return None


@dataclass(slots=True)
class _Questions:
    """Those about one video, which is encoded once for all of them."""

    work: QuestionWork
    path: str
    model: Backend
    prefetch: Prefetch | None
    """Made for the first question alone."""
    memory_cache: MemoryFeatureCache

    def make(self, query: Query | None, progress: Progress) -> tuple[Record, tuple[str, ...]]:
        from dynfocus_cli import pipeline
        from dynfocus_cli.report.json import answer_record, inspection_record

        work, path = self.work, self.path
        more, self.prefetch = (self.prefetch, self.memory_cache), None
        if work.command == "inspect":
            text = None if query is None else query.text
            inspection = work.spelled(pipeline.inspect(path, text, self.model, work.options, progress, *more))
            return inspection_record(inspection), inspection.warnings
        assert query is not None, "there is no asking without a question"
        answer = work.spelled(
            pipeline.ask(path, query.text, self.model, work.options, progress, query.choices, *more)
        )
        return answer_record(answer), answer.evidence.warnings
