"""A command's parameters, as Typer reads them, from the dataclasses of options that its function takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

import typer

from dynfocus_cli.errors import UsageError
from dynfocus_cli.flags import Flag, flags_of, is_options
from dynfocus_cli.report.writers import formats

PAGE_ORDER = (
    "questions", "model", "fps", "selector_model", "check", "choice", "seed", "max_new_tokens", "temperature",
    "quantize", "subtitles", "hwaccel", "dry_run", formats()[0].parameter, "json", "jsonl",
)  # fmt: skip
"""Parameters in the order of help pages; one that is not named follows the one that it is declared after."""


Completion = Callable[[], list[tuple[str, str]]]
"""What a shell offers for a parameter: value and description."""


def command(
    *page_order: str, name: str | None = None, completions: Mapping[str, Completion] = MappingProxyType({})
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Lets Typer read each parameter of a function that is a dataclass of options as one parameter a flag.

    Args:
        name: what flags call the command; None: as the function is called.
        completions: of parameters.
    """

    def with_flags(function: Callable[..., None]) -> Callable[..., None]:
        called = name or function.__name__
        parameters: dict[str, inspect.Parameter] = {}
        options: dict[str, Any] = {}
        flags: list[Flag] = []
        for parameter in inspect.signature(function, eval_str=True).parameters.values():
            if is_options(parameter.annotation):
                options[parameter.name] = parameter.annotation
                own = [flag for flag in flags_of(parameter.annotation) if called in flag.commands]
                parameters |= {
                    flag.parameter: _parameter(flag, called, completions.get(flag.parameter)) for flag in own
                }
                flags += own
            else:
                parameters[parameter.name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)

        def run(**arguments: Any) -> None:
            values = {flag.parameter: arguments.pop(flag.parameter) for flag in flags}
            function(**arguments, **{key: _build(kind, values) for key, kind in options.items()})

        ordered = [parameters[key] for key in in_page_order(parameters, page_order or PAGE_ORDER)]
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in ordered}
        return run

    return with_flags


def in_page_order(names: Iterable[str], page_order: Sequence[str] = PAGE_ORDER) -> list[str]:
    """Names of parameters, in the order of their declaration, as help pages have them."""
    places, place = {}, -1
    for name in names:
        places[name] = place = page_order.index(name) if name in page_order else place
    return sorted(places, key=places.__getitem__)


def _parameter(flag: Flag, command: str, completion: Completion | None) -> inspect.Parameter:
    kind: Any
    kind, default = flag.type, flag.default_by_command.get(command, flag.default)
    help = flag.help_by_command.get(command, flag.help)
    if flag.is_time:
        kind = str
    elif flag.words:
        kind, default = Literal[flag.words], None if default is None else flag.words[0 if default else 1]
    elif _is_negative(flag):
        default = False
    declared: Any
    if flag.name.isupper():
        default = inspect.Parameter.empty
        # Not checked by the parser, whose message would be another.
        declared = typer.Argument(metavar=flag.name, readable=False, help=help)
    else:
        declared = typer.Option(
            *filter(None, (flag.name, flag.short)),
            metavar=flag.metavar,
            help=help,
            autocompletion=completion,
            show_default=default is not None,
            **(flag.range.parser_bounds if flag.range else {}),
        )
    annotation: Any = Annotated[kind | None if flag.optional else kind, declared]
    return inspect.Parameter(
        flag.parameter, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _build(kind: Any, arguments: Mapping[str, Any]) -> Any:
    """A dataclass of options from a command's arguments. Raises UsageError as the dataclass does."""
    flags = {flag.field_name: flag for flag in flags_of(kind)}
    hints = get_type_hints(kind)
    values = {}
    for name in (each.name for each in fields(kind)):
        if is_options(hints[name]):
            values[name] = _build(hints[name], arguments)
        elif name in flags and flags[name].parameter in arguments:
            values[name] = _value(flags[name], arguments[flags[name].parameter])
    return kind(**values)


def _value(flag: Flag, argument: Any) -> Any:
    """What a field is, by what the command line has for it."""
    if flag.words:
        return None if argument is None else argument == flag.words[0]
    if _is_negative(flag):
        return not argument
    if not flag.is_time or argument is None:
        return argument
    from dynfocus_cli.video.timecode import parse_time

    try:
        return parse_time(argument)
    except UsageError as error:
        raise UsageError(f"{flag.name}: {error}") from error


def _is_negative(flag: Flag) -> bool:
    """Whether it switches off what is on, as --no-cache."""
    return flag.type is bool and flag.default is True
