"""`dynfocus doctor`"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from dynfocus_cli.cli.checks import ODD, Check
from dynfocus_cli.cli.commands import environment
from dynfocus_cli.cli.flag_names import with_flags
from dynfocus_cli.cli.options import JsonOption
from dynfocus_cli.cli.output import wrapped, write_line, write_record
from dynfocus_cli.errors import DynFocusError, UsageError, first_line

if TYPE_CHECKING:
    from dynfocus_cli.cli.settings import ConfigValue, Settings
    from dynfocus_cli.options import RunOptions

SCHEMA = "dynfocus.doctor/1"

_INDENT = 20
"""Columns of state and name."""


def doctor(json: JsonOption = False) -> None:
    """Look at Python, torch, CUDA, codecs, memory, models, cache and settings: each is ok, or has a remedy.

    Exits with 0 where dynfocus can answer, otherwise with the code that an answer would end with.
    """
    checks = []
    for check in _all_checks():
        checks.append(check)
        if not json:  # as they come, since torch takes its time
            for line in _lines(check):
                write_line(line)
    code = next((check.code for check in checks if check.code), 0)
    if json:
        write_record({"schema": SCHEMA, "code": code, "checks": [asdict(check) for check in checks]})
    elif code:
        write_line("What is marked fix keeps dynfocus from answering.")
    else:
        write_line("dynfocus can answer here.")
    if code:
        raise typer.Exit(code)


def _lines(check: Check) -> list[str]:
    """A line for the finding and one for the remedy; on a terminal they are wrapped at words."""
    finding = wrapped(f"{check.state:<4}  {check.name:<12}  ", check.said)
    return [*finding, *wrapped(" " * _INDENT, check.todo)] if check.todo else finding


def _all_checks() -> Iterator[Check]:
    """Every check, causes before effects, so that the first exit code is the one to report."""
    settings, configuration = _configuration()
    yield configuration
    for settled in settings or ():
        overruled = ", overruled" if settings is not None and settings.is_overruled(settled) else ""
        yield Check("setting", "ok", f"{settled.key} = {settled.text} ({settled.origin}){overruled}")
    with environment({} if settings is None else settings.folders()):
        for name, check in _checks(settings).items():
            try:
                yield check()
            except DynFocusError as error:
                yield Check(name, "fix", with_flags(str(error)), code=error.exit_code)
            except Exception as error:  # a broken package raises anything
                said = f"cannot be looked at: {type(error).__name__}: {first_line(error)}"
                todo = "Set DYNFOCUS_DEBUG=1 and run an answer to see where."
                yield Check(name, "fix", said, todo, ODD)


def _checks(settings: Settings | None) -> dict[str, Callable[[], Check]]:
    from dynfocus_cli.cli.checks import machine, storage

    settled = {} if settings is None else settings.of_command("ask")
    model, quantize, device = (
        str(settled[key].value) if key in settled else None for key in ("model", "quantize", "device")
    )
    return {
        "variables": _variables,
        "python": machine.python,
        "packages": machine.packages,
        "terminal": machine.terminal,
        "codecs": machine.codecs,
        "bitsandbytes": lambda: machine.bitsandbytes(quantize),
        "torch": machine.torch,
        "cuda": lambda: machine.cuda(device),
        "models": storage.models_folder,
        "model": lambda: storage.model(model, device, quantize, _run_options(settled)),
        "memory": lambda: storage.memory(model, device, quantize),
        "cache": storage.cache,
    }


def _run_options(settled: Mapping[str, ConfigValue]) -> RunOptions:
    """What the settings ask of a run, as far as a model may refuse it before it has a video."""
    from dynfocus_cli.cli.settings import SETTINGS
    from dynfocus_cli.flags import flags_of
    from dynfocus_cli.options import GenerationOptions, RunOptions, SelectionOptions

    values = {SETTINGS[key].field_name: one.value for key, one in settled.items()}

    def values_for(options: type) -> dict[str, Any]:
        names = {flag.field_name for flag in flags_of(options)}
        return {name: value for name, value in values.items() if name in names}

    return RunOptions(
        selection=SelectionOptions(**values_for(SelectionOptions)),
        generation=GenerationOptions(**values_for(GenerationOptions)),
    )


def _configuration() -> tuple[Settings | None, Check]:
    from dynfocus_cli.cli.config import load_settings

    try:
        settings = load_settings()
    except UsageError as error:
        return None, Check("settings", "fix", with_flags(str(error)), code=error.exit_code)
    if settings.exists:
        return settings, Check("settings", "ok", str(settings.file))
    return settings, Check("settings", "ok", f"none; they would stand in {settings.file}")


def _variables() -> Check:
    from dynfocus_cli.cli.config import unknown_variables

    unknown = unknown_variables()
    if not unknown:
        return Check("variables", "ok", "none that is misspelt")
    meant = "; ".join(f"{name} ({near}?)" if near else name for name, near in unknown.items())
    return Check("variables", "note", f"not known, so without effect: {meant}", "Correct or unset them.")
