"""What a user can settle once, in `dynfocus.toml` or in `DYNFOCUS_*` variables; `config.py` reads both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from dynfocus_cli.cli.options import Device, HwaccelName, Quantization, ScorerName

VARIABLE = "DYNFOCUS_CONFIG"
"""Names another file, or with /dev/null none."""

PREFIX = "DYNFOCUS_"

Value = str | int | float | bool
Kind = Literal["text", "number", "count", "flag"]

_ANSWERING = ("ask", "chat")
_ALL = ("ask", "inspect", "chat")
_VIDEOS = (*_ALL, "train")
"""Those that look at videos; what to train, and how, is of one run alone."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of the file, and the variable of the same name."""

    key: str
    kind: Kind
    what: str
    commands: tuple[str, ...] = ()
    """Those with an option of this name; none for a folder, which every command uses."""
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """As the environment has it: key-ratio -> DYNFOCUS_KEY_RATIO."""
        return PREFIX + self.key.replace("-", "_").upper()

    @property
    def parameter(self) -> str:
        """As the commands' functions have it: key-ratio -> key_ratio."""
        return self.key.replace("-", "_")


SETTINGS = {
    setting.key: setting
    for setting in (
        Setting("model", "text", "Model to use, a name or a folder.", _ALL),
        Setting("device", "text", "Where to run the model.", _VIDEOS, get_args(Device)),
        Setting("quantize", "text", "Bits of the language model's weights.", _ALL, get_args(Quantization)),
        Setting("fps", "number", "Frames a second; excludes frames.", _VIDEOS),
        Setting("frames", "count", "Number of frames, evenly spaced; excludes fps.", _VIDEOS),
        Setting("max-frames", "count", "Most frames.", _VIDEOS),
        Setting("prototypes", "count", "Events to divide a video into.", _VIDEOS),
        Setting("key-ratio", "number", "Share of the events judged meaningful.", _VIDEOS),
        Setting("budget", "count", "Most tokens that a video may take.", _ALL),
        Setting("scorer", "text", "What ranks the events.", _ALL, get_args(ScorerName)),
        Setting("seed", "count", "Decides what is drawn above temperature 0.", _ALL),
        Setting("max-new-tokens", "count", "Longest answer, in tokens.", _ANSWERING),
        Setting("temperature", "number", "Above 0, words are drawn.", _ANSWERING),
        Setting("subtitles", "text", "Whether to look for subtitles.", _ALL, ("auto", "off")),
        Setting("hwaccel", "text", "Decode on the GPU.", _VIDEOS, get_args(HwaccelName)),
        Setting("no-cache", "flag", "Keep nothing of a video.", _VIDEOS),
        Setting("quiet", "flag", "No evidence, no progress.", _VIDEOS),
        Setting("models-dir", "text", "Folder of installed models."),
        Setting("cache-dir", "text", "Folder of the cache."),
        Setting("cache-size", "text", "Most that the cache may hold, as 5GiB; 0 keeps nothing."),
    )
}
"""What can be settled: choices that outlast a run. A question, a time or a file to write is of one run alone,
and `--json` is what a script relies on getting, or on not getting."""

COMMANDS = tuple(dict.fromkeys(command for setting in SETTINGS.values() for command in setting.commands))
"""Those with a table of their own."""

EXCLUDE = {"fps": "frames", "frames": "fps"}
"""Two ways to say the same: the one said at a higher level wins."""


OTHER_VARIABLES = {
    VARIABLE: "Another settings file than the user's; /dev/null for none.",
    "DYNFOCUS_DEBUG": "1 shows where an error comes from, as a Python traceback.",
    "DYNFOCUS_REQUIRE_GPU": "1 fails the tests that need a GPU where there is none. For developers.",
}
"""Variables that are no setting: name -> what they do."""


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """A value, and who said so."""

    key: str
    value: Value
    origin: str
    """For a message: the file and key, or the variable."""

    @property
    def spelt(self) -> str:
        """The value as TOML has it, without quotes."""
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is settled, checked."""

    file: Path
    """The file in force, or the place where one would be."""
    exists: bool
    shared: Mapping[str, ConfigValue]
    tables: Mapping[str, Mapping[str, ConfigValue]]
    variables: Mapping[str, ConfigValue]

    def of_command(self, command: str) -> dict[str, ConfigValue]:
        """What holds for a command's options, by key."""
        found: dict[str, ConfigValue] = {}
        for level in (self.shared, self.tables.get(command, {}), self.variables):
            here = {key: value for key, value in level.items() if command in SETTINGS[key].commands}
            for key in here:
                found.pop(EXCLUDE.get(key, ""), None)
            found |= here
        return found

    def folders(self) -> dict[str, str]:
        """Variables that the file sets for the library, which knows no file: name -> value."""
        return {
            SETTINGS[key].variable: str(settled.value)
            for key, settled in self.shared.items()
            if not SETTINGS[key].commands and key not in self.variables
        }

    def __iter__(self) -> Iterator[ConfigValue]:
        """Everything that somebody said, in force or not."""
        for level in (self.shared, *self.tables.values(), self.variables):
            yield from level.values()

    def overruled(self, settled: ConfigValue) -> bool:
        """Whether something higher says otherwise, in every command that it would be for."""
        if commands := SETTINGS[settled.key].commands:
            return all(self.of_command(command).get(settled.key) is not settled for command in commands)
        return settled.key in self.variables and self.variables[settled.key] is not settled
