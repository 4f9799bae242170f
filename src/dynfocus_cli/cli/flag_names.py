"""The library's messages name options by their fields, in backticks; on the command line they are flags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TypeVar

from dynfocus_cli.types import Answer, Forecast, Inspection

Result = TypeVar("Result", Answer, Inspection, Forecast)

_UNDECLARED = {
    "model": "--model",
    "question": "--question",
    "choices": "--choice",
    "vision": "--vision",
    "question_tokenizer": "--question-tokenizer",
    "clips": "--clips",
    "size": "--size",
    "crf": "--crf",
    "embed": "--embed",
    "arms": "--arms",
    "data": "--data",
    "tokens": "--tokens",
    "rods=False": "--rods none",
    "rods=True": "--rods two",
    "cache=False": "--no-cache",
}
"""What has no field of this name among the options, and what has a flag for one value."""

_NAMED = re.compile(r"`((\w+)(?:=([^`]*))?)`")


def with_flags(text: str, others: Mapping[str, str] | None = None) -> str:
    """`text` with the options that it names spelled as on the command line.

        "take `device=cpu`, or raise `max_frames`" -> "take --device cpu, or raise --max-frames"

    Args:
        others: what options are called where they are set in another way: field -> name.
    """
    if "`" not in text:
        return text
    names = flag_names() | dict(others or {})

    def spelled(match: re.Match[str]) -> str:
        whole, field, value = match.groups()
        if whole in names:
            return names[whole]
        return f"{names[field]} {value}" if field in names and value is not None else match[0]

    return _NAMED.sub(spelled, text)


@cache
def flag_names() -> dict[str, str]:
    """Field -> flag, of all options."""
    from dynfocus_cli.cli.options import BatchOptions, EngineOptions, ModelRequest, OutputOptions
    from dynfocus_cli.flags import flags_of
    from dynfocus_cli.options import FindOptions, RunOptions
    from dynfocus_cli.training.settings import TrainingRequest

    declared = {
        flag.field_name: flag.name.partition("/")[0]
        for options in (
            TrainingRequest,
            ModelRequest,
            BatchOptions,
            EngineOptions,
            OutputOptions,
            FindOptions,
            RunOptions,
        )
        for flag in flags_of(options)
        if flag.name.startswith("--")
    }
    return _UNDECLARED | declared


def result_with_flags(result: Result) -> Result:
    """A result whose warnings name flags."""
    if isinstance(result, Answer):
        return replace(result, evidence=result_with_flags(result.evidence))
    warnings = tuple(map(with_flags, result.warnings))
    if isinstance(result, Inspection):
        return replace(result, warnings=warnings, notices=warnings[: len(result.notices)])
    return replace(result, warnings=warnings)
