"""Queries are searched for: each arm makes moments of the same frames and scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.arm import chosen
from dynfocus_cli.evaluation.moment_arms import (
    DEFAULT_MOMENT_ARMS,
    MOMENT_ARMS,
    Findings,
    MomentArm,
    MomentQuery,
)
from dynfocus_cli.evaluation.records import Conditions, retrieval_record
from dynfocus_cli.evaluation.retrieval import MOST_PREDICTIONS, clip_scores
from dynfocus_cli.evaluation.step import Executor, Step, peak_memory, reset_peak_memory
from dynfocus_cli.models.protocol import Backend, ModelSpec
from dynfocus_cli.moments.embedding import VideoVectors, embed
from dynfocus_cli.moments.open import open_retriever
from dynfocus_cli.moments.retriever import Retriever
from dynfocus_cli.options import FindOptions, RunOptions
from dynfocus_cli.pipeline.prefetch import Prefetch
from dynfocus_cli.progress import Progress
from dynfocus_cli.report.json import Record
from dynfocus_cli.stopwatch import Stopwatch
from dynfocus_cli.types import VideoSource


class MomentExecutor(Executor):
    """Searches for the queries of a benchmark. A video's frames are embedded once, for all queries and arms.

    Args:
        find: how `find` searches.
    """

    def __init__(
        self,
        conditions: Conditions,
        options: RunOptions,
        find: FindOptions | None = None,
    ) -> None:
        super().__init__(conditions, options)
        self._find = find or FindOptions(top=MOST_PREDICTIONS, refine=True)
        self._retriever: Retriever | None = None
        self._video = ""
        self._frames: VideoVectors | None = None

    def arms(self, names: Sequence[str] | None, model: ModelSpec) -> Sequence[MomentArm]:
        _retriever(model)
        return chosen(MOMENT_ARMS, dict.fromkeys(MOMENT_ARMS), names, model.name, DEFAULT_MOMENT_ARMS)

    def settings(self, model: ModelSpec) -> dict[str, Any]:
        """Name -> value: what compares frames with words, and how moments are made of that."""
        retriever = _retriever(model)
        given = self._find.threshold
        return {
            "retriever": retriever.revision,
            "threshold": retriever.threshold if given is None else given,
            "top": self._find.top,
            "refine": self._find.refine,
        }

    def predict(
        self,
        step: Step,
        source: VideoSource,
        model: Backend,
        progress: Progress,
        prefetch: Prefetch | None,
    ) -> Record:
        assert isinstance(step.arm, MomentArm), "queries are searched for by arms that find moments"
        item, watch = step.item, Stopwatch()
        reset_peak_memory(model)
        retriever = self._retriever = self._retriever or _retriever(model.spec, model)
        frames = self._embedded(source, retriever, progress, watch)
        findings = step.arm.find(
            MomentQuery(
                source=source,
                frames=frames,
                caption=item.question,
                retriever=retriever,
                options=self._find,
                decoding=self.options.decoding,
                events=self.options.selection.prototypes or model.spec.defaults.prototypes,
                watch=watch,
            )
        )
        return retrieval_record(
            self.conditions,
            item,
            step.arm.name,
            findings.moments,
            self._clip_scores(step, findings),
            frames=len(frames.times_s),
            frames_refined=findings.frames_refined,
            timings=watch.timings(),
            peak_memory=peak_memory(model),
            warnings=(*frames.warnings, *frames.run_warnings),
        )

    def _embedded(
        self, source: VideoSource, retriever: Retriever, progress: Progress, watch: Stopwatch
    ) -> VideoVectors:
        if self._frames is None or self._video != source.path:
            options = self.options
            self._frames = embed(source, retriever, options.sampling, options.decoding, progress, watch)
            self._video = source.path
        return self._frames

    def _clip_scores(self, step: Step, findings: Findings) -> Sequence[float]:
        clips = self.conditions.benchmark.clips(step.item)
        if clips is None:
            return ()
        return clip_scores(findings.curve.times_s, findings.curve.scores, *clips)


def _retriever(model: ModelSpec, loaded: Backend | None = None) -> Retriever:
    """What compares frames with words in a model. Raises UsageError where it has nothing that does."""

    def load() -> Backend:
        assert loaded is not None, "frames are embedded once the model is loaded"
        return loaded

    retriever = open_retriever(model, load)
    if retriever is None:
        raise UsageError(
            f"{model.name} has nothing that compares frames with words, which a benchmark of moments needs: "
            "take a model with a SigLIP or CLIP beside it, or with a retrieval head."
        )
    return retriever
