"""Reads the settings: `dynfocus.toml` and the `DYNFOCUS_*` variables, both below the flags.

    model = "dynfocus-7b"        # for every command that it is for
    device = "cuda"
    models-dir = "/data/models"

    [ask]                        # for this command alone
    max-new-tokens = 128

Highest first: a flag, DYNFOCUS_MAX_NEW_TOKENS, the command's table, the top of the file, the built-in value.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

from dynfocus_cli.cli.settings import (
    COMMANDS,
    OTHER_VARIABLES,
    PREFIX,
    SETTINGS,
    VARIABLE,
    ConfigValue,
    Settings,
    Value,
)
from dynfocus_cli.errors import UsageError, first_line
from dynfocus_cli.files import expand, user_folder
from dynfocus_cli.flags import Flag

FILE_NAME = "dynfocus.toml"

_MOST_DIGITS = 308
"""Of a whole number: one with more is beyond every float, and no setting means it."""


def config_file() -> tuple[Path, bool]:
    """Where the file is, and whether DYNFOCUS_CONFIG says so."""
    if is_named := os.environ.get(VARIABLE):
        return expand(is_named), True
    return user_folder("config") / FILE_NAME, False


def load_settings() -> Settings:
    """The user's file and environment.

    Raises:
        UsageError: the file cannot be read, or a key or value in it or in the environment is wrong.
    """
    file, is_named = config_file()
    content = _content(file, is_named)
    return Settings(file, content is not None, _tables(file, content or {}), _variables())


def unknown_variables() -> dict[str, str]:
    """Variables that look like ours and are none: name -> the nearest name, or nothing."""
    known = [setting.variable for setting in SETTINGS.values()] + list(OTHER_VARIABLES)
    return {
        name: next(iter(get_close_matches(name, known, n=1)), "")
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known
    }


def _content(file: Path, is_named: bool) -> dict[str, object] | None:
    """The file as TOML; None where there is none and none was asked for."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if not is_named:
            return None
        raise UsageError(f"{VARIABLE} names {file}, and there is no such file.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no TOML: it is not written in UTF-8.") from None
    except tomllib.TOMLDecodeError as error:  # says line and column
        raise UsageError(f"{file} is no TOML: {first_line(error)}.") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets in brackets
        raise UsageError(f"{file} cannot be read: {first_line(error)}.") from None
    except OSError as error:
        if not is_named and not _exists(file):
            return None
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None


def _exists(file: Path) -> bool:
    """Whether the file exists; False where its folder cannot be searched."""
    try:
        return os.path.lexists(file)
    except OSError:
        return False


def _tables(file: Path, content: Mapping[str, object]) -> dict[str, dict[str, ConfigValue]]:
    """The values of the file by command; "" has those at its top."""
    tables: dict[str, dict[str, ConfigValue]] = {"": {}}
    for key, value in content.items():
        if isinstance(value, dict) and key not in SETTINGS:
            if key not in COMMANDS:
                raise UsageError(f"{file}: there is no table [{key}]{_suggestion(key, COMMANDS, '[{}]')}")
            tables[key] = {name: _config_value(file, key, name, one) for name, one in value.items()}
        else:
            tables[""][key] = _config_value(file, "", key, value)
    for command, table in tables.items():
        _check_exclusion(table, f"{file}: [{command}] " if command else f"{file}: ")
    return tables


def _variables() -> dict[str, ConfigValue]:
    level = {
        # The library itself reads and checks the folders' variables.
        key: ConfigValue(
            key,
            _checked(setting, _parsed(setting, text), setting.variable) if setting.commands else text,
            setting.variable,
        )
        for key, setting in SETTINGS.items()
        if (text := os.environ.get(setting.variable))
    }
    _check_exclusion(level, PREFIX)
    return level


def _config_value(file: Path, command: str, key: str, value: object) -> ConfigValue:
    where = f"{file}: [{command}] {key}" if command else f"{file}: {key}"
    setting = SETTINGS.get(key)
    of_command = [name for name, one in SETTINGS.items() if not command or command in one.commands]
    if setting is None:
        raise UsageError(f"{where} is no setting{_suggestion(key, of_command, '{}')}")
    if key not in of_command:
        if not setting.commands:
            raise UsageError(f"{where} belongs to the top of the file, since all commands use it.")
        *others, last = setting.commands
        names = f"{', '.join(others)} and {last}" if others else last
        raise UsageError(f"{where} is an option of {names} alone.")
    return ConfigValue(key, _checked(setting, value, where), where)


def _checked(setting: Flag, value: Any, where: str) -> Value:
    """`value` where it is one that the option would take. Raises UsageError."""
    if problem := _problem(setting, value):
        raise UsageError(f"{where} {problem}")
    checked: Value = os.path.expanduser(value) if setting.key == "model" else value
    return checked


def _problem(setting: Flag, value: Any) -> str | None:
    """What a value must be that the option would not take, as `Flag.problem` has it; None for any other."""
    if isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
        return f"must be a number of at most {_MOST_DIGITS} digits."
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    fits, expected = {
        "flag": (isinstance(value, bool), "true or false"),
        "count": (is_number and isinstance(value, int), "a whole number"),
        "number": (is_number and isfinite(value), "a number"),
        "text": (isinstance(value, str) and value != "", "a text in quotes"),
    }[setting.kind]
    if setting.choices:
        fits, expected = value in setting.choices, " or ".join(f'"{choice}"' for choice in setting.choices)
    if not fits:
        return f"must be {expected}, got {_toml(value)}."
    if isinstance(value, str) and "\0" in value:
        return f"must be a text without a zero character, got {_toml(value)}."
    if setting.key.endswith("-dir") and not os.path.isabs(os.path.expanduser(value)):
        return f"must be an absolute path, or begin with ~, got {value!r}."
    return _size_problem(value) if setting.key == "cache-size" else setting.problem(value)


def _size_problem(size: str) -> str | None:
    from dynfocus_cli.features.cache import parse_size

    try:
        parse_size(size)
    except UsageError as error:  # begins with the variable's name
        return str(error).partition(" ")[2]
    return None


def _parsed(setting: Flag, text: str) -> object:
    """What a variable's text stands for; the text itself where it stands for nothing of the kind."""
    read: Mapping[str, Callable[[str], object]] = {
        "flag": lambda text: _FLAGS[text.strip().lower()],
        "count": int,
        "number": float,
    }
    try:
        return read.get(setting.kind, str)(text)
    except (KeyError, ValueError):
        return text


_FLAGS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)


def _check_exclusion(level: Mapping[str, ConfigValue], where: str) -> None:
    if "fps" in level and "frames" in level:
        raise UsageError(f"{where}fps and frames exclude each other: leave one of them out.")


def _suggestion(word: str, known: Sequence[str], spelling: str) -> str:
    """The end of a message about an unknown name: the nearest known one, or all."""
    near = get_close_matches(word.lower().replace("_", "-"), known, n=1)
    if near:
        return f"; did you mean {spelling.format(near[0])}?"
    return f"; there are {', '.join(spelling.format(name) for name in known)}."


def _toml(value: object) -> str:
    """The value as TOML writes it, shortened to a line."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
