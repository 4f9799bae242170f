"""Reading a RUN folder: its `run.json`, and the predictions of all of its shards.

Everything here was written by some process at some time: each record is checked once, where it is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import Protocol, Scoring
from dynfocus_cli.evaluation.item import Item, Prediction, Problem, RankedSpan
from dynfocus_cli.files import reason
from dynfocus_cli.types import Option, Span

RUN_FILE = "run.json"
VERDICTS_FILE = "verdicts.jsonl"

SHARD = re.compile(r"predictions(?:-(\d+)-of-(\d+))?\.jsonl")
"""predictions.jsonl, or of the third of 16 shards predictions-3-of-16.jsonl"""


ArmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""Of an arm, whose submission is a folder of that name."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class KeyFrameTime(_Record):
    """A key frame of a stored prediction."""

    time_s: float


class StoredTokens(_Record):
    """Tokens that an answer took."""

    video: int = Field(ge=0)
    limit: int | None = None
    """Video tokens that it was allowed; None for an arm that spends what it spends."""
    prompt: int = 0
    generated: int = 0


class StoredPrediction(_Record):
    """What an arm made of an item: what was measured, and nothing that scoring works out."""

    key: str
    id: str
    video: str
    question: str
    arm: ArmName
    task: str = ""
    duration: str = ""
    group: str = ""
    official: dict[str, Any] = {}
    frames: int = 0
    timings_s: dict[str, float | None] = {}
    peak_memory: int | None = None
    warnings: tuple[str, ...] = ()
    options: dict[str, str] = {}
    tokens: StoredTokens | None = None
    """None where no language model was asked."""
    scoring: Scoring = "generate"

    @property
    def prediction(self) -> Prediction:
        """The same, as its benchmark scores it."""
        raise NotImplementedError

    @property
    def key_times_s(self) -> tuple[float, ...]:
        """Moments of the video that were decisive, seconds."""
        raise NotImplementedError

    @property
    def seconds(self) -> float:
        """From decoding to the end."""
        return self.timings_s.get("total") or 0.0

    def _item(self, answer: str | None, spans_s: tuple[Span, ...] | None = None) -> Item:
        return Item(
            id=self.id,
            video=Path(self.video),
            question=self.question,
            answer=answer,
            options=tuple(Option(letter, text) for letter, text in self.options.items()),
            task=self.task,
            duration=self.duration,
            group=self.group,
            spans_s=spans_s,
            official=self.official,
        )


class StoredAnswer(StoredPrediction):
    """A record `dynfocus.prediction/1`: an answer to a question."""

    response: str
    answer: str | None
    tokens: StoredTokens
    log_likelihoods: dict[str, float] | None = None
    key_frames: tuple[KeyFrameTime, ...] = ()

    @property
    def prediction(self) -> Prediction:
        return Prediction(self._item(self.answer), self.arm, self.response, self.tokens.video, self.seconds)

    @property
    def key_times_s(self) -> tuple[float, ...]:
        """Those of the key frames."""
        return tuple(frame.time_s for frame in self.key_frames)


class StoredMoment(_Record):
    """A moment of a stored retrieval."""

    start_s: float
    end_s: float
    score: float


class StoredRetrieval(StoredPrediction):
    """A record `dynfocus.retrieval/1`: the moments that were found for a query."""

    spans_s: tuple[Span, ...] | None
    moments: tuple[StoredMoment, ...]
    clip_scores: tuple[float, ...] = ()
    frames_refined: int = 0
    scoring: Scoring = "moments"

    @property
    def prediction(self) -> Prediction:
        moments = tuple(RankedSpan(one.start_s, one.end_s, one.score) for one in self.moments)
        answer = None if self.spans_s is None else _in_words(self.spans_s) or "never shown"
        response = _in_words([moment.span_s for moment in moments[:1]]) or "nothing found"
        item = self._item(answer, self.spans_s)
        return Prediction(item, self.arm, response, 0, self.seconds, moments, self.clip_scores)

    @property
    def key_times_s(self) -> tuple[float, ...]:
        """The starts of the moments, in time order."""
        return tuple(sorted(moment.start_s for moment in self.moments))


def _in_words(spans_s: Sequence[Span]) -> str:
    """4.0 to 7.5 s, 12.0 to 13.2 s"""
    return ", ".join(f"{start_s:.1f} to {end_s:.1f} s" for start_s, end_s in spans_s)


class StoredError(_Record):
    """What went wrong with a question."""

    kind: str
    message: str


class StoredFailure(_Record):
    """A record `dynfocus.error/1`: a question that an arm could not answer."""

    key: str
    id: str
    arm: ArmName
    video: str
    error: StoredError


class _StoredProblem(_Record):
    id: str
    message: str
    video: str | None = None


class _RunRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    benchmark: str
    split: str
    protocol: Protocol = "official"
    arms: tuple[ArmName, ...] = ()
    problems: tuple[_StoredProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What is stored of a run, in an order that does not depend on that of the files."""

    folder: Path
    benchmark: str
    split: str
    protocol: Protocol
    """Whose prompt and extractor are used."""
    settings: Mapping[str, Any]
    """The whole of `run.json` but the problems: the protocol block."""
    arms: tuple[str, ...]
    """Those of `run.json` in its order, then others that have records."""
    predictions: tuple[StoredPrediction, ...]
    """One a question and arm, ordered by these."""
    failures: tuple[StoredFailure, ...]
    """Of questions and arms without a prediction."""
    problems: tuple[Problem, ...]
    """Of the data set: what could not be asked at all."""
    missing_shards: tuple[str, ...]
    """Files that the names of the others call for and that are not there."""
    warnings: tuple[str, ...]

    def of_arm(self, arm: str) -> list[StoredPrediction]:
        """The predictions of one arm, ordered by their questions' ids."""
        return [prediction for prediction in self.predictions if prediction.arm == arm]


