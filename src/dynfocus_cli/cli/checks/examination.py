"""All checks, in their order: causes before effects, so that the first exit code is the one to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dynfocus_cli.cli.checks import machine, storage
from dynfocus_cli.cli.checks.check import ODD, Check
from dynfocus_cli.cli.commands import environment
from dynfocus_cli.errors import DynFocusError, UsageError, first_line

if TYPE_CHECKING:
    from dynfocus_cli.cli.settings import Settings


def all_checks() -> Iterator[Check]:
    """Everything; a check that fails itself is a finding too."""
    settings, configuration = _configuration()
    yield configuration
    yield from _values(settings)
    with environment({} if settings is None else settings.folders()):
        for name, check in _checks(settings).items():
            yield _safely(name, check)


def _checks(settings: Settings | None) -> dict[str, Callable[[], Check]]:
    model, quantize, device = (_value(settings, key) for key in ("model", "quantize", "device"))
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
        "model": lambda: storage.model(model, device),
        "memory": lambda: storage.memory(model, device, quantize),
        "cache": storage.cache,
    }


def _safely(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except DynFocusError as error:
        return Check(name, "fix", str(error), code=error.exit_code)
    except Exception as error:  # a broken package raises anything
        said = f"cannot be looked at: {type(error).__name__}: {first_line(error)}"
        return Check(name, "fix", said, "Set DYNFOCUS_DEBUG=1 and run an answer to see where.", ODD)


def _value(settings: Settings | None, key: str) -> str | None:
    """What is set for `ask`."""
    found = None if settings is None else settings.of_command("ask").get(key)
    return None if found is None else str(found.value)


def _configuration() -> tuple[Settings | None, Check]:
    from dynfocus_cli.cli.config import load_settings

    try:
        settings = load_settings()
    except UsageError as error:
        return None, Check("settings", "fix", str(error), code=error.exit_code)
    if settings.exists:
        return settings, Check("settings", "ok", str(settings.file))
    return settings, Check("settings", "ok", f"none; they would stand in {settings.file}")


def _values(settings: Settings | None) -> Iterator[Check]:
    for value in settings or ():
        overruled = ", overruled" if settings is not None and settings.is_overruled(value) else ""
        yield Check("setting", "ok", f"{value.key} = {value.text} ({value.origin}){overruled}")


def _variables() -> Check:
    from dynfocus_cli.cli.config import unknown_variables

    unknown = unknown_variables()
    if not unknown:
        return Check("variables", "ok", "none that is misspelt")
    meant = "; ".join(f"{name} ({near}?)" if near else name for name, near in unknown.items())
    return Check("variables", "note", f"not known, so without effect: {meant}", "Correct or unset them.")
