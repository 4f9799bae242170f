"""What a file of predictions has of an evaluation already."""

from __future__ import annotations

from dataclasses import dataclass

from dynfocus_cli.batch.questions import Query
from dynfocus_cli.batch.result_key import Content, content_of, digest_function
from dynfocus_cli.batch.results import ResultFile, StoredResult
from dynfocus_cli.evaluation.item import Item
from dynfocus_cli.evaluation.step import Executor
from dynfocus_cli.report.json import Record


@dataclass(frozen=True, slots=True)
class StoredSteps:
    """The steps of an evaluation in a file of predictions. A step is an item and the name of an arm."""

    executor: Executor
    results: ResultFile
    retry_failed: bool
    """Whether a failure of an earlier run counts as nothing."""

    def find(self, item: Item, arm: str, content: Content) -> StoredResult | None:
        """What an earlier run stored of a step; None where it is to be done."""
        stored = self.results.find(str(item.video), content, _query(item), arm)
        if stored is None or stored.failed is None or stored.fresh:
            return stored
        return None if self.retry_failed else stored

    def add(self, item: Item, arm: str, content: Content, record: Record) -> None:
        """Stores a record. Raises DynFocusError where it cannot be written."""
        self.results.add(str(item.video), content, _query(item), record, arm)

    def content(self, item: Item) -> Content:
        """The identity of an item's video, which is made if the benchmark makes its own."""
        self.preparation_error(item)  # it is said where the video is to be read
        return step_content(str(item.video), self.executor)

    def preparation_error(self, item: Item) -> Exception | None:
        """Why the benchmark cannot make the item's video; None where it can, or has nothing to make."""
        try:
            self.executor.conditions.benchmark.prepare(item)
        except Exception as error:
            return error
        return None


def step_content(video: str, executor: Executor) -> Content:
    """The identity of a video, as the keys of predictions have it."""
    return content_of(video, digest=digest_function(cache=executor.options.decoding.cache))


def _query(item: Item) -> Query:
    return Query(item.question, item.id, item.options)
