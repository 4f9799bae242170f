"""The records that scripts read: `dynfocus.answer/1`, `dynfocus.inspection/1`, `dynfocus.plan/1` and
`dynfocus.error/1`, and the schemas of all records.

Key order and rounding are fixed (times 3 decimals, scores 4, rates 6): equal evidence gives equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dynfocus_cli.report.shot_table import shot_records

if TYPE_CHECKING:
    from dynfocus_cli.report.shot_spans import ShotSpan
    from dynfocus_cli.types import Answer, Check, Forecast, Inspection

ANSWER = "dynfocus.answer/1"
INSPECTION = "dynfocus.inspection/1"
PLAN = "dynfocus.plan/1"
ERROR = "dynfocus.error/1"

Record = dict[str, Any]


def answer_record(answer: Answer) -> Record:
    """An answer with its evidence; `options`, `check` and `attention` only where there are such."""
    evidence = answer.evidence
    record = {
        "schema": ANSWER,
        "video": evidence.source.path,
        "question": evidence.question,
        "answer": answer.answer,
        "truncated": answer.truncated,
        **_evidence(evidence),
    }
    if answer.options:
        record["options"] = [fields_of(option, "letter text log_likelihood:4") for option in answer.options]
    if answer.check is not None:
        record["check"] = _check(answer.check)
    if answer.attention is not None:
        record["attention"] = [rounded(share, 4) for share in answer.attention]
    return record


def inspection_record(inspection: Inspection, shots: Sequence[ShotSpan] | None = None) -> Record:
    """A selection without an answer; `shots` only where they are given."""
    record = {
        "schema": INSPECTION,
        "video": inspection.source.path,
        "question": inspection.question,
        **_evidence(inspection),
    }
    return record if shots is None else record | {"shots": shot_records(shots)}


def forecast_record(forecast: Forecast) -> Record:
    """What a run would do and take; `tokens.generated` is the longest answer's."""
    return {
        "schema": PLAN,
        "video": forecast.source.path,
        "question": forecast.question,
        **_setup(forecast, len(forecast.sampling.times_s)),
        "batch": forecast.batch,
        "memory_bytes": fields_of(forecast.memory, "weights encode select answer peak free"),
        "estimated_s": fields_of(forecast.time_s, "encode:3 select:3 first_token:3 each_token:6"),
        "warnings": list(forecast.warnings),
    }


def error_record(video: str, code: int, kind: str, message: str, question: str | None = None) -> Record:
    """A video that failed, among others in `jsonl`; `code` is what it alone would exit with."""
    record = {"schema": ERROR, "video": video, "error": {"code": code, "kind": kind, "message": message}}
    return record if question is None else record | {"question": question}


def dumps(record: Record) -> str:
    """One line of JSON, without a line break."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def line_of(record: Record) -> bytes:
    """One line of JSON with its line break, UTF-8 whatever the locale: JSON knows no other encoding."""
    # A file name that is no valid text holds lone surrogates; backslashreplace spells them as JSON does.
    return (dumps(record) + "\n").encode("utf-8", "backslashreplace")


def load_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record, by what stands in its `schema`, such as `dynfocus.answer/1`.

    Raises:
        KeyError: no record is called so.
    """
    from importlib.resources import files

    folder = files(__package__).joinpath("schema")
    schemas = (json.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir())
    by_name: dict[str, dict[str, Any]] = {schema["title"]: schema for schema in schemas}
    if name not in by_name:
        raise KeyError(f"no schema {name!r}; there are {', '.join(sorted(by_name))}")
    return by_name[name]


def _setup(of: Inspection | Forecast, frames: int) -> Record:
    """What a run and a planned run have in common."""
    selection = fields_of(of.selection, "scorer prototypes key_frames clustering")
    if of.selection.selector != "events":
        selection["selector"] = of.selection.selector
    bill = "video per_key_frame per_other_frame prompt generated context all_patches"
    return {
        "model": fields_of(of.model, "name backend revision quantization device"),
        "source": fields_of(of.source, "duration_s:3 width height fps:6 codec rotation variable_frame_rate"),
        "sampling": {
            **fields_of(of.sampling, "policy fps:6"),
            "frames": frames,
            **fields_of(of.sampling, "start_s:3 end_s:3"),
            "focus": _spans(of.sampling.focus),
        },
        "selection": selection,
        "tokens": fields_of(of.tokens, bill if of.tokens.stock is None else f"{bill} stock"),
    }


def _evidence(of: Inspection) -> Record:
    """What the records of an answer and of a selection have in common, in the contract's order."""
    frame = "index time_s:3 timecode event meaningful score:4 tokens"
    subtitles = of.subtitles
    return {
        **_setup(of, len(of.frames)),
        "frames": [fields_of(each, frame) for each in of.frames],
        "timings_s": fields_of(of.timings_s, "decode:3 encode:3 select:3 generate:3 total:3"),
        "cache": {"features": of.cache},
        "seed": of.seed,
        "warnings": list(of.warnings),
        "in_domain": of.in_domain,
        "subtitles": subtitles
        and {
            **fields_of(subtitles, "origin on_screen"),
            "in_prompt": len(subtitles.lines),
            "tokens": subtitles.tokens,
        },
        "health": {
            **fields_of(of.health, "declared_duration_s:3 corrupt_frames substituted_frames"),
            "damaged": _spans(of.health.damaged),
        },
    }


def _check(check: Check) -> Record:
    answer, others = "answer changed frames tokens", check.without_key_frames
    return {
        "even_frames": fields_of(check.even_frames, answer),
        "without_key_frames": others and fields_of(others, answer),
    }


def fields_of(of: object, names: str) -> Record:
    """These fields of a dataclass, in this order; `score:4` is rounded to 4 decimals where it is not None."""
    record = {}
    for name, _, digits in (word.partition(":") for word in names.split()):
        value = getattr(of, name)
        record[name] = rounded(value, int(digits)) if digits and value is not None else value
    return record


def _spans(spans: tuple[tuple[float, float], ...]) -> list[list[float]]:
    return [[rounded(time_s, 3) for time_s in span] for span in spans]


def rounded(value: float, digits: int) -> float:
    """Always a Python float, never minus zero: neither NumPy's types nor a sign may change the bytes."""
    return round(float(value), digits) + 0.0
