"""What workers do for `index`: they embed videos, for the process that has the index to keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynfocus_cli.batch.result_key import Content, content_of, digest_function
from dynfocus_cli.batch.video_work import Make, VideoWork

if TYPE_CHECKING:
    from dynfocus_cli.moments.library import Finder
    from dynfocus_cli.options import RunOptions
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.report.json import Record

KEPT = "kept"
"""The field of a worker's record in which the `IndexedVideo` crosses machines."""


@dataclass(frozen=True, slots=True)
class IndexWork(VideoWork):
    """Embeds videos; a request is None."""

    open_finder: Callable[[], Finder]
    options: RunOptions

    def load(self) -> Finder:
        finder = self.open_finder()
        if finder.retriever is not None:
            finder.retriever.tower  # noqa: B018  (loads the vision encoder)
        return finder

    def begin(self, path: str, first: None, model: Finder) -> Make:
        def make(request: None, progress: Progress) -> tuple[Record, tuple[str, ...]]:
            return {KEPT: model.embedded(path, self.options, progress)}, ()

        return make

    def content(self, path: str) -> Content:
        return content_of(path, digest=digest_function(cache=True))
