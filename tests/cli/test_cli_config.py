"""The settings file and the variables: what wins, and what is wrong said with file and key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli import types
from dynfocus_cli.cli.app import app
from dynfocus_cli.cli.config import load_settings, unknown_variables
from dynfocus_cli.cli.settings import COMMANDS, SETTINGS
from dynfocus_cli.errors import UsageError


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`config("fps = 2")` writes the settings file that is in force."""
    file = tmp_path / "settings" / "dynfocus.toml"

    def write(text: str | bytes) -> Path:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.setenv("DYNFOCUS_CONFIG", str(file))
        return file

    return write


def options_of(command: str) -> dict[str, list[str]]:
    found = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    found = getattr(found, "commands", {}).get("run", found)  # of `eval`, the one that runs a model
    return {parameter.name: parameter.opts for parameter in found.params}


@pytest.mark.slow
def test_every_setting_is_an_option_of_its_commands():
    for setting in SETTINGS.values():
        for command in COMMANDS:
            there = f"--{setting.key}" in options_of(command).get(setting.parameter, [])
            # What to train, and how, is of one run alone.
            of_one_run = command == "train" and setting.key in ("model", "quantize", "scorer", "seed")
            of_one_run |= (command, setting.key) == ("eval", "subtitles")  # those of the benchmark, or none
            assert there == (command in setting.commands or of_one_run), (setting.key, command)


def test_choices_are_those_of_the_options():
    assert SETTINGS["device"].choices == get_args(types.Device)
    assert SETTINGS["scorer"].choices == get_args(types.Scorer)


def test_a_flag_beats_a_variable_beats_a_table_beats_the_top(run, stand_in, clip, config, monkeypatch):
    config('device = "cuda"\nfps = 1\nseed = 5\n[ask]\nfps = 2.5\nmax-new-tokens = 7\n')
    run("ask", clip("a.mp4"), "q")
    options = stand_in.calls[-1][2]
    assert (options.sampling.fps, options.generation.max_new_tokens, options.generation.seed) == (2.5, 7, 5)
    assert stand_in.loads[-1] == (None, "cuda", None)

    monkeypatch.setenv("DYNFOCUS_FPS", "3")
    monkeypatch.setenv("DYNFOCUS_NO_CACHE", "yes")
    run("ask", "a.mp4", "q", "--device", "cpu")
    options = stand_in.calls[-1][2]
    assert (options.sampling.fps, options.decoding.cache) == (3.0, False)
    assert stand_in.loads[-1][1] == "cpu"

    run("ask", "a.mp4", "q", "--fps", "4")
    assert stand_in.calls[-1][2].sampling.fps == 4.0
    run("inspect", "a.mp4", "--fps", "4")
    assert stand_in.calls[-1][2].sampling.fps == 4.0


def test_a_table_is_for_its_command_alone(run, stand_in, clip, config):
    config('[inspect]\nscorer = "density"\n')
    assert run("ask", clip("a.mp4"), "q").exit_code == 0
    assert stand_in.calls[-1][2].selection.scorer is None
    run("inspect", "a.mp4")
    assert stand_in.calls[-1][2].selection.scorer == "density"


def test_of_two_ways_to_say_the_same_the_higher_one_wins(run, stand_in, clip, config, monkeypatch):
    config("fps = 2\n")
    clip("a.mp4")
    assert run("ask", "a.mp4", "q", "--frames", "8").exit_code == 0
    assert (stand_in.calls[-1][2].sampling.fps, stand_in.calls[-1][2].sampling.frames) == (None, 8)
    monkeypatch.setenv("DYNFOCUS_FRAMES", "9")
    run("ask", "a.mp4", "q")
    assert (stand_in.calls[-1][2].sampling.fps, stand_in.calls[-1][2].sampling.frames) == (None, 9)
    run("ask", "a.mp4", "q", "--fps", "3")
    assert (stand_in.calls[-1][2].sampling.fps, stand_in.calls[-1][2].sampling.frames) == (3.0, None)


def test_a_variable_takes_a_flag_of_the_file_back(run, stand_in, clip, config, monkeypatch):
    config("quiet = true\n")
    assert run("ask", clip("a.mp4"), "q").stderr == ""
    monkeypatch.setenv("DYNFOCUS_QUIET", "0")
    assert "video tokens" in run("ask", "a.mp4", "q").stderr


