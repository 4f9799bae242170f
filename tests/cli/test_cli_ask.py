"""`dynfocus ask`: arguments, streams, exit codes."""

from __future__ import annotations

import json
import os
import sys

import pytest

from dynfocus_cli.errors import ModelUnavailable, OutOfMemory, UsageError, VideoUnreadable
from strict_schema import validate


def records(stdout):
    found = [json.loads(line) for line in stdout.splitlines()]
    for record in found:
        validate(record)
    return found


def test_quiet_keeps_warnings(stand_in, run, clip):
    stand_in.warnings = ("Not its world.",)
    result = run("ask", clip("a.mp4"), "q", "--quiet")
    assert (result.stdout, result.stderr) == ("A red circle.\n", "Warning: Not its world.\n")


@pytest.mark.parametrize("format", ["--json", "--jsonl"])
@pytest.mark.parametrize("command", [["ask", "a.mp4", "q"], ["inspect", "a.mp4"]])
def test_warnings_are_said_beside_a_record(stand_in, run, clip, command, format):
    stand_in.warnings = ("Not its world.", "Past\nthe end.")
    clip("a.mp4")
    result = run(*command, format, "--quiet")
    assert result.stderr == "Warning: Not its world.\nWarning: Past the end.\n"
    (record,) = records(result.stdout)
    assert record["warnings"] == list(stand_in.warnings)


@pytest.mark.parametrize("flags", ["--quantize none", "--subtitles off", "--subtitles auto", "--no-cache"])
@pytest.mark.parametrize("command", [["ask", "a.mp4", "q"], ["inspect", "a.mp4"]])
def test_what_is_not_there_yet_may_be_left_out_by_name(stand_in, run, clip, command, flags):
    clip("a.mp4")
    plain, named = run(*command), run(*command, *flags.split())
    assert (named.exit_code, named.stdout) == (0, plain.stdout)


