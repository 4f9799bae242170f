"""Folders, pipes and files of questions: which results come, in which order, and as what."""

from __future__ import annotations

import json
import os
import sys

import pytest

from dynfocus_cli.errors import UsageError, VideoUnreadable
from strict_schema import validate


def records(text):
    found = [json.loads(line) for line in text.splitlines()]
    for record in found:
        validate(record)
    return found


@pytest.fixture
def questions(tmp_path):
    """A file of questions with ids, and one without."""
    (tmp_path / "q.jsonl").write_text(
        '{"id": "a", "question": "What?"}\n{"id": 2, "question": "Who is\\nit?"}\n'
    )
    (tmp_path / "q.txt").write_text("What?\n\nWho is it?\n")


def test_paths_that_end_in_zero_bytes(stand_in, run, clip):
    names = [clip("a\nb.mp4"), clip(" c .mp4"), clip("-d.mp4"), clip("d/e.mp4")]
    stdin = "\0".join([*names[:3], "d"]) + "\0"
    result = run("ask", "-", "-0", "q", "--jsonl", stdin=stdin)
    assert result.exit_code == 0
    assert [record["video"] for record in records(result.stdout)] == names


def test_a_line_stays_a_line_whatever_the_name(stand_in, run, clip):
    result = run(
        "ask", "-", "-0", "q", "--quiet", stdin=f"{clip('a' + chr(10) + 'b.mp4')}\0{clip('c.mp4')}\0"
    )
    assert result.stdout == "a\\nb.mp4: A red circle.\nc.mp4: A red circle.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_names_that_are_no_text(stand_in, run, clip, tmp_path):
    clip("a.mp4")
    name = b"\xff\xfe.mp4"
    with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
        pass
    for extra in ([], ["--output", "out.jsonl"]):
        result = run("ask", "-", "-0", "q", "--jsonl", *extra, stdin=name + b"\0a.mp4\0")
        assert result.exit_code == 0
    written = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert [os.fsencode(record["video"]) for record in records(written)] == [name, b"a.mp4"]
    again = run("ask", "-", "-0", "q", "--output", "out.jsonl", stdin=name + b"\0a.mp4\0")
    assert "out.jsonl has 2 results of earlier runs." in again.stderr
    assert len(stand_in.calls) == 4