def test_the_file_in_the_users_folder(run, stand_in, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    file = tmp_path / "config" / "dynfocus" / "dynfocus.toml"
    file.parent.mkdir(parents=True)
    file.write_text("fps = 2\n")
    assert load_settings().file == file
    run("ask", clip("a.mp4"), "q")
    assert stand_in.calls[-1][2].sampling.fps == 2.0
    file.write_text("\ufefffps = 3\n", encoding="utf-8")  # as some editors save it
    run("ask", "a.mp4", "q")
    assert stand_in.calls[-1][2].sampling.fps == 3.0
    monkeypatch.setenv("DYNFOCUS_CONFIG", "/dev/null")
    run("ask", "a.mp4", "q")
    assert stand_in.calls[-1][2].sampling.fps is None


def test_folders_hold_for_every_command_and_the_variables_beat_them(run, config, tmp_path, monkeypatch):
    config(f'cache-dir = "{tmp_path}/kept"\ncache-size = "1GiB"\nmodels-dir = "{tmp_path}/models"\n')
    assert run("cache", "info").stdout.splitlines()[::3] == [f"folder  {tmp_path}/kept", "limit   1.0 GiB"]
    assert f'"folder": "{tmp_path}/models"' in run("models", "list", "--json").stdout
    monkeypatch.setenv("DYNFOCUS_CACHE_DIR", str(tmp_path / "other"))
    assert run("cache", "info").stdout.startswith(f"folder  {tmp_path}/other\n")
    monkeypatch.delenv("DYNFOCUS_CACHE_DIR")
    monkeypatch.setenv("DYNFOCUS_CONFIG", "/dev/null")
    assert "kept" not in run("cache", "info").stdout, "a run leaves the environment as it was"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('modle = "x"', "modle is no setting; did you mean model?"),
        ("max_new_tokens = 4", "max_new_tokens is no setting; did you mean max-new-tokens?"),
        ("[ask]\nfsp = 4", "[ask] fsp is no setting; did you mean fps?"),
        ("json = true", "json is no setting; there are model, device, "),
        ("[aks]\nfps = 2", "there is no table [aks]; did you mean [ask]?"),
        (
            "[models]\nfps = 2",
            "there is no table [models]; there are [ask], [inspect], [chat], [eval], [find], "
            "[index], [train].",
        ),
        ("[inspect]\ntemperature = 1", "[inspect] temperature is an option of ask, chat and eval alone."),
        ('[ask]\ncache-dir = "/x"', "[ask] cache-dir belongs to the top of the file"),
        ('fps = "2"', "fps must be a number, got '2'."),
        ("fps = true", "fps must be a number, got true."),
        ("fps = inf", "fps must be a number, got inf."),
        ("frames = 2.5", "frames must be a whole number, got 2.5."),
        ("frames = 0", "frames must be at least 1, got 0."),
        ("fps = -2", "fps must be above 0, got -2."),
        ("key-ratio = 1.5", "key-ratio must lie above 0 and at most 1, got 1.5."),
        ("seed = -1", "seed must lie between 0 and 4294967295, got -1."),
        ("[ask]\ntemperature = 1e9", "[ask] temperature must lie between 0 and "),
        ('quiet = "yes"', "quiet must be true or false, got 'yes'."),
        ('device = "gpu"', 'device must be "auto" or "cpu" or "cuda", got \'gpu\'.'),
        ('subtitles = "a.srt"', 'subtitles must be "auto" or "off", got \'a.srt\'.'),
        ('model = ""', "model must be a text in quotes, got ''."),
        ("model = 1979-05-27", "model must be a text in quotes, got datetime.date(1979, 5, 27)."),
        ("[model]\nname = 1", "model must be a text in quotes, got {'name': 1}."),
        ("fps = 2\nframes = 3", "fps and frames exclude each other"),
        ("[ask]\nfps = 2\nframes = 3", "[ask] fps and frames exclude each other"),
        ('models-dir = "models"', "models-dir must be an absolute path, or begin with ~, got 'models'."),
        (f"frames = 1{'0' * 400}", "frames must be a number of at most 308 digits."),
        (f"fps = -1{'0' * 400}", "fps must be a number of at most 308 digits."),
        ('models-dir = "/a\\u0000b"', r"models-dir must be a text without a zero character, got '/a\x00b'."),
        ('model = "~a\\u0000b/c"', r"model must be a text without a zero character, got '~a\x00b/c'."),
        ('cache-size = "lots"', "cache-size must be a size like 5GiB, 500MB or 0, got 'lots'."),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(run, stand_in, clip, config, text, said):
    file = config(text)
    result = run("ask", clip("a.mp4"), "q")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {file}: {said}")
    assert result.stderr.count("\n") == 1
    assert stand_in.calls == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fps = 2\nframes = = 3\n", "is no TOML: Invalid value (at line 2, column 10)."),
        ("fps = 2\nfps = 3\n", "is no TOML: Cannot overwrite a value (at line 2, column 8)."),
        (b"\xff\xfe", "is no TOML: it is not written in UTF-8."),
    ],
)
def test_a_broken_file_is_told_with_line_and_column(run, config, text, said):
    file = config(text)
    for command in (["ask", "gone.mp4", "q"], ["cache", "info"], ["models", "list"]):
        result = run(*command)
        assert (result.exit_code, result.stderr) == (2, f"Error: {file} {said}\n")


