"""`dynfocus chat`: lines in, answers out, commands, and what goes wrong. The stand-in of conftest.py answers
about a real clip; one test asks the shipped model."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from processes import with_library
from typer.testing import CliRunner

import dynfocus_cli
from dynfocus_cli.cli.app import app
from dynfocus_cli.cli.transcript import evidence_line
from dynfocus_cli.errors import ModelUnavailable, OutOfMemory, UsageError
from dynfocus_cli.features import encoding
from dynfocus_cli.options import check_question
from dynfocus_cli.types import Answer, Check, Counterfactual
from dynfocus_cli.video.timecode import short_timecode
from strict_schema import validate
from video.clips import write_clip

DEMO = str(Path(__file__).parents[2] / "examples" / "demo.mp4")
EVIDENCE = "1 key frame: 00:00; 42 video tokens; 1.0 s\n"


@pytest.fixture
def chat(stand_in, run, tmp_path, monkeypatch):
    """`chat("What?", "/frames", options=["--quiet"])`: a chat about a clip of two seconds, from a pipe."""
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "a.mp4", range(0, 2000, 100), size=(64, 48))

    def say(*lines: str | bytes, options=()):
        stdin = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
        return run("chat", "a.mp4", *options, stdin=stdin)

    return say


def failing(monkeypatch, errors: dict[str, BaseException]) -> None:
    """Makes questions fail."""
    ask = dynfocus_cli.pipeline.ask

    def asked(video, question, *arguments, **named):
        if question in errors:
            raise errors[question]
        return ask(video, question, *arguments, **named)

    monkeypatch.setattr(dynfocus_cli.pipeline, "ask", asked)


def test_each_question_is_one_line_and_the_model_loads_once(stand_in, chat):
    result = chat("What?", "", "  Who is it?  ")
    assert (result.exit_code, result.stdout) == (0, "A red circle.\nA red circle.\n")
    assert result.stderr == EVIDENCE * 2
    assert [call[1] for call in stand_in.calls] == ["What?", "Who is it?"]
    assert len(stand_in.loads) == 1


def test_the_last_line_needs_no_end_and_lines_may_be_of_windows(stand_in, run, chat):
    assert run("chat", "a.mp4", "-q", stdin="What?\r\nWho?").stdout == "A red circle.\n" * 2
    assert [call[1] for call in stand_in.calls] == ["What?", "Who?"]


def test_no_line_is_no_failure(stand_in, chat):
    result = chat()
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_quit_leaves_the_rest_unasked(stand_in, chat):
    assert chat("What?", "/quit", "Who?").exit_code == 0
    assert len(stand_in.calls) == 1


def test_frames_shows_the_last_answers_table_beside_the_answers(chat):
    result = chat("What?", "/frames", options=["--quiet"])
    assert (result.exit_code, result.stdout) == (0, "A red circle.\n")
    assert result.stderr.splitlines() == [
        "frame  time_s      timecode  event   score  tokens",
        "    0   0.000  00:00:00.000      0  1.0000      40",
    ]


def test_help_names_every_command(chat):
    result = chat("/help")
    assert (result.exit_code, result.stdout) == (0, "")
    for command in ("/frames", "/at TIME|off", "/video FILE", "/save FILE", "/export FILE", "/help", "/quit"):
        assert f"{command} " in result.stderr
    assert "earlier ones are not seen" in result.stderr
    assert all(len(line) <= 80 for line in result.stderr.splitlines())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "/frame",
            "There is no /frame; did you mean /frames? /help lists all commands.",
        ),
        ("/hlep", "There is no /hlep; did you mean /help?"),
        ("/q", "There is no /q; did you mean /quit?"),
        ("/xyz", "There is no /xyz. There are /frames, /at, /video, /save, /export, /help and /quit."),
        ("/", "There is no /"),
        ("/frames", "There is no answer yet, and so no key frames."),
        ("/save a.md", "There is no answer to save yet."),
        ("/save", "/save needs the name of a file"),
        ("/video", "/video needs the name of a file"),
        ("/video .", ". is a folder, and a chat is about one video"),
        ("/export", "/export needs the name of a file"),
        ("/export a.html", "There is no answer to export yet."),
        ("/at soon", "'soon' is not a time"),
        ("/at -1", "'-1' is not a time"),
    ],
)
def test_a_command_that_makes_no_sense(chat, line, said):
    result = chat(line)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {said}")
    assert len(result.stderr.splitlines()) == 1


def test_another_video_with_the_same_options(stand_in, chat, tmp_path):
    write_clip(tmp_path / "my b.mp4", range(0, 4000, 100), size=(64, 48))
    result = chat("What?", "/at 1", "/video 'my b.mp4'", "Who?", "/video gone.mp4", "Where?", "/save n.md")
    assert result.exit_code == 6
    assert [call[:2] for call in stand_in.calls] == [
        ("a.mp4", "What?"),
        ("my b.mp4", "Who?"),
        ("my b.mp4", "Where?"),
    ]
    assert stand_in.calls[1][2].sampling.at_s is None  # it was a moment of the other video
    assert "my b.mp4: 00:04, 64x48." in result.stderr
    assert "Error: No such file: gone.mp4." in result.stderr
    assert len(stand_in.loads) == 1
    heads = [line for line in (tmp_path / "n.md").read_text().splitlines() if line.startswith("#")]
    assert heads == ["# a.mp4", "## What?", "# my b.mp4", "## Who?", "## Where?"]


def test_the_last_answers_files(chat, tmp_path):
    (tmp_path / "there.csv").touch()
    result = chat(
        "What?",
        "Who?",
        "/export p.html",
        "/export p.html",
        "/export t.csv",
        "/export there.csv",
        "/export x.y",
    )
    assert result.exit_code == 6
    assert "Wrote p.html.\nReplaced p.html.\nWrote t.csv." in result.stderr
    assert "there.csv is there already, and stays as it is" in result.stderr
    assert "x.y: give a name that ends in one of .csv, .edl, .vtt" in result.stderr
    page = (tmp_path / "p.html").read_text()
    assert "Who?" in page
    assert "What?" not in page
    assert (tmp_path / "t.csv").read_text().count("\n") == 3


def test_at_holds_until_it_is_taken_back(stand_in, chat):
    result = chat("q", "/at", "/at 00:01", "q", "/at", "/at off", "q", options=["--fps", "2"])
    assert result.exit_code == 0
    assert [call[2].sampling.at_s for call in stand_in.calls] == [None, 1.0, None]
    assert {call[2].sampling.fps for call in stand_in.calls} == {2.0}
    said = [line for line in result.stderr.splitlines() if "look" in line.lower()]
    closely, nowhere = "Looking closely at 00:01", "No moment is looked at"
    assert [line[: line.index(" more" if "more" in line else ";")] for line in said] == [
        nowhere,
        closely,
        closely,
        nowhere,
    ]


def test_a_time_past_the_end_changes_nothing(stand_in, chat):
    result = chat("/at 1", "/at 08:00", "q", options=["--quiet"])
    assert result.exit_code == 6
    assert "Error: /at 00:08:00.000 is past the end: the video is 00:00:02.000 long.\n" in result.stderr
    assert result.stderr.endswith("Error: 1 of 3 lines failed.\n")
    assert stand_in.calls[-1][2].sampling.at_s == 1.0


def test_at_of_the_command_line_is_where_it_begins(stand_in, chat):
    chat("q", "/at off", "q", options=["--at", "1.5"])
    assert [call[2].sampling.at_s for call in stand_in.calls] == [1.5, None]


def test_outside_of_the_part_that_is_looked_at(chat):
    assert (
        "/at 00:00:01.500 lies outside of --start and --end" in chat("/at 1.5", options=["--end", "1"]).stderr
    )


def test_a_failed_question_stops_no_other(stand_in, chat, monkeypatch):
    errors = {
        "big": OutOfMemory("Too big."),
        "odd": KeyError("bug"),
        "late": UsageError("--budget is small."),
    }
    failing(monkeypatch, errors)
    result = chat("big", "odd", "What?", "late", options=["--quiet"])
    assert (result.exit_code, result.stdout) == (6, "A red circle.\n")
    first, second, *rest = result.stderr.splitlines()
    assert first == "Error: Too big."
    assert second.startswith("Error: Unexpected KeyError: 'bug'. Set DYNFOCUS_DEBUG=1")
    assert rest == ["Error: --budget is small.", "Error: 3 of 4 lines failed."]


def test_where_all_fail_alike_their_code_is_the_exit_code(chat, monkeypatch):
    failing(monkeypatch, {"big": OutOfMemory("Too big.")})
    result = chat("big", "big")
    assert (result.exit_code, result.stderr) == (5, "Error: Too big.\n" * 2)


def test_an_interrupt_in_a_pipe_ends_it(chat, monkeypatch):
    failing(monkeypatch, {"slow": KeyboardInterrupt()})
    result = chat("What?", "slow", "Who?", options=["--quiet"])
    assert (result.exit_code, result.stdout, result.stderr) == (130, "A red circle.\n", "Interrupted.\n")


def test_what_is_no_text_costs_its_own_line(chat, monkeypatch):
    ask = dynfocus_cli.pipeline.ask

    def checked(video, question, *arguments, **named):
        check_question(question)
        return ask(video, question, *arguments, **named)

    monkeypatch.setattr(dynfocus_cli.pipeline, "ask", checked)
    result = chat(b"What is \xff?", "Who?", options=["--quiet"])
    assert (result.exit_code, result.stdout) == (6, "A red circle.\n")
    assert "Error: The question is not valid text: character 9 of it is not UTF-8.\n" in result.stderr


def test_jsonl_has_a_record_for_each_question(stand_in, chat, monkeypatch):
    failing(monkeypatch, {"big": OutOfMemory("Too big.")})
    result = chat("What?", "/frames", "big", options=["--jsonl"])
    records = [json.loads(line) for line in result.stdout.splitlines()]
    for record in records:
        validate(record)
    assert [record["schema"] for record in records] == ["dynfocus.answer/1", "dynfocus.error/1"]
    assert records[1]["question"] == "big"
    assert result.exit_code == 6
    assert "key frame:" not in result.stderr


def test_a_warning_is_said_when_it_is_new(stand_in, chat):
    stand_in.warnings = ("Not its\nworld.",)
    result = chat("What?", "Who?", options=["--quiet"])
    assert result.stderr == "Warning: Not its world.\n"


def test_a_check_is_shown(stand_in, chat, monkeypatch):
    def ask(*given, **_) -> Answer:
        check = Check(Counterfactual("a dog", 5, 90, True), None)
        return Answer("a cat", stand_in.inspect(*given), (), check)

    monkeypatch.setattr(dynfocus_cli.pipeline, "ask", ask)
    result = chat("What?", options=["--check"])
    assert "Evenly spaced frames (5 frames, 90 tokens): another answer, 'a dog'" in result.stderr


def test_options_reach_the_library(stand_in, chat):
    flags = "--model m --device cpu --quantize nf4 --fps 2 --max-frames 9 --start 1 --end 2 --prototypes 5"
    flags += " --key-ratio 0.5 --budget 100 --scorer attention --seed 3 --max-new-tokens 7 --temperature 0.5"
    assert chat("q", options=flags.split()).exit_code == 0
    assert stand_in.loads == [("m", "cpu", "nf4")]
    options = stand_in.calls[0][2]
    assert (options.sampling.fps, options.sampling.max_frames, options.sampling.start_s) == (2.0, 9, 1.0)
    assert (options.selection.prototypes, options.selection.budget) == (5, 100)
    assert (options.generation.max_new_tokens, options.generation.temperature) == (7, 0.5)


def test_settings_hold_for_a_chat(stand_in, chat, monkeypatch):
    Path("dynfocus.toml").write_text("fps = 2\n[chat]\nmax-new-tokens = 9\n")
    monkeypatch.setenv("DYNFOCUS_CONFIG", "dynfocus.toml")
    chat("q")
    options = stand_in.calls[0][2]
    assert (options.sampling.fps, options.generation.max_new_tokens) == (2.0, 9)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["gone.mp4"], 3, "No such file: gone.mp4."),
        (["."], 2, ". is a folder, and a chat is about one video"),
        (["-"], 2, "name the video as a file"),
        (["notes.txt"], 3, "notes.txt"),
        (["a.mp4", "--at", "9"], 2, "--at 00:00:09.000 is past the end"),
        (["a.mp4", "--start", "1:75"], 2, "--start: '1:75' is not a time"),
        (["a.mp4", "--key-ratio", "2"], 2, "--key-ratio"),
        (["a.mp4", "--subtitles", "gone.srt"], 2, "gone.srt"),
    ],
)
def test_what_cannot_be_talked_about_is_told_before_a_model_is_loaded(
    stand_in, run, chat, arguments, code, said
):
    Path("notes.txt").write_text("no video")
    result = run("chat", *arguments, stdin="q\n")
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert stand_in.loads == []


def test_an_unusable_model_exits_4(stand_in, chat):
    stand_in.load_error = ModelUnavailable("There is no model 'm'.")
    assert (chat("q").exit_code, chat("q").stderr) == (4, "Error: There is no model 'm'.\n")


@pytest.mark.parametrize("line", ["/video ~nobody-of-that-name.mp4", f"/save {300 * 'n'}.md", "/export ~/"])
def test_a_name_that_will_not_do_ends_nothing(chat, line):
    result = chat("What?", line, "Who?", "/save notes.md")
    assert len(result.stdout.splitlines()) == 2
    assert "Unexpected" not in result.stderr
    assert result.stderr.endswith("Wrote notes.md: 2 answers.\nError: 1 of 4 lines failed.\n")


def test_save_as_records(chat):
    assert "Cannot write gone/a.jsonl: No such file or directory." in chat("q", "/save gone/a.jsonl").stderr
    result = chat("What?", "Who?", "/save a b.JSONL")
    assert result.exit_code == 0
    assert result.stderr.endswith("Wrote a b.JSONL: 2 answers.\n")
    records = [json.loads(line) for line in Path("a b.JSONL").read_text().splitlines()]
    for record in records:
        validate(record)
    assert [record["question"] for record in records] == ["What?", "Who?"]


def test_save_as_markdown(stand_in, chat):
    stand_in.answer = "<b>A red</b>\n# circle_"
    stand_in.warnings = ("Not [its] world.",)
    assert chat("What *is* it?", "/save notes.md").exit_code == 0
    assert Path("notes.md").read_text().splitlines()[4:] == [
        r"## What \*is\* it?",
        "",
        r"> \<b\>A red\</b\>",
        r"> \# circle\_",
        "",
        "1 key frame: 00:00; 42 video tokens; 1.0 s.",
        "",
        r"Warning: Not \[its\] world.",
    ]


def test_save_replaces_nothing_but_its_own(chat):
    Path("mine.md").write_text("mine")
    result = chat(
        "q", "/save mine.md", "/save a.mp4", "/save own.md", "q", "/save ./own.md", options=["--quiet"]
    )
    assert result.exit_code == 6
    assert result.stderr.splitlines() == [
        "Error: mine.md is there already, and stays as it is: give another name.",
        "Error: /save a.mp4: give a name that ends in .md or .jsonl.",
        "Wrote own.md: 1 answer.",
        "Replaced own.md: 2 answers.",
        "Error: 2 of 6 lines failed.",
    ]
    assert Path("mine.md").read_text() == "mine"
    assert Path("own.md").read_text().count("## q") == 2


def test_save_into_the_home_folder(chat, monkeypatch, tmp_path):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert chat("q", "/save ~/notes.md").exit_code == 0
    assert (tmp_path / "home" / "notes.md").exists()


def test_what_was_typed_is_written_nowhere(chat, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    chat("a secret", "/frames")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_reader_that_has_seen_enough(chat, tmp_path):
    command = [*with_library(), "chat", str(tmp_path / "a.mp4")]
    script = 'yes "What?" | head -n 2000 | "$@" | head -n 1; echo ${PIPESTATUS[2]}'
    done = subprocess.run(["bash", "-c", script, "bash", *command], capture_output=True, text=True)
    assert done.stdout == "A red circle.\n0\n"
    assert "Traceback" not in done.stderr


def test_a_closed_stdin_is_the_end(chat, tmp_path):
    closing = ["sh", "-c", 'exec "$@" <&-', "sh", *with_library(), "chat", str(tmp_path / "a.mp4")]
    done = subprocess.run(closing, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_fails_early_fails_without_torch(tmp_path):
    code = """if True:
        import sys
        sys.argv = ["dynfocus", "chat", "gone.mp4"]
        from dynfocus_cli.cli.app import main
        try:
            main()
        except SystemExit as end:
            assert end.code == 3, end.code
        assert not set(sys.modules) & {"torch", "av", "transformers"}
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("seconds", "short"),
    [(0.0, "00:00"), (10.0, "00:10"), (23.5, "00:23.5"), (480.0, "08:00"), (36000.0, "10:00:00")],
)
def test_a_short_timecode(seconds, short):
    assert short_timecode(seconds) == short