def read_run(folder: Path) -> StoredRun:
    """Reads a RUN folder. A record that stands in it twice counts once.

    Raises:
        UsageError: it is no such folder, or holds something else than records of one run.
    """
    run = _read_run_file(folder)
    shards = _shards(folder)
    if not shards:
        raise UsageError(f"{folder} holds no predictions: a run writes predictions.jsonl into it.")
    warnings: list[str] = []
    predictions: dict[tuple[str, str], StoredPrediction] = {}
    failures: dict[tuple[str, str], StoredFailure] = {}
    for record in _unique(_lines(shards, warnings)):
        if isinstance(record, StoredPrediction):
            first = predictions.setdefault((record.id, record.arm), record)
            if first is not record:
                warnings.append(
                    f"Question {record.id} has two predictions of {record.arm}, of videos or settings that "
                    f"differ: {first.key} counts, {record.key} does not."
                )
        else:
            failures.setdefault((record.id, record.arm), record)
    arms = {arm for _, arm in (*predictions, *failures)}
    return StoredRun(
        folder=folder,
        benchmark=run.benchmark,
        split=run.split,
        protocol=run.protocol,
        settings={name: value for name, value in run.model_dump(mode="json").items() if name != "problems"},
        arms=(*run.arms, *sorted(arms - set(run.arms))),
        predictions=tuple(predictions[place] for place in sorted(predictions)),
        failures=tuple(failures[place] for place in sorted(failures) if place not in predictions),
        problems=tuple(
            Problem(one.id, one.message, None if one.video is None else Path(one.video))
            for one in run.problems
        ),
        missing_shards=_missing(shards),
        warnings=tuple(sorted(warnings)),
    )


def _read_run_file(folder: Path) -> _RunRecord:
    file = folder / RUN_FILE
    try:
        return _RunRecord.model_validate(json.loads(file.read_bytes()))
    except OSError as error:
        raise UsageError(
            f"{folder} is no folder of a run: {file} cannot be read ({reason(error)})."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no record of a run: {_first_problem(error)}.") from error


def _shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if SHARD.fullmatch(path.name) and path.is_file())


def _missing(shards: Iterable[Path]) -> tuple[str, ...]:
    """predictions-1-of-3.jsonl alone -> predictions-2-of-3.jsonl, predictions-3-of-3.jsonl"""
    names = {path.name for path in shards}
    counts = {int(count) for name in names for _, count in SHARD.findall(name) if count}
    expected = (f"predictions-{n}-of-{count}.jsonl" for count in sorted(counts) for n in range(1, count + 1))
    return tuple(name for name in expected if name not in names)


def _lines(
    shards: Sequence[Path], warnings: list[str]
) -> Iterable[tuple[bytes, StoredPrediction | StoredFailure]]:
    """Each line and its record; a last line that a crash tore is a warning."""
    for path in shards:
        try:
            lines = path.read_bytes().splitlines(keepends=True)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {reason(error)}.") from error
        for number, line in enumerate(lines, 1):
            try:
                yield line.strip(), _record(json.loads(line))
            except (ValueError, RecursionError) as error:
                if number == len(lines) and not line.endswith(b"\n"):
                    warnings.append(
                        f"{path.name} ends within a line: that question is asked again when the run goes on."
                    )
                    continue
                raise UsageError(
                    f"{path}, line {number}, is no prediction: {_first_problem(error)}."
                ) from error


def _record(fields: Any) -> StoredPrediction | StoredFailure:
    schema = fields.get("schema") if isinstance(fields, dict) else None
    kinds: dict[Any, type[StoredPrediction] | type[StoredFailure]] = {
        "dynfocus.prediction/1": StoredAnswer,
        "dynfocus.retrieval/1": StoredRetrieval,
        "dynfocus.error/1": StoredFailure,
    }
    if schema not in kinds:
        raise ValueError(f"its schema is {schema!r}")
    return kinds[schema].model_validate(fields)


def _unique(
    lines: Iterable[tuple[bytes, StoredPrediction | StoredFailure]],
) -> Iterator[StoredPrediction | StoredFailure]:
    """One record a key, arm and kind, whichever file it is in, in the order of the lines' bytes."""
    seen = set()
    for _, record in sorted(lines, key=lambda pair: pair[0]):
        name = (record.key, record.id, record.arm, type(record))
        if name not in seen:
            seen.add(name)
            yield record


def _first_problem(error: Exception) -> str:
    """tokens.video: Input should be a valid integer"""
    if not isinstance(error, ValidationError):
        return str(error) or type(error).__name__
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
