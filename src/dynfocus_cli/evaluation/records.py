"""The records of a run: `run.json`, and one a question and arm in its files of predictions.

A prediction holds what was measured and nothing that scoring works out, so that it can be scored again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynfocus_cli import __version__
from dynfocus_cli.batch.shards import Shard
from dynfocus_cli.errors import DynFocusError, UsageError
from dynfocus_cli.evaluation.benchmark import Benchmark, Protocol, Scoring
from dynfocus_cli.evaluation.item import Dataset, Item, RankedSpan
from dynfocus_cli.evaluation.run_folder import RUN_FILE
from dynfocus_cli.evaluation.settings import setting_differences
from dynfocus_cli.files import digest_of, reason, write_json
from dynfocus_cli.report.json import Record, error_record
from dynfocus_cli.types import Answer, Timings

PREDICTION = "dynfocus.prediction/1"
RETRIEVAL = "dynfocus.retrieval/1"

FOUND = ("questions", "videos", "problems")
"""What of a data set was there to be asked: videos may come, and go."""
FREE = ("dynfocus", "model.device", "arms", "prompt", *FOUND)
"""What may differ between two calls that go on with the same run."""


def predictions_file(shard: Shard) -> str:
    """The name of a shard's file of predictions."""
    return "predictions.jsonl" if shard.is_whole else f"predictions-{shard.number}-of-{shard.of}.jsonl"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all predictions of a run have in common."""

    benchmark: Benchmark
    split: str
    protocol: Protocol
    scoring: Scoring
    tokens: int | None = None
    """The most video tokens of an arm; None: what some full key frames take."""
    subtitles: bool = False

    @property
    def words(self) -> dict[str, str]:
        """Name -> value, as the settings of a file of results have them."""
        tokens = {} if self.tokens is None else {"tokens": str(self.tokens)}
        subtitles = {"subtitles": "yes"} if self.subtitles else {}
        names = {"benchmark": self.benchmark.name, "split": self.split, "protocol": self.protocol}
        return names | {"scoring": self.scoring} | tokens | subtitles


def prediction_record(
    conditions: Conditions,
    item: Item,
    arm: str,
    answer: Answer,
    limit: int | None,
    peak_memory: int | None,
) -> Record:
    """What an arm answered to a question.

    Args:
        limit: the most video tokens that it was allowed.
        peak_memory: bytes on the model's device, where they can be counted.
    """
    evidence = answer.evidence
    selection, tokens, timings = evidence.selection, evidence.tokens, evidence.timings_s
    record = {
        "schema": PREDICTION,
        **_of_item(conditions, item, arm),
        "options": {option.letter: option.text for option in item.options},
        "answer": item.answer,
        "official": dict(item.official),
        "response": answer.answer,
        "tokens": {
            "video": tokens.video,
            "limit": limit,
            "prompt": tokens.prompt,
            "generated": tokens.generated,
        },
        "frames": len(evidence.frames),
        "key_frames": [{"time_s": round(frame.time_s, 3) + 0.0} for frame in evidence.key_frames],
        "selection": {
            "scorer": selection.scorer,
            "selector": selection.selector,
            "prototypes": selection.prototypes,
            "key_frames": selection.key_frames,
            "clustering": selection.clustering,
        },
        "timings_s": _seconds(timings),
        "peak_memory": peak_memory,
        "warnings": list(evidence.warnings),
    }
    if answer.options:
        record["log_likelihoods"] = {
            option.letter: round(option.log_likelihood, 4) for option in answer.options
        }
    return record


def retrieval_record(
    conditions: Conditions,
    item: Item,
    arm: str,
    moments: Sequence[RankedSpan],
    clip_scores: Sequence[float],
    *,
    frames: int,
    frames_refined: int,
    timings: Timings,
    peak_memory: int | None,
    warnings: Sequence[str],
) -> Record:
    """What an arm found for a query.

    Args:
        moments: the best first.
        clip_scores: of each clip, where the benchmark scores clips; else empty.
        frames: sampled ones.
        frames_refined: decoded for borders, beside the sampled ones.
        peak_memory: bytes on the model's device, where they can be counted.
    """
    return {
        "schema": RETRIEVAL,
        **_of_item(conditions, item, arm),
        "spans_s": None if item.spans_s is None else [list(span) for span in item.spans_s],
        "official": dict(item.official),
        "moments": [
            {
                "start_s": round(moment.start_s, 3) + 0.0,
                "end_s": round(moment.end_s, 3) + 0.0,
                "score": round(moment.score, 6),
            }
            for moment in moments
        ],
        "clip_scores": [round(score, 6) for score in clip_scores],
        "frames": frames,
        "frames_refined": frames_refined,
        "timings_s": _seconds(timings),
        "peak_memory": peak_memory,
        "warnings": list(warnings),
    }


def _of_item(conditions: Conditions, item: Item, arm: str) -> Record:
    return {
        "benchmark": conditions.benchmark.name,
        "split": conditions.split,
        "protocol": conditions.protocol,
        "scoring": conditions.scoring,
        "id": item.id,
        "arm": arm,
        "video": str(item.video),
        "question": item.question,
        "task": item.task,
        "duration": item.duration,
        "group": item.group,
    }


def _seconds(timings: Timings) -> Record:
    names = ("decode", "encode", "select", "generate", "total")
    return {name: round(getattr(timings, name), 3) for name in names}


def failure_record(
    conditions: Conditions, item: Item, arm: str, code: int, kind: str, message: str
) -> Record:
    """Why an arm could not answer a question; `code` is what that alone would exit with."""
    record = error_record(str(item.video), code, kind, message, item.question)
    return record | {"benchmark": conditions.benchmark.name, "id": item.id, "arm": arm}


def run_record(
    conditions: Conditions,
    dataset: Dataset,
    arms: Sequence[str],
    model: Mapping[str, Any],
    options: Mapping[str, Any],
    method: Mapping[str, Any],
) -> Record:
    """`run.json`: under which conditions the predictions beside it were made.

    Args:
        model: which model ran, and how.
        options: those that are not at their default.
        method: what the predictions depend on beside these, as the executor has it.
    """
    benchmark, first = conditions.benchmark, dataset.items[0]
    prompt = benchmark.prompt(first, conditions.protocol)
    return {
        "benchmark": benchmark.name,
        "split": conditions.split,
        "protocol": conditions.protocol,
        "scoring": conditions.scoring,
        "extractor": f"{benchmark.name}, {conditions.protocol}" if prompt else None,
        "arms": list(arms),
        "tokens": conditions.tokens,
        "subtitles": conditions.subtitles,
        "model": dict(model),
        "options": dict(options),
        **({"method": dict(method)} if method else {}),
        "files": {file.name: digest_of(file) for file in dataset.files},
        "questions": len(dataset.items),
        "videos": len({item.video for item in dataset.items}),
        "prompt": prompt and {"text": prompt.text, "prefix": prompt.prefix, "of": first.id},
        "dynfocus": __version__,
        "problems": [
            {
                "id": problem.id,
                "message": problem.message,
                "video": None if problem.video is None else str(problem.video),
            }
            for problem in dataset.problems
        ],
    }


def write_run_file(folder: Path, record: Record) -> None:
    """Writes `run.json` where there is none, and adds arms and found videos to one that is there.

    Raises:
        UsageError: the folder holds a run of other conditions, or is none.
        DynFocusError: it cannot be written.
    """
    path = folder / RUN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = json.loads(path.read_bytes()) if path.exists() else None
    except FileExistsError as error:
        raise UsageError(f"{folder} is a file: `output` names a folder.") from error
    except OSError as error:
        raise UsageError(f"{folder} cannot be used for a run: {reason(error)}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is no record of a run: name another folder.") from error
    if present is not None:
        if not isinstance(present, dict):
            raise UsageError(f"{path} is no record of a run: name another folder.")
        if differences := _differences(present, record):
            raise UsageError(
                f"{folder} holds a run of other settings ({'; '.join(differences)}): name another folder, or "
                "repeat the settings that it was begun with."
            )
        arms = list(dict.fromkeys([*present.get("arms", []), *record["arms"]]))
        more_found = record["questions"] > present.get("questions", 0)
        found = {name: record[name] for name in FOUND} if more_found else {}
        record = present | {"arms": arms} | found
        if record == present:
            return
    try:
        write_json(path, record)
    except OSError as error:
        raise DynFocusError(f"{path} cannot be written: {reason(error)}.") from error


def _differences(present: Record, record: Record) -> list[str]:
    """`tokens: there 320, here 200`, of each setting that may not differ."""
    return [
        f"{one.name}: there {_shown(one.values[0])}, here {_shown(one.values[1])}"
        for one in setting_differences([present, record])
        if one.name not in FREE and one.name.partition(".")[0] not in FREE
    ]


def _shown(value: object) -> str:
    text = "the default" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
