"""Reads what a user has settled: `dynfocus.toml` and the `DYNFOCUS_*` variables, both below the flags.

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
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from math import isfinite
from pathlib import Path

from dynfocus_cli.cli.options import MAX_SEED
from dynfocus_cli.cli.settings import (
    COMMANDS,
    OTHER_VARIABLES,
    PREFIX,
    SETTINGS,
    VARIABLE,
    ConfigValue,
    Setting,
    Settings,
    Value,
)
from dynfocus_cli.errors import UsageError, first_line
from dynfocus_cli.files import expand, user_folder

FILE_NAME = "dynfocus.toml"


def config_file() -> tuple[Path, bool]:
    """Where the file is, and whether DYNFOCUS_CONFIG says so."""
    if chosen := os.environ.get(VARIABLE):
        return expand(chosen), True
    return user_folder("config") / FILE_NAME, False


def load_settings() -> Settings:
    """The user's file and environment.

    Raises:
        UsageError: the file cannot be read, or a key or value in it or in the environment is wrong.
    """
    file, chosen = config_file()
    content = _content(file, chosen)
    shared, tables = _of_file(file, content or {})
    return Settings(file, content is not None, shared, tables, _of_environment())


def unknown_variables() -> dict[str, str]:
    """Variables that look like ours and are none: name -> the name that was meant, or nothing."""
    known = [setting.variable for setting in SETTINGS.values()] + list(OTHER_VARIABLES)
    return {
        name: next(iter(get_close_matches(name, known, n=1)), "")
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known
    }


def _content(file: Path, chosen: bool) -> dict[str, object] | None:
    """The file as TOML; None where there is none and none was asked for."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not chosen:
            return None
        raise UsageError(f"{VARIABLE} names {file}, and there is no such file.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no TOML: it is not written in UTF-8.") from None
    except tomllib.TOMLDecodeError as error:  # says line and column
        raise UsageError(f"{file} is no TOML: {first_line(error)}.") from None
    except OSError as error:
        if not chosen and not _exists(file):
            return None
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None


def _exists(file: Path) -> bool:
    """False also where the way there is closed: a home that is no folder, or another user's."""
    try:
        return os.path.lexists(file)
    except OSError:
        return False


def _of_file(
    file: Path, content: Mapping[str, object]
) -> tuple[dict[str, ConfigValue], dict[str, dict[str, ConfigValue]]]:
    """The top of the file, and its tables."""
    shared: dict[str, ConfigValue] = {}
    tables: dict[str, dict[str, ConfigValue]] = {}
    for key, value in content.items():
        if isinstance(value, dict) and key not in SETTINGS:
            if key not in COMMANDS:
                raise UsageError(f"{file}: there is no table [{key}]{_meant(key, COMMANDS, '[{}]')}")
            tables[key] = {name: _settled(file, name, one, key) for name, one in value.items()}
        else:
            shared[key] = _settled(file, key, value, None)
    for level, table in ((shared, ""), *((level, f"[{name}] ") for name, level in tables.items())):
        _check_exclusion(level, f"{file}: {table}")
    return shared, tables


def _of_environment() -> dict[str, ConfigValue]:
    found = {
        # The library itself reads and checks the folders' variables.
        key: ConfigValue(
            key,
            _checked(setting, _parsed(setting, text), setting.variable) if setting.commands else text,
            setting.variable,
        )
        for key, setting in SETTINGS.items()
        if (text := os.environ.get(setting.variable))
    }
    _check_exclusion(found, PREFIX)
    return found


def _settled(file: Path, key: str, value: object, command: str | None) -> ConfigValue:
    where = f"{file}: {key}" if command is None else f"{file}: [{command}] {key}"
    setting = SETTINGS.get(key)
    of_command = [name for name, one in SETTINGS.items() if command is None or command in one.commands]
    if setting is None:
        raise UsageError(f"{where} is no setting{_meant(key, of_command, '{}')}")
    if key not in of_command:
        if not setting.commands:
            raise UsageError(f"{where} belongs to the top of the file, since all commands use it.")
        raise UsageError(f"{where} is an option of {' and '.join(setting.commands)} alone.")
    return ConfigValue(key, _checked(setting, value, where), where)


def _checked(setting: Setting, value: object, where: str) -> Value:
    """`value` where it is one that the option would take. Raises UsageError."""
    match setting.kind:
        case "flag":
            fits, wanted = isinstance(value, bool), "true or false"
        case "count":
            fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        case "number":
            fits = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
            wanted = "a number"
        case "text":
            fits = (
                isinstance(value, str) and value != "" and (not setting.choices or value in setting.choices)
            )
            wanted = " or ".join(f'"{choice}"' for choice in setting.choices) or "a text in quotes"
    if not fits:
        raise UsageError(f"{where} must be {wanted}, got {_shown(value)}.")
    assert isinstance(value, str | int | float), "one of the kinds above"
    try:
        _check_range(setting, value)
    except UsageError as error:  # speaks of the flag
        raise UsageError(f"{where} {str(error).partition(' ')[2]}") from None
    return os.path.expanduser(value) if setting.key == "model" and isinstance(value, str) else value


def _check_range(setting: Setting, value: Value) -> None:
    """Raises UsageError as the library does, `--FLAG must be ...`."""
    from dynfocus_cli.options import GenerationOptions, SamplingOptions, SelectionOptions

    flag = f"--{setting.key}"
    match setting.key:
        case "fps" | "frames" | "max-frames":
            SamplingOptions(**{setting.parameter: value})  # type: ignore[arg-type]
        case "prototypes" | "key-ratio" | "budget":
            SelectionOptions(**{setting.parameter: value})  # type: ignore[arg-type]
        case "max-new-tokens" | "temperature":
            GenerationOptions(**{setting.parameter: value})  # type: ignore[arg-type]
        case "seed" if not 0 <= int(value) <= MAX_SEED:
            raise UsageError(f"{flag} must lie between 0 and {MAX_SEED}, got {value}.")
        case "models-dir" | "cache-dir" if not os.path.isabs(os.path.expanduser(str(value))):
            raise UsageError(f"{flag} must be an absolute path, or begin with ~, got {value!r}.")
        case "cache-size":
            from dynfocus_cli.features.cache import parse_size

            parse_size(str(value))


def _parsed(setting: Setting, text: str) -> object:
    """What a variable's text stands for; the text itself where it stands for nothing of the kind."""
    try:
        match setting.kind:
            case "flag":
                return _FLAGS[text.strip().lower()]
            case "count":
                return int(text)
            case "number":
                return float(text)
    except (KeyError, ValueError):
        pass
    return text


_FLAGS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _check_exclusion(level: Mapping[str, ConfigValue], where: str) -> None:
    if "fps" in level and "frames" in level:
        raise UsageError(f"{where}fps and frames exclude each other: leave one of them out.")


def _meant(word: str, known: Sequence[str], spelling: str) -> str:
    """What to say after a name that is none: the nearest one, or all."""
    near = get_close_matches(word.lower().replace("_", "-"), known, n=1)
    if near:
        return f"; did you mean {spelling.format(near[0])}?"
    return f"; there are {', '.join(spelling.format(name) for name in known)}."


def _shown(value: object) -> str:
    """As the file has it, at most a line."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