@pytest.mark.parametrize("text", ["frames = 1" + "0" * 5000, "frames = " + "[" * 100_000])
def test_a_file_that_python_cannot_read_is_told(run, config, text):
    file = config(text)
    result = run("cache", "info")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert result.stderr.startswith(f"Error: {file} cannot be read: ")


def test_a_file_that_is_named_and_not_there(run, tmp_path, monkeypatch):
    monkeypatch.setenv("DYNFOCUS_CONFIG", str(tmp_path / "gone.toml"))
    assert "gone.toml, and there is no such file" in run("cache", "info").stderr
    monkeypatch.setenv("DYNFOCUS_CONFIG", str(tmp_path))
    result = run("cache", "info")
    assert (result.exit_code, "cannot be read: Is a directory" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DYNFOCUS_DEVICE", "gpu", 'DYNFOCUS_DEVICE must be "auto" or "cpu" or "cuda", got \'gpu\'.'),
        ("DYNFOCUS_FPS", "fast", "DYNFOCUS_FPS must be a number, got 'fast'."),
        ("DYNFOCUS_FRAMES", "0", "DYNFOCUS_FRAMES must be at least 1, got 0."),
        ("DYNFOCUS_FRAMES", "1" + "0" * 400, "DYNFOCUS_FRAMES must be a number of at most 308 digits."),
        ("DYNFOCUS_QUIET", "maybe", "DYNFOCUS_QUIET must be true or false, got 'maybe'."),
    ],
)
def test_a_wrong_variable_is_named(run, name, value, said, monkeypatch):
    monkeypatch.setenv(name, value)
    result = run("ask", "gone.mp4", "q")
    assert (result.exit_code, result.stderr) == (2, f"Error: {said}\n")


def test_an_empty_variable_says_nothing(run, stand_in, clip, monkeypatch):
    monkeypatch.setenv("DYNFOCUS_FPS", "")
    monkeypatch.setenv("DYNFOCUS_CONFIG", "")
    assert run("ask", clip("a.mp4"), "q").exit_code == 0


def test_misspelt_variables_are_found(monkeypatch):
    monkeypatch.setenv("DYNFOCUS_MODLE", "x")
    monkeypatch.setenv("DYNFOCUS_DEBUG", "1")
    assert unknown_variables() == {"DYNFOCUS_MODLE": "DYNFOCUS_MODEL"}


def test_a_model_at_home(config, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config('model = "~/models/mine"')
    assert load_settings().of_command("ask")["model"].value == "/home/me/models/mine"


@given(st.dictionaries(st.sampled_from([*SETTINGS, "ask", "x"]), st.integers() | st.booleans() | st.text()))
def test_any_file_gives_settings_or_a_usage_error(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("any") / "dynfocus.toml"
    values = {key: str(value).lower() if isinstance(value, bool) else value for key, value in content.items()}
    file.write_text("\n".join(f"{key} = {value!r}" for key, value in values.items()), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNFOCUS_CONFIG", str(file))
        try:
            settings = load_settings()
        except UsageError as error:
            said = str(error)
        else:
            said = str(settings.file)
    assert said.startswith(str(file))


@pytest.mark.parametrize("columns", ["50", "80"])
def test_help_and_version_do_not_read_the_file(config, columns, monkeypatch):
    config("this is no TOML")
    monkeypatch.setenv("COLUMNS", columns)
    for arguments in (["--help"], ["ask", "--help"], ["cache", "info", "-h"], ["--version"]):
        code = "from dynfocus_cli.cli.entry import main; main()"
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), arguments


def test_help_shows_the_built_in_value(config, run):
    config('device = "cuda"\n')
    assert "[default: auto]" in " ".join(run("ask", "--help").stdout.split())
