"""The records that scripts read: `dynfocus.answer/1`, `dynfocus.inspection/1`, `dynfocus.plan/1` and
`dynfocus.error/1`.

Key order and rounding are fixed (times 3 decimals, scores 4, rates 6): equal evidence gives equal bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynfocus_cli.types import Answer, Check, Counterfactual, Forecast, Inspection

ANSWER = "dynfocus.answer/1"
INSPECTION = "dynfocus.inspection/1"
PLAN = "dynfocus.plan/1"
ERROR = "dynfocus.error/1"

Record = dict[str, Any]


def answer_record(answer: Answer) -> Record:
    """An answer with its evidence."""
    evidence = answer.evidence
    return {
        "schema": ANSWER,
        "video": evidence.source.path,
        "question": evidence.question,
        "answer": answer.answer,
        "truncated": answer.truncated,
        **_evidence(evidence),
        **_options(answer),
        **_check(answer.check),
        **_attention(answer.attention),
    }


def _options(answer: Answer) -> Record:
    """What there was to choose from; nothing where the answer was free."""
    if not answer.options:
        return {}
    options = [
        {
            "letter": option.letter,
            "text": option.text,
            "log_likelihood": _rounded(option.log_likelihood, 4),
        }
        for option in answer.options
    ]
    return {"options": options}


def _attention(shares: tuple[float, ...] | None) -> Record:
    """How much the answer attended to each frame; nothing where the model does not tell."""
    return {} if shares is None else {"attention": [_rounded(share, 4) for share in shares]}


def _check(check: Check | None) -> Record:
    """What other frames answered; nothing where they were not asked."""
    if check is None:
        return {}
    others = check.without_key_frames
    return {
        "check": {
            "even_frames": _counterfactual(check.even_frames),
            "without_key_frames": None if others is None else _counterfactual(others),
        }
    }


def _counterfactual(found: Counterfactual) -> Record:
    return {
        "answer": found.answer,
        "changed": found.changed,
        "frames": found.frames,
        "tokens": found.tokens,
    }


def inspection_record(inspection: Inspection) -> Record:
    """A selection without an answer."""
    return {
        "schema": INSPECTION,
        "video": inspection.source.path,
        "question": inspection.question,
        **_evidence(inspection),
    }


def forecast_record(forecast: Forecast) -> Record:
    """What a run would do and take; `tokens.generated` is the longest answer's."""
    memory, times = forecast.memory, forecast.time_s
    return {
        "schema": PLAN,
        "video": forecast.source.path,
        "question": forecast.question,
        **_setup(forecast, len(forecast.sampling.times_s)),
        "batch": forecast.batch,
        "memory_bytes": {
            "weights": memory.weights,
            "encode": memory.encode,
            "select": memory.select,
            "answer": memory.answer,
            "peak": memory.peak,
            "free": memory.free,
        },
        "estimated_s": {
            "encode": _seconds(times.encode),
            "select": _seconds(times.select),
            "first_token": _seconds(times.first_token),
            "each_token": _rounded(times.each_token, 6),
        },
        "warnings": list(forecast.warnings),
    }


def error_record(video: str, code: int, kind: str, message: str, question: str | None = None) -> Record:
    """A video that failed, among others in `--jsonl`; `code` is what it alone would exit with."""
    record = {"schema": ERROR, "video": video, "error": {"code": code, "kind": kind, "message": message}}
    return record if question is None else record | {"question": question}


def dumps(record: Record) -> str:
    """One line of JSON, without a line break."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def line_of(record: Record) -> bytes:
    """One line of JSON with its line break, UTF-8 whatever the locale: JSON knows no other encoding."""
    # A file name that is no valid text holds lone surrogates; backslashreplace spells them as JSON does.
    return (dumps(record) + "\n").encode("utf-8", "backslashreplace")


def _setup(of: Inspection | Forecast, frames: int) -> Record:
    """What is said of a run, whether it was made or planned."""
    source, sampling, tokens = of.source, of.sampling, of.tokens
    return {
        "model": {
            "name": of.model.name,
            "backend": of.model.backend,
            "revision": of.model.revision,
            "quantization": of.model.quantization,
            "device": of.model.device,
        },
        "source": {
            "duration_s": _seconds(source.duration_s),
            "width": source.width,
            "height": source.height,
            "fps": _rate(source.fps),
            "codec": source.codec,
            "rotation": source.rotation,
            "variable_frame_rate": source.variable_frame_rate,
        },
        "sampling": {
            "policy": sampling.policy,
            "fps": None if sampling.fps is None else _rate(sampling.fps),
            "frames": frames,
            "start_s": _seconds(sampling.start_s),
            "end_s": _seconds(sampling.end_s),
            "focus": [[_seconds(start), _seconds(end)] for start, end in sampling.focus],
        },
        "selection": {
            "scorer": of.selection.scorer,
            "prototypes": of.selection.prototypes,
            "key_frames": of.selection.key_frames,
            "clustering": of.selection.clustering,
        },
        "tokens": {
            "video": tokens.video,
            "per_key_frame": tokens.per_key_frame,
            "per_other_frame": tokens.per_other_frame,
            "prompt": tokens.prompt,
            "generated": tokens.generated,
            "context": tokens.context,
            "all_patches": tokens.all_patches,
            **({} if tokens.stock is None else {"stock": tokens.stock}),
        },
    }


def _evidence(of: Inspection) -> Record:
    """What both records share, in the contract's order."""
    timings = of.timings_s
    return {
        **_setup(of, len(of.frames)),
        "frames": [
            {
                "index": frame.index,
                "time_s": _seconds(frame.time_s),
                "timecode": frame.timecode,
                "event": frame.event,
                "meaningful": frame.meaningful,
                "score": _rounded(frame.score, 4),
                "tokens": frame.tokens,
            }
            for frame in of.frames
        ],
        "timings_s": {
            "decode": _seconds(timings.decode),
            "encode": _seconds(timings.encode),
            "select": _seconds(timings.select),
            "generate": _seconds(timings.generate),
            "total": _seconds(timings.total),
        },
        "cache": {"features": of.cache},
        "seed": of.seed,
        "warnings": list(of.warnings),
        "in_domain": of.in_domain,
        "subtitles": None
        if of.subtitles is None
        else {
            "origin": of.subtitles.origin,
            "on_screen": of.subtitles.on_screen,
            "in_prompt": len(of.subtitles.lines),
            "tokens": of.subtitles.tokens,
        },
        "health": {
            "declared_duration_s": None
            if of.health.declared_duration_s is None
            else _seconds(of.health.declared_duration_s),
            "corrupt_frames": of.health.corrupt_frames,
            "substituted_frames": of.health.substituted_frames,
            "damaged": [[_seconds(start), _seconds(end)] for start, end in of.health.damaged],
        },
    }


def _seconds(value: float) -> float:
    return _rounded(value, 3)


def _rate(value: float) -> float:
    """Six decimals, so that 30000/1001 and one frame an hour both keep their meaning."""
    return _rounded(value, 6)


def _rounded(value: float, digits: int) -> float:
    """Always a Python float, never minus zero: neither NumPy's types nor a sign may change the bytes."""
    return round(float(value), digits) + 0.0
