"""How every command is built: with parameters for the options that it takes, without colour where that is
asked for, and with what the user has settled."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer
from typer.core import TyperCommand

from dynfocus_cli.cli.errors import reported
from dynfocus_cli.errors import UsageError
from dynfocus_cli.flags import Flag, flags_of
from dynfocus_cli.report.writers import formats

if TYPE_CHECKING:
    from dynfocus_cli.cli.settings import Settings

_SETTINGS = "dynfocus_cli.settings"

PAGE_ORDER = (
    "questions", "model", "fps", "selector_model", "check", "choice", "seed", "max_new_tokens", "temperature",
    "quantize", "subtitles", "hwaccel", "dry_run", formats()[0].parameter, "json", "jsonl",
)  # fmt: skip
"""Options in the order of help pages; one that is not named follows the one that it is declared after."""


def command(
    page_order: Sequence[str] = PAGE_ORDER,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Lets Typer read a function's parameters that are dataclasses of flags as one option a flag.

    The function runs within `reported`.
    """

    def of_options(function: Callable[..., None]) -> Callable[..., None]:
        name = function.__name__
        declared: list[inspect.Parameter] = []
        options: dict[str, type] = {}
        of_flags: set[str] = set()
        for parameter in inspect.signature(function, eval_str=True).parameters.values():
            if hasattr(parameter.annotation, "__dataclass_fields__"):
                flags = [flag for flag in flags_of(parameter.annotation) if name in flag.commands]
                declared += [_parameter(flag, name) for flag in flags]
                options[parameter.name] = parameter.annotation
                of_flags |= {flag.parameter for flag in flags}
            else:
                declared.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

        def run(**given: Any) -> None:
            with reported():
                by_flag = {key: given.pop(key) for key in of_flags}
                function(**given, **{key: _build(kind, by_flag) for key, kind in options.items()})

        parameters = in_page_order(declared, lambda parameter: parameter.name, page_order)
        run.__name__, run.__doc__ = name, function.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return of_options


def in_page_order(
    declared: Sequence[Any], name_of: Callable[[Any], str], page_order: Sequence[str] = PAGE_ORDER
) -> list[Any]:
    """Parameters or flags as help pages have them."""
    places, place = [], -1
    for each in declared:
        name = name_of(each)
        place = page_order.index(name) if name in page_order else place
        places.append(place)
    return [each for _, each in sorted(zip(places, declared, strict=True), key=lambda pair: pair[0])]


def _parameter(flag: Flag, command: str) -> inspect.Parameter:
    kind, default = flag.type, flag.default
    if flag.is_time:
        kind = str
    elif flag.words:
        kind, default = Literal[flag.words], flag.words[0 if default else 1]
    elif _is_negative(flag):
        default = False
    bounds: dict[str, Any] = {}
    if flag.range is not None and flag.range.by_parser:
        ends = {"min": flag.range.least, "max": flag.range.most}
        bounds = {name: end for name, end in ends.items() if math.isfinite(end)}
    annotation = kind | None if flag.optional else kind
    if not flag.name.startswith("-"):
        # Not checked by the parser, whose message would be another.
        argument = typer.Argument(metavar=flag.name, readable=False, help=flag.help)
        return inspect.Parameter(
            flag.parameter, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[annotation, argument]
        )
    option = typer.Option(
        flag.name,
        *([flag.short] if flag.short else []),
        metavar=flag.metavar,
        help=flag.help_of.get(command, flag.help),
        autocompletion=flag.complete,
        show_default=flag.default is not None,
        **bounds,
    )
    return inspect.Parameter(
        flag.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, option],
    )


def _build(kind: type, given: Mapping[str, Any]) -> Any:
    """A dataclass of flags from a command's arguments. Raises UsageError as the dataclass does."""
    flags = {flag.field_name: flag for flag in flags_of(kind)}
    hints = get_type_hints(kind)
    values = {}
    for each in fields(kind):
        if is_dataclass(hints[each.name]):
            values[each.name] = _build(hints[each.name], given)
        elif each.name in flags and flags[each.name].parameter in given:
            values[each.name] = _value(flags[each.name], given[flags[each.name].parameter])
    return kind(**values)


def _value(flag: Flag, given: Any) -> Any:
    """What a field is, by what the command line has for it."""
    if flag.words:
        return given == flag.words[0]
    if _is_negative(flag):
        return not given
    if not flag.is_time or given is None:
        return given
    from dynfocus_cli.video.timecode import parse_time

    try:
        return parse_time(given)
    except UsageError as error:
        raise UsageError(f"{flag.name}: {error}") from error


def _is_negative(flag: Flag) -> bool:
    """Whether it switches off what is on, as --no-cache."""
    return flag.type is bool and flag.default is True


def _without_colour(context: typer.Context, wanted: bool) -> None:
    if wanted:
        context.with_resource(environment({"NO_COLOR": "1"}))


NoColorOption = Annotated[
    bool,
    typer.Option(
        "--no-color",
        callback=_without_colour,
        expose_value=False,
        help="No colours or other styles, as with NO_COLOR=1.",
    ),
]


class Plain(TyperCommand):
    """A command with `--no-color`."""

    def __init__(self, *args: Any, params: list[Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, params=[*(params or []), *_shared_params()], **kwargs)


class _Context(typer.Context):
    """Takes an option's default from what is settled; a help page shows the built-in one."""

    def lookup_default(self, name: str, call: bool = True) -> Any:
        if call and not self.resilient_parsing:
            with reported():
                settled = _settings(self).of_command(self.info_name or "")
            key = name.replace("_", "-")
            if key in settled and not self._said_otherwise(key):
                return settled[key].value
        return super().lookup_default(name, call)  # type: ignore[call-overload]

    def _said_otherwise(self, key: str) -> bool:
        """Whether a flag excludes the option; what is on the command line is parsed before the rest."""
        from dynfocus_cli.cli.settings import EXCLUDE

        source = self.get_parameter_source(EXCLUDE.get(key, ""))
        return source is not None and source.name == "COMMANDLINE"


class Configured(Plain):
    """A command whose options and folders may be settled in the configuration."""

    context_class = _Context

    def invoke(self, ctx: Any) -> Any:
        with reported():
            ctx.with_resource(environment(_settings(ctx).folders()))
        return super().invoke(ctx)


def _settings(context: typer.Context) -> Settings:
    """Read once a run, and not for a help page."""
    if _SETTINGS not in context.meta:
        from dynfocus_cli.cli.config import load_settings

        context.meta[_SETTINGS] = load_settings()
    settings: Settings = context.meta[_SETTINGS]
    return settings


@cache
def _shared_params() -> tuple[Any, ...]:
    """Options of every command, made by Typer from a function that has them."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def shared(no_color: NoColorOption = False) -> None:
        """Never run."""

    return tuple(typer.main.get_command(app).params)


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """The block runs with these variables, for what looks there: rich, and the library's folders."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