@pytest.mark.parametrize("width", [1, 40, 60, 80, None])
def test_a_line_of_evidence_fits(stand_in, width):
    of = stand_in.inspect("a.mp4", "q", None, None, dynfocus_cli.progress.Silent())
    key = of.key_frames[0]
    of = replace(of, frames=tuple(replace(key, index=i, time_s=float(i)) for i in range(30)))
    line = evidence_line(Answer("", of), width)
    assert line.startswith("30 key frames")
    assert line.endswith("; 42 video tokens; 1.0 s")
    assert width == 1 or width is None or len(line) <= width
    assert (" more" in line) == (width in (60, 80))
    assert width is not None or "00:29;" in line


def test_the_shipped_model():
    lines = "What color is the heart at 00:12?\n/frames\n/at 00:20\nWhat shape is the white thing?\n"
    result = CliRunner().invoke(app, ["chat", DEMO], input=lines)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "purple\nhouse\n"
    assert "   16  12.000  00:00:12.000" in result.stderr
    assert "00:20" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("flags", [[], ["--no-cache"]])
def test_the_second_question_decodes_nothing(flags, monkeypatch):
    decoded = []
    decode_for = encoding.decode_for

    def counted(source, moments_s, *arguments):
        decoded.append(len(moments_s))
        return decode_for(source, moments_s, *arguments)

    monkeypatch.setattr(encoding, "decode_for", counted)
    lines = "How many scenes are there?\nWhat color is the 7?\nHow many scenes are there?\n"
    chat = CliRunner().invoke(app, ["chat", DEMO, *flags], input=lines)
    assert (chat.exit_code, len(chat.stdout.splitlines())) == (0, 3)
    assert len(decoded) == 1
