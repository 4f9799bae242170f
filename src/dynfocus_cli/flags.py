"""How a field of an options dataclass is set by a user: declared with the field, free of Typer and torch.

    @dataclass(frozen=True, slots=True)
    class SamplingOptions:
        fps: float | None = setting("--fps F", VIDEOS, "Sample F frames a second.", ABOVE_ZERO)

        def __post_init__(self) -> None:
            check_values(self)

What follows from these declarations: a command's parameters (`cli/parameters.py`), what a file or a
variable can set (`cli/settings.py`), the key of a result, and what a training can be resumed with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, partial
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from dynfocus_cli.errors import UsageError

Kind = Literal["text", "number", "count", "flag"]


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that a field takes."""

    requirement: str
    """As in a message, after "must"."""
    least: float = -math.inf
    most: float = math.inf
    without: tuple[float, ...] = ()
    """Ends of the range that are not in it."""
    by_parser: bool = False
    """Whether the command line's parser checks it as well, and shows it on the help page."""

    def __contains__(self, number: float) -> bool:
        return self.least <= number <= self.most and number not in self.without

    @property
    def parser_bounds(self) -> dict[str, Any]:
        """`min` and `max` for Typer, where its parser checks them."""
        ends = {"min": self.least, "max": self.most}
        return {name: end for name, end in ends.items() if self.by_parser and math.isfinite(end)}


AT_LEAST_ONE = Range("be at least 1", least=1)
SHARE = Range("lie above 0 and at most 1", 0, 1, without=(0,))


@dataclass(frozen=True, slots=True)
class Flag:
    """The option of the command line that sets a field."""

    name: str
    """With its dashes; an argument has none, and is in capitals."""
    help: str
    commands: tuple[str, ...] = ()
    """Those that have it; none for a setting of the whole program, which is no flag."""
    short: str = ""
    """One letter for it, with its dash."""
    metavar: str | None = None
    range: Range | None = None
    configurable: bool = False
    """Whether `dynfocus.toml` and the environment may set it."""
    config_choices: tuple[str, ...] = ()
    """What they may set it to, where that is less than on the command line."""
    affects_result: bool = True
    """Whether it is part of the key of a result, and of what a training can be resumed with."""
    is_time: bool = False
    """Seconds in the field, a time like 1:30 on the command line."""
    words: tuple[str, str] | None = None
    """What the command line has for True and for False."""
    help_by_command: Mapping[str, str] = field(default_factory=dict)
    """The help of commands where it differs."""
    default_by_command: Mapping[str, Any] = field(default_factory=dict)
    """The default of commands where it differs."""
    field_name: str = ""
    type: Any = str
    """Of the field, without None."""
    optional: bool = False
    """Whether the field may be None."""
    default: Any = None

    @property
    def key(self) -> str:
        """In the settings file: --key-ratio -> key-ratio"""
        return self.name.partition("/")[0].removeprefix("--")

    @property
    def parameter(self) -> str:
        """Of a command: --key-ratio -> key_ratio"""
        return self.key.replace("-", "_").lower()

    @property
    def variable(self) -> str:
        """Of the environment: --key-ratio -> DYNFOCUS_KEY_RATIO"""
        return f"DYNFOCUS_{self.parameter.upper()}"

    @property
    def kind(self) -> Kind:
        """Of its value in the settings file."""
        kinds: dict[Any, Kind] = {bool: "flag", int: "count", float: "number"}
        return kinds.get(self.type, "text")

    @property
    def choices(self) -> tuple[str, ...]:
        """All that it may be in the settings file; empty where that is no matter of a choice."""
        return self.config_choices or (get_args(self.type) if get_origin(self.type) is Literal else ())

    def problem(self, value: Any) -> str | None:
        """What a wrong value must be, as in `must be at least 1, got 0.`; None for one that is not."""
        if get_origin(self.type) is Literal and value not in get_args(self.type):
            return f"must be one of {', '.join(get_args(self.type))}, got {value!r}."
        if self.range is None or value in self.range:
            return None
        return f"must {self.range.requirement}, got {format(value, 'g') if self.kind == 'number' else value}."


def flag(
    spelled: str,
    commands: tuple[str, ...],
    help: str,
    range: Range | None = None,
    *,
    default: Any = None,
    **more: Any,
) -> Any:
    """A dataclass's field with its `Flag`.

    Args:
        spelled: as a help page has it: `-o, --output FILE`, or `DATA` for an argument.
        more: the other fields of `Flag`.
    """
    *short, rest = spelled.split(", ")
    name, _, metavar = rest.partition(" ")
    declared = Flag(name, help, commands, "".join(short), metavar or None, range, **more)
    return field(default=default, metadata={"flag": declared})


setting = partial(flag, configurable=True)
"""A `flag` that the settings file and the environment may set as well."""


def is_options(kind: Any) -> bool:
    """Whether a field or parameter of this type is a dataclass, whose fields may have flags."""
    return hasattr(kind, "__dataclass_fields__")


@cache
def flags_of(options: type) -> tuple[Flag, ...]:
    """The flags of a dataclass and of those in its fields, in the order of the fields."""
    flags: list[Flag] = []
    hints = get_type_hints(options)
    for each in fields(options):
        hint: Any = hints[each.name]
        if is_options(hint):
            flags += flags_of(hint)
        elif "flag" in each.metadata:
            kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
            flags.append(
                replace(
                    each.metadata["flag"],
                    field_name=each.name,
                    type=next(kind for kind in kinds if kind is not type(None)),
                    optional=len(kinds) > 1,
                    default=each.default,
                )
            )
    return tuple(flags)


def values_of(options: Any) -> Iterator[tuple[Flag, Any]]:
    """The value of each flag of a dataclass and of those in its fields."""
    flags = {flag.field_name: flag for flag in flags_of(options.__class__)}
    for each in fields(options):
        value = getattr(options, each.name)
        if is_options(value):
            yield from values_of(value)
        elif each.name in flags:
            yield flags[each.name], value


def check_values(options: Any) -> None:
    """Raises UsageError for a value that is out of its flag's range, or is none of its choices."""
    for flag, value in values_of(options):
        if value is not None and (problem := flag.problem(value)):
            raise UsageError(f"`{flag.field_name}` {problem}")