def test_a_recursive_folder_with_a_pattern(stand_in, run, clip):
    for name in ("d/b.mp4", "d/a.mkv", "d/e/c.mp4", "d/e/f.raw"):
        clip(name)
    assert run("ask", "d", "-r", "q").exit_code == 0
    assert [call[0] for call in stand_in.calls] == ["d/a.mkv", "d/b.mp4", "d/e/c.mp4"]
    stand_in.calls.clear()
    assert run("inspect", "d", "--recursive", "--glob", "*.raw", "--glob", "b*").exit_code == 0
    assert [call[0] for call in stand_in.calls] == ["d/b.mp4", "d/e/f.raw"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ask", "a.mp4", "q", "-0"], "-0 says how paths on standard input end"),
        (["ask", "a.mp4", "q", "--glob", "d/*.mp4"], "--glob is like a file's name"),
        (["ask", "a.mp4", "q", "--glob", ""], "--glob is like a file's name"),
        (["ask", "--questions", "q.txt"], "Missing argument VIDEO"),
        (["ask", "a.mp4", "What?", "--questions", "q.txt"], "'What?' is no video: leave one out"),
        (["ask", "a.mp4", "--questions", "gone.txt"], "The questions gone.txt cannot be read"),
        (["ask", "a.mp4", "--questions", "empty.txt"], "The file empty.txt holds no question"),
        (["ask", "-", "--questions", "-"], "Paths and questions cannot both come from standard input"),
        (["ask", "a.mp4", "--questions", "q.txt", "--json"], "several questions: use --jsonl"),
        (["inspect", "a.mp4", "--question", "q", "--questions", "q.txt"], "exclude each other"),
        (["inspect", "a.mp4", "--questions", "q.txt", "--html", "a.html"], "leave --questions or them out"),
        (["ask", "a.mp4", "q", "--retry-failed"], "name it with --output"),
        (["ask", "a.mp4", "q", "--output", "o", "--json"], "leave one of --json and --output out"),
        (["ask", "a.mp4", "q", "--output", "o", "--dry-run"], "leave one of them out"),
        (["ask", "a.mp4", "q", "--output", "gone/o"], "--output gone/o cannot be written to: No such file"),
        (["ask", "a.mp4", "q", "--output", "."], "--output . cannot be written to: Is a directory"),
        (["ask", "a.mp4", "q", "--output", "-"], "--output needs the name of a file"),
        (["ask", "a.mp4", "q", "--output", "a.mp4x"], "holds something that --output did not write (line 1)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_errors_exit_2_before_any_work(stand_in, run, clip, questions, tmp_path, arguments, said):
    clip("a.mp4")
    clip("empty.txt")
    (tmp_path / "a.mp4x").write_text("no result")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert stand_in.loads == []
    assert (tmp_path / "a.mp4x").read_text() == "no result"
    assert not (tmp_path / "o").exists()


def test_several_questions_in_text_have_a_column(stand_in, run, clip, questions):
    result = run("ask", clip("a.mp4"), "--questions", "q.txt", "--quiet")
    assert result.stdout == "What?\tA red circle.\nWho is it?\tA red circle.\n"
    stand_in.warnings = ("Careful.",)
    result = run("ask", "a.mp4", clip("b.mp4"), "--questions", "q.jsonl", "--quiet")
    assert result.stdout == "".join(
        f"{video}: {name}\tA red circle.\n" for video in ("a.mp4", "b.mp4") for name in "a2"
    )
    assert result.stderr.splitlines()[:2] == [
        "Warning: a.mp4, a: Careful.",
        "Warning for 4 answers, as above: Careful.",
    ]
    assert [call[:2] for call in stand_in.calls[-4:]] == [
        ("a.mp4", "What?"),
        ("a.mp4", "Who is\nit?"),
        ("b.mp4", "What?"),
        ("b.mp4", "Who is\nit?"),
    ]
    assert len(stand_in.loads) == 2


def test_ids_are_in_the_records(stand_in, run, clip, questions):
    stand_in.errors = {"b.mp4": VideoUnreadable("No frame.")}
    result = run("ask", clip("a.mp4"), clip("b.mp4"), "--questions", "q.jsonl", "--jsonl")
    assert result.exit_code == 6
    found = records(result.stdout)
    assert [(record["video"], record["question_id"]) for record in found] == [
        ("a.mp4", "a"),
        ("a.mp4", 2),
        ("b.mp4", "a"),
        ("b.mp4", 2),
    ]
    assert [record["question"] for record in found] == ["What?", "Who is\nit?"] * 2
    assert ["error" in record for record in found] == [False, False, True, True]
    assert [call[0] for call in stand_in.calls].count("b.mp4") == 1
    assert "Error: b.mp4, a: No frame." in result.stderr
    assert result.stderr.endswith("Error: 2 of 4 answers failed.\n")
    plain = records(run("ask", "a.mp4", "--questions", "q.txt", "--jsonl").stdout)
    assert all("question_id" not in record for record in plain)


def test_a_single_video_that_cannot_be_read_exits_3_whatever_is_asked(stand_in, run, clip, questions):
    result = run("ask", "gone.mp4", "--questions", "q.txt")
    assert (result.exit_code, result.stdout, stand_in.loads) == (3, "", [])


def test_a_question_that_fails_costs_no_other(stand_in, run, clip, questions, monkeypatch):
    ask = stand_in.ask

    def picky(video, question, *rest):
        if question.startswith("What"):
            raise UsageError("Too long.")
        return ask(video, question, *rest)

    monkeypatch.setattr(sys.modules["dynfocus_cli.pipeline"], "ask", picky)
    result = run("ask", clip("a.mp4"), "--questions", "q.jsonl", "--quiet")
    assert (result.exit_code, result.stdout) == (6, "2\tA red circle.\n")
    assert result.stderr == "Error: a: Too long.\nError: 1 of 2 answers failed.\n"


@pytest.mark.parametrize("command", ["ask", "inspect"])
def test_a_broken_line_is_named_and_the_others_run(stand_in, run, clip, tmp_path, command):
    (tmp_path / "q.jsonl").write_text('{"question": "What?"}\n{"question": \n{"question": "Who?"}\n')
    result = run(command, clip("a.mp4"), "--questions", "q.jsonl", "--jsonl", "--quiet")
    assert result.exit_code == 6
    assert [record["question"] for record in records(result.stdout)] == ["What?", "Who?"]
    assert result.stderr.startswith("Error: q.jsonl, line 2: It is no JSON")
    assert result.stderr.endswith("Error: 1 line of the questions could not be read.\n")


def test_questions_on_standard_input(stand_in, run, clip):
    result = run("ask", clip("a.mp4"), "--questions", "-", "--quiet", stdin="What?\nWho?\n")
    assert result.stdout == "What?\tA red circle.\nWho?\tA red circle.\n"


def test_inspect_has_a_column_for_the_question(stand_in, run, clip, questions):
    result = run("inspect", clip("a.mp4"), clip("b.mp4"), "--questions", "q.txt", "--quiet")
    rows = [line.split("\t")[:2] for line in result.stdout.splitlines()]
    assert rows == [
        ["question", "video"],
        ["What?", "a.mp4"],
        ["Who is it?", "a.mp4"],
        ["What?", "b.mp4"],
        ["Who is it?", "b.mp4"],
    ]


def test_a_result_is_out_before_the_next_video_is_begun(stand_in, run, clip, capfdbinary):
    """An unexpected end costs what is not done yet, and nothing else."""
    stand_in.errors = {"c.mp4": KeyboardInterrupt()}
    result = run("ask", clip("a.mp4"), clip("b.mp4"), clip("c.mp4"), "q", "--jsonl")
    assert result.exit_code == 130
    assert [record["video"] for record in records(result.stdout)] == ["a.mp4", "b.mp4"]
    assert result.stderr.endswith("Interrupted. A run with --output FILE can be gone on with.\n")


def test_questions_of_their_own_videos(stand_in, run, clip, tmp_path):
    for name in ("d/a.mp4", "d/b.mp4", "d/c.mp4"):
        clip(name)
    lines = [
        {"question_id": 1, "video": "a.mp4", "question": "Who?"},
        {"question_id": 2, "video": "b.mp4", "question": "What?"},
        {"question_id": 3, "video": "a.mp4", "question": "Why?"},
    ]
    (tmp_path / "d" / "q.json").write_text(json.dumps(lines))
    result = run("ask", "d", "--questions", "d/q.json", "--jsonl", "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [(one["video"], one["question"], one["question_id"]) for one in records(result.stdout)] == [
        ("d/a.mp4", "Who?", 1),
        ("d/a.mp4", "Why?", 3),
        ("d/b.mp4", "What?", 2),
    ]
    stand_in.calls.clear()
    result = run("inspect", "d/a.mp4", "--questions", "d/q.json", "--output", "out.jsonl", "--quiet")
    assert result.exit_code == 0
    assert "Warning: Questions about videos that were not named were not asked: b.mp4." in result.stderr
    assert [call[:2] for call in stand_in.calls] == [("d/a.mp4", "Who?"), ("d/a.mp4", "Why?")]
    result = run("inspect", "d", "--questions", "d/q.json", "--output", "out.jsonl", "--quiet")
    assert [call[:2] for call in stand_in.calls[2:]] == [("d/b.mp4", "What?")]


def test_a_question_of_a_video_that_is_nowhere_fails(stand_in, run, clip, tmp_path):
    (tmp_path / "q.jsonl").write_text(
        '{"id": 1, "video": "gone.mp4", "question": "Who?"}\n{"id": 2, "question": "What?"}\n'
    )
    result = run("ask", clip("a.mp4"), "--questions", "q.jsonl", "--jsonl", "--quiet")
    assert result.exit_code == 6
    assert [(one["video"], one["question_id"], "error" in one) for one in records(result.stdout)] == [
        ("a.mp4", 2, False),
        ("gone.mp4", 1, True),
    ]


def test_questions_about_other_videos_alone_are_a_usage_error(stand_in, run, clip, tmp_path):
    (tmp_path / "q.jsonl").write_text(json.dumps({"video": clip("b.mp4"), "question": "Who?"}))
    result = run("ask", clip("a.mp4"), "--questions", "q.jsonl")
    assert result.exit_code == 2
    assert "The questions are about other videos (b.mp4): name those, or their folder." in result.stderr
    assert stand_in.loads == []


def test_shards_share_out_the_videos(stand_in, run, clip):
    names = [clip(f"d/{name}.mp4") for name in "abcde"]
    calls = []
    for number in (1, 2, 3):
        result = run("ask", "d", "q", "--shard", f"{number}/3", "--jsonl", "--quiet")
        assert (result.exit_code, result.stderr) == (0, "")
        calls.append([record["video"] for record in records(result.stdout)])
    assert calls == [names[::3], names[1::3], names[2::3]]
    piped = run("inspect", "-", "--shard", "2/3", "--jsonl", stdin="".join(f"{name}\n" for name in names))
    assert [record["video"] for record in records(piped.stdout)] == names[1::3]


def test_a_shard_without_a_video_is_no_failure_and_its_file_is_empty(stand_in, run, clip, tmp_path):
    clip("d/a.mp4"), clip("d/b.mp4")
    result = run("ask", "d", "q", "--shard", "3/3", "--output", "part-3.jsonl")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "There is no video for part 3/3" in result.stderr
    assert stand_in.loads == []
    assert (tmp_path / "part-3.jsonl").read_bytes() == b""
    assert run("ask", "d", "q", "--shard", "1/3", "--output", "part-1.jsonl").exit_code == 0
    merged = run("results", "merge", "part-1.jsonl", "part-3.jsonl", "-o", "all.jsonl")
    assert merged.exit_code == 0, "whoever names all parts has them all"


def test_a_failure_in_a_shard_of_one_video_is_one_of_several(stand_in, run, clip):
    stand_in.errors = {"b.mp4": VideoUnreadable("No frame.")}
    clip("d/a.mp4"), clip("d/b.mp4")
    result = run("ask", "d", "q", "--shard", "2/2", "--jsonl")
    assert result.exit_code == 6
    assert run("ask", "d", "q", "--shard", "3/2").exit_code == 2


def test_questions_about_videos_of_other_shards_are_no_concern(stand_in, run, clip, tmp_path):
    for name in ("d/a.mp4", "d/b.mp4", "d/c.mp4"):
        clip(name)
    lines = [{"video": name, "question": "Who?"} for name in ("b.mp4", "gone.mp4", "c.mp4")]
    (tmp_path / "d" / "q.json").write_text(json.dumps(lines))
    shares = []
    for number in (1, 2, 3):
        result = run("ask", "d", "--questions", "d/q.json", "--jsonl", "--shard", f"{number}/3", "-q")
        assert "were not asked" not in result.stderr
        shares.append([record["video"] for record in records(result.stdout)])
    assert shares == [["d/b.mp4"], ["d/c.mp4"], ["d/gone.mp4"]]