def test_options_reach_the_library(stand_in, run, clip):
    flags = "--model m --device cpu --fps 2 --max-frames 9 --start 1:00 --end 2m --at 90 --prototypes 5"
    flags += " --key-ratio 0.5 --budget 100 --scorer attention --seed 3 --max-new-tokens 7"
    flags += " --temperature 0.5 --quantize nf4"
    assert run("ask", *flags.split(), clip("a.mp4"), "q").exit_code == 0
    assert stand_in.loads == [("m", "cpu", "nf4")]
    options = stand_in.calls[0][2]
    sampling, selection = options.sampling, options.selection
    assert (sampling.fps, sampling.frames, sampling.max_frames) == (2.0, None, 9)
    assert (sampling.start_s, sampling.end_s, sampling.at_s) == (60.0, 120.0, 90.0)
    assert (selection.prototypes, selection.key_ratio, selection.budget) == (5, 0.5, 100)
    assert selection.scorer == "attention"
    assert options.generation.temperature == 0.5
    assert (options.generation.seed, options.generation.max_new_tokens) == (3, 7)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.mp4"], "No question"),
        (["a.mp4", "a.mp4"], "No question"),
        (["a.mp4", "-"], "No question"),
        (["a.mp4", ""], "question is empty"),
        (["a.mp4", " \n"], "question is empty"),
        ([], "Missing argument"),
        (["a.mp4", "q", "--json", "--jsonl"], "--json and --jsonl exclude each other"),
        (["a.mp4", "b.mp4", "q", "--json"], "use --jsonl"),
        (["a.mp4", "q", "--fps", "1", "--frames", "2"], "--fps and --frames exclude each other"),
        (["a.mp4", "q", "--fps", "0"], "--fps must be above 0"),
        (["a.mp4", "q", "--fps", "nan"], "--fps must be above 0"),
        (["a.mp4", "q", "--frames", "1.5"], "--frames"),
        (["a.mp4", "q", "--start", "1:75"], "--start: '1:75' is not a time"),
        (["a.mp4", "q", "--start", "9", "--end", "8"], "--start must come before --end"),
        (["a.mp4", "q", "--at", "-1"], "--at"),
        (["a.mp4", "q", "--key-ratio", "2"], "--key-ratio"),
        (["a.mp4", "q", "--scorer", "magic"], "--scorer"),
        (["a.mp4", "q", "--seed", "-1"], "--seed"),
        (["a.mp4", "q", "--max-new-tokens", "0"], "--max-new-tokens must be at least 1"),
        (["a.mp4", "q", "--no-such-option"], "No such option"),
        (["a.mp4", "What is \udcff?"], "The question is not valid text: character 9"),
        (["a.mp4", "q", "--temperature", "-1"], "--temperature must lie between 0 and 10, got -1"),
        (["a.mp4", "q", "--temperature", "nan"], "--temperature must lie between 0 and 10, got nan"),
        (["a.mp4", "q", "--quantize", "int3"], "--quantize"),
        (["a.mp4", "q", "--subtitles", "a.srt"], "The subtitles a.srt cannot be read (No such file"),
    ],
)
def test_usage_errors_exit_2_before_any_work(stand_in, run, clip, arguments, said):
    clip("a.mp4")
    result = run("ask", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert stand_in.loads == []


def test_double_dash_protects_leading_dashes(stand_in, run, clip):
    assert run("ask", "--quiet", "--", clip("-a.mp4"), "-why?").exit_code == 0
    assert stand_in.calls[0][:2] == ("-a.mp4", "-why?")


@pytest.mark.parametrize("video", ["gone.mp4", "http://example.org/a.mp4", "empty"])
def test_a_missing_video_exits_3_without_loading_a_model(stand_in, run, clip, tmp_path, video):
    clip("empty/notes.txt")
    result = run("ask", video, "q")
    assert result.exit_code == 3
    assert video in result.stderr
    assert stand_in.loads == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("--at is past the end."), 2),
        (VideoUnreadable("No video stream."), 3),
        (ModelUnavailable("No CUDA."), 4),
        (OutOfMemory("Too big."), 5),
        (MemoryError(), 5),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 5),
        (KeyError("bug"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_one_video_exits_with_its_own_code(stand_in, run, clip, error, code):
    import torch  # noqa: F401, torch's own errors are known once it is loaded, as it is when one is raised

    stand_in.errors = {"a.mp4": error}
    result = run("ask", clip("a.mp4"), "q")
    assert result.exit_code == code
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert ("DYNFOCUS_DEBUG=1" in result.stderr) == (code == 1)


def test_an_unusable_model_exits_4(stand_in, run, clip):
    stand_in.load_error = ModelUnavailable("There is no model 'm'.")
    result = run("ask", clip("a.mp4"), clip("b.mp4"), "q", "--model", "m", "--jsonl")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == "Error: There is no model 'm'.\n"


def test_debug_shows_the_traceback(stand_in, run, clip, monkeypatch):
    stand_in.errors = {"a.mp4": KeyError("bug")}
    monkeypatch.setenv("DYNFOCUS_DEBUG", "1")
    result = run("ask", clip("a.mp4"), "q")
    assert result.exit_code == 1
    assert "Traceback (most recent call last)" in result.stderr


def test_several_in_text_have_their_path(stand_in, run, clip):
    stand_in.warnings = ("Careful.",)
    result = run("ask", clip("a.mp4"), clip("b.mp4"), "q", "--quiet")
    assert result.exit_code == 0
    assert result.stdout == "a.mp4: A red circle.\nb.mp4: A red circle.\n"
    assert result.stderr == "Warning: a.mp4: Careful.\nWarning for 2 videos, as above: Careful.\n"
    assert len(stand_in.loads) == 1


def test_a_failed_video_stops_no_other(stand_in, run, clip):
    stand_in.errors = {"b.mp4": VideoUnreadable("b.mp4 holds no frame."), "c.mp4": KeyError("bug")}
    videos = ["gone.mp4", *(clip(name) for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4"))]
    result = run("ask", *videos, "q", "--jsonl")
    assert result.exit_code == 6
    found = records(result.stdout)
    assert [record["video"] for record in found] == videos
    codes = [record.get("error", {}).get("code") for record in found]
    assert codes == [3, None, 3, 1, None]
    assert found[2]["error"] == {"code": 3, "kind": "VideoUnreadable", "message": "b.mp4 holds no frame."}
    assert found[3]["error"]["kind"] == "KeyError"
    assert "Error: b.mp4 holds no frame." in result.stderr
    assert result.stderr.endswith("Error: 3 of 5 videos failed.\n")


def test_all_of_several_failing_is_6_and_needs_no_model(stand_in, run, clip, tmp_path):
    result = run("ask", "x.mp4", "y.mp4", "q")
    assert (result.exit_code, stand_in.loads) == (6, [])


def test_one_failing_in_jsonl_leaves_its_record_and_its_code(stand_in, run, clip):
    result = run("ask", "gone.mp4", "q", "--jsonl")
    assert result.exit_code == 3
    assert records(result.stdout)[0]["error"]["kind"] == "VideoUnreadable"


def test_an_interrupt_keeps_the_answers_given(stand_in, run, clip):
    stand_in.errors = {"b.mp4": KeyboardInterrupt()}
    result = run("ask", clip("a.mp4"), clip("b.mp4"), clip("c.mp4"), "q", "--quiet")
    assert result.exit_code == 130
    assert result.stdout == "a.mp4: A red circle.\n"


def test_a_folder_stands_for_its_videos(stand_in, run, clip):
    for name in ("d/b.MKV", "d/a.mp4", "d/notes.txt", "d/.hidden.mp4", "d/deeper/c.mp4"):
        clip(name)
    assert run("ask", "d", "q").exit_code == 0
    assert [call[0] for call in stand_in.calls] == ["d/a.mp4", "d/b.MKV"]


def test_paths_on_stdin(stand_in, run, clip):
    paths = f"{clip('a b.mp4')}\n\n{clip('d/c.mp4')}\r\n"
    result = run("ask", "-", "q", "--quiet", stdin=paths)
    assert result.stdout == "a b.mp4: A red circle.\nd/c.mp4: A red circle.\n"


def test_an_empty_stdin_exits_3(stand_in, run):
    result = run("ask", "-", "q")
    assert result.exit_code == 3
    assert "standard input" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_file_name_that_is_no_text(stand_in, run, clip, tmp_path):
    clip("a.mp4")
    name = b"\xff.mp4"
    with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
        pass
    result = run("ask", "-", "q", "--quiet", stdin=name + b"\na.mp4\n")
    assert result.stdout_bytes.startswith(name + b": A red circle.\n")
    (record,) = records(run("ask", "-", "q", "--jsonl", stdin=name + b"\n").stdout)
    assert os.fsencode(record["video"]) == name


def test_no_control_sequence_of_a_file_name_reaches_stderr(stand_in, run, tmp_path):
    result = run("ask", "\x1b[2J.mp4", "q")
    assert "\x1b" not in result.stderr
