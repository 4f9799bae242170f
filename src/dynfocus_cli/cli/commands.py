"""How every command runs: with the values of the settings, and without colour on request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from dynfocus_cli.cli.errors import reported

if TYPE_CHECKING:
    from dynfocus_cli.cli.settings import Settings

_SETTINGS = "dynfocus_cli.settings"


def _without_colour(context: typer.Context, plain: bool) -> None:
    if plain:
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
    """A command with `--no-color`, which runs within `reported`."""

    def __init__(self, *args: Any, params: list[Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, params=[*(params or []), *_shared_params()], **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with reported():
            return super().invoke(ctx)


class _Context(typer.Context):
    """Takes an option's default from the settings; a help page shows the built-in one."""

    def lookup_default(self, name: str, call: bool = True) -> Any:
        if call and not self.resilient_parsing:
            with reported():
                values = _settings(self).of_command(self._command)
            key = name.replace("_", "-")
            if key in values and not self._is_excluded(key):
                return values[key].value
        return super().lookup_default(name, call)  # type: ignore[call-overload]

    @property
    def _command(self) -> str:
        """The first word behind the program's name: settings are for a command and all below it."""
        context: Any = self
        while context.parent is not None and context.parent.parent is not None:
            context = context.parent
        return str(context.info_name or "")

    def _is_excluded(self, key: str) -> bool:
        """Whether a flag on the command line excludes it; the command line is parsed before the rest."""
        from dynfocus_cli.cli.settings import EXCLUDE

        source = self.get_parameter_source(EXCLUDE.get(key, ""))
        return source is not None and source.name == "COMMANDLINE"


class Configured(Plain):
    """A command whose options and folders the settings may set."""

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
