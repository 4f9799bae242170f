"""What `dynfocus.toml` and `DYNFOCUS_*` variables can set for all runs; `config.py` reads both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dynfocus_cli.cli.options import ModelRequest, OutputOptions
from dynfocus_cli.cli.parameters import in_page_order
from dynfocus_cli.flags import Flag, flags_of
from dynfocus_cli.options import RunOptions

VARIABLE = "DYNFOCUS_CONFIG"
"""Names another file, or with /dev/null none."""

PREFIX = "DYNFOCUS_"

Value = str | int | float | bool

_FLAGS = {
    flag.parameter: flag
    for options in (ModelRequest, RunOptions, OutputOptions)
    for flag in flags_of(options)
}

SETTINGS: dict[str, Flag] = {
    _FLAGS[name].key: _FLAGS[name]
    for name in ("model", "device", "quantize", *in_page_order(_FLAGS))
    if _FLAGS[name].configurable
} | {
    "models-dir": Flag("--models-dir", "Folder of installed models."),
    "cache-dir": Flag("--cache-dir", "Folder of the cache."),
    "cache-size": Flag(
        "--cache-size", "Most that frames' features may take in the cache, as 5GiB; 0 keeps nothing."
    ),
}
"""What can be set: choices that outlast a run, and the folders, which no command has a flag for. A
question, a time or a file to write is of one run alone, and `--json` is what a script relies on getting, or
on not getting."""

COMMANDS = tuple(dict.fromkeys(command for setting in SETTINGS.values() for command in setting.commands))
"""Those with a table of their own."""

EXCLUDE = {"fps": "frames", "frames": "fps"}
"""Two ways to say the same: the one said at a higher level wins."""


OTHER_VARIABLES = {
    VARIABLE: "Another settings file than the user's; /dev/null for none.",
    "DYNFOCUS_DEBUG": "1 shows where an error comes from, as a Python traceback.",
    "DYNFOCUS_JUDGE_KEY": "Key for the endpoint that judges answers; else OPENAI_API_KEY.",
    "DYNFOCUS_REQUIRE_GPU": "1 fails the tests that need a GPU where there is none. For developers.",
}
"""Variables that are no setting: name -> what they do."""


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """A value of a setting, and where it stands."""

    key: str
    value: Value
    origin: str
    """For a message: the file and key, or the variable."""

    @property
    def text(self) -> str:
        """The value as TOML has it, without quotes."""
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)


@dataclass(frozen=True, slots=True)
class Settings:
    """All values of the file and the environment, checked."""

    file: Path
    """The file in force, or the place where one would be."""
    exists: bool
    tables: Mapping[str, Mapping[str, ConfigValue]]
    """Those of the file by command; "" has those at its top."""
    variables: Mapping[str, ConfigValue]

    def of_command(self, command: str) -> dict[str, ConfigValue]:
        """What holds for a command's options, by key."""
        values: dict[str, ConfigValue] = {}
        for level in (self.tables[""], self.tables.get(command, {}), self.variables):
            here = {key: value for key, value in level.items() if command in SETTINGS[key].commands}
            for key in here:
                values.pop(EXCLUDE.get(key, ""), None)
            values |= here
        return values

    def folders(self) -> dict[str, str]:
        """Variables that the file sets for the library, which knows no file: name -> value."""
        return {
            SETTINGS[key].variable: str(value.value)
            for key, value in self.tables[""].items()
            if not SETTINGS[key].commands and key not in self.variables
        }

    def __iter__(self) -> Iterator[ConfigValue]:
        """Every value, in force or not."""
        for level in (*self.tables.values(), self.variables):
            yield from level.values()

    def is_overruled(self, value: ConfigValue) -> bool:
        """Whether another value is in force in every command that it would be for."""
        if commands := SETTINGS[value.key].commands:
            return all(self.of_command(command).get(value.key) is not value for command in commands)
        return value.key in self.variables and self.variables[value.key] is not value
