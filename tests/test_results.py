"""The file of results: what is in it stays, whatever happens to the process that writes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from dynfocus_cli.errors import UsageError
from dynfocus_cli.question_file import Query
from dynfocus_cli.report import error_record, line_of
from dynfocus_cli.result_key import content_of, key_of, settings_of
from dynfocus_cli.results import ResultFile
from dynfocus_cli.run_options import (
    DecodingOptions,
    GenerationOptions,
    RunOptions,
    SamplingOptions,
    SelectionOptions,
)
from dynfocus_cli.types import ModelInfo

SETTINGS = "ask model=m"
WHAT = Query("What?")


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (tmp_path / name).write_text(name)


def answered(video, query=WHAT, answer="red"):
    return {"schema": "dynfocus.answer/1", "video": video, "question": query.text, "answer": answer}


def failed(video, query=WHAT):
    return error_record(video, 3, "VideoUnreadable", "No frame.", query.text)


def opened(settings=SETTINGS):
    file = ResultFile("out.jsonl")
    file.resume(settings)
    return file


def write(*records, query=WHAT):
    with opened() as file:
        for record in records:
            file.add(record["video"], content_of(record["video"]), query, record)


def lines():
    with open("out.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def content():
    return Path("out.jsonl").read_bytes()


def find(file, video, query=WHAT):
    return file.find(video, content_of(video), query)


def test_what_is_there_is_found_again():
    write(answered("a.mp4"), failed("b.mp4"))
    with opened() as file:
        assert (file.count, file.failures) == (2, 1)
        assert find(file, "a.mp4").failed is None
        assert find(file, "b.mp4").failed == 3
        assert find(file, "c.mp4") is None
        assert find(file, "a.mp4", Query("Who?")) is None
        assert find(file, "a.mp4", Query("What?", "q1")) is None


def test_records_are_marked_and_end_in_a_line_break():
    write(answered("a.mp4"))
    (record,) = lines()
    assert record["settings"] == SETTINGS
    assert record["key"] == key_of(SETTINGS, content_of("a.mp4"), WHAT)
    assert content().endswith(b"\n")


def test_a_torn_line_is_cut_off_wherever_it_tore():
    write(answered("a.mp4"), answered("b.mp4"))
    whole = content()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        with open("out.jsonl", "wb") as file:
            file.write(whole[:length])
        with opened() as file:
            complete = length == len(whole) - 1  # all but the line break
            assert find(file, "a.mp4") is not None
            assert (find(file, "b.mp4") is not None) == complete
            assert bool(file.warnings) == (length > first and not complete)
        expected = whole if complete else whole[:first]
        assert content() == expected


def test_zero_bytes_after_a_power_cut_are_cut_off():
    write(answered("a.mp4"))
    whole = content()
    with open("out.jsonl", "ab") as file:
        file.write(whole[:10] + b"\0" * 4096)
    opened().close()
    assert content() == whole


@pytest.mark.parametrize(
    "foreign",
    [
        b"My notes.",
        b"My notes.\n",
        b"\n",
        b"{}\n",
        b'{"schema": "dynfocus.answer/1", "video": "a.mp4"}\n',
        b'{"schema": "dynfocus.answer/1", "key": "1", "settings": 3, "video": "a"}\n',
        b'{"schema": "dynfocus.answer/1", "key": [], "settings": "ask model=m", "video": "a"}\n',
        b"\0\0\0\n",
        b"\0" * 1000,
        b"[" * 100_000 + b"\n",
        b"\xff\xfe",
    ],
)
def test_a_file_of_something_else_is_left_as_it_is(foreign):
    Path("out.jsonl").write_bytes(foreign)
    with pytest.raises(
        UsageError, match=r"out\.jsonl holds something that --output did not write \(line 1\)"
    ):
        opened()
    assert content() == foreign


def test_a_file_of_other_settings_is_left_as_it_is():
    write(answered("a.mp4"))
    with open("out.jsonl", "ab") as file:
        file.write(b'{"schema": "dynf')
    before = content()
    with pytest.raises(UsageError, match=r"of other settings \(there the default; here fps=2.0\)"):
        opened("ask model=m fps=2.0")
    assert content() == before


def test_a_broken_line_in_the_middle_is_named():
    write(answered("a.mp4"), answered("b.mp4"))
    text = content().decode().splitlines(keepends=True)
    with open("out.jsonl", "w") as file:
        file.write(text[0] + "oops\n" + text[1])
    with pytest.raises(UsageError, match="line 2"):
        opened()


def test_only_one_run_writes():
    with opened(), pytest.raises(UsageError, match="is being written by another run"):
        ResultFile("out.jsonl")
    opened().close()


def test_a_file_that_was_replaced_is_still_locked():
    """A run that puts results in their places writes a new file, which must be its own too."""
    write(failed("a.mp4"), answered("b.mp4"))
    with opened() as file:
        file.add("a.mp4", content_of("a.mp4"), WHAT, answered("a.mp4"))
        before = os.stat("out.jsonl").st_ino
        file._tidy()
        assert os.stat("out.jsonl").st_ino != before
        with pytest.raises(UsageError, match="is being written by another run"):
            ResultFile("out.jsonl")
        file.add("c.mp4", content_of("c.mp4"), WHAT, answered("c.mp4"))
    assert [record["video"] for record in lines()] == ["a.mp4", "b.mp4", "c.mp4"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "needs the name of a file"),
        ("-", "needs the name of a file"),
        ("gone/out.jsonl", "cannot be written to: No such file or directory"),
        (".", "cannot be written to: Is a directory"),
        ("a\0b", "cannot be written to"),
        ("/dev/null", "is no file that a run can go on with"),
        ("pipe", "is no file that a run can go on with"),
    ],
)
def test_a_place_that_cannot_hold_results(path, said):
    os.mkfifo("pipe")
    with pytest.raises(UsageError, match=said):
        ResultFile(path)


def test_a_folder_that_may_not_be_written_to(tmp_path, nobody):
    write(failed("a.mp4"))
    tmp_path.chmod(0o555)
    os.chmod("out.jsonl", 0o666)
    with nobody():
        with pytest.raises(UsageError, match=r"other\.jsonl cannot be written to: Permission denied"):
            ResultFile("other.jsonl")
        with opened() as file:
            file.add("a.mp4", content_of("a.mp4"), WHAT, answered("a.mp4"))
        assert "stand behind them" in file.warnings[0]
        assert [record["schema"] for record in lines()] == ["dynfocus.error/1", "dynfocus.answer/1"]
    tmp_path.chmod(0o700)
    opened().close()
    assert [record["schema"] for record in lines()] == ["dynfocus.answer/1"]


def test_a_run_without_results_leaves_no_file():
    opened().close()
    assert not os.path.exists("out.jsonl")
    open("out.jsonl", "w").close()
    opened().close()
    assert os.path.exists("out.jsonl")  # the user's own


def test_an_answer_takes_the_place_of_a_failure():
    write(answered("a.mp4"), failed("b.mp4"), answered("c.mp4"))
    os.chmod("out.jsonl", 0o640)
    with opened() as file:
        file.add("b.mp4", content_of("b.mp4"), WHAT, answered("b.mp4"))
        assert (file.count, file.failures) == (3, 0)
        assert len(lines()) == 4  # until it is closed, the later one counts
    assert [(record["video"], record["schema"]) for record in lines()] == [
        ("a.mp4", "dynfocus.answer/1"),
        ("b.mp4", "dynfocus.answer/1"),
        ("c.mp4", "dynfocus.answer/1"),
    ]
    assert stat.S_IMODE(os.stat("out.jsonl").st_mode) == 0o640
    assert sorted(os.listdir()) == ["a.mp4", "b.mp4", "c.mp4", "out.jsonl"]


def test_a_retry_that_was_killed_is_tidied_up_by_the_next_run():
    write(failed("a.mp4"), answered("b.mp4"))
    retry = opened()
    retry.add("a.mp4", content_of("a.mp4"), WHAT, answered("a.mp4"))
    os.close(retry._file)  # as when the process is killed
    assert len(lines()) == 3
    opened().close()
    assert [record["schema"] for record in lines()] == ["dynfocus.answer/1"] * 2
    assert [record["video"] for record in lines()] == ["a.mp4", "b.mp4"]


def test_a_failure_again_is_one_failure():
    write(failed("a.mp4"), failed("b.mp4"))
    write(failed("a.mp4"))
    assert [record["video"] for record in lines()] == ["a.mp4", "b.mp4"]


def test_a_missing_file_that_came_is_no_failure_any_more(tmp_path):
    write(failed("late.mp4"), answered("a.mp4"))
    (tmp_path / "late.mp4").write_text("late")
    with opened() as file:
        assert find(file, "late.mp4") is None
        file.add("late.mp4", content_of("late.mp4"), WHAT, answered("late.mp4"))
    assert [record["schema"] for record in lines()] == ["dynfocus.answer/1"] * 2


def test_answers_to_a_content_that_is_gone_stay(tmp_path):
    write(answered("a.mp4"))
    (tmp_path / "a.mp4").write_text("another video under the same name")
    with opened() as file:
        assert find(file, "a.mp4") is None
        file.add("a.mp4", content_of("a.mp4"), WHAT, answered("a.mp4", answer="blue"))
    assert [record["answer"] for record in lines()] == ["red", "blue"]


def test_a_moved_video_is_done_and_a_copy_is_not(tmp_path):
    write(answered("a.mp4"), answered("b.mp4"))
    os.rename("a.mp4", "moved.mp4")
    (tmp_path / "copy.mp4").write_text("b.mp4")
    os.link("b.mp4", "link.mp4")
    with opened() as file:
        assert find(file, "moved.mp4").video == "a.mp4"
        assert find(file, "copy.mp4") is None
        assert find(file, "./b.mp4").video == "b.mp4"
        assert find(file, "link.mp4").video == "b.mp4"


def test_questions_of_a_video_fail_on_their_own():
    who = Query("Who?", "q2")
    with opened() as file:
        file.add("a.mp4", content_of("a.mp4"), WHAT, failed("a.mp4"))
        file.add("a.mp4", content_of("a.mp4"), who, failed("a.mp4", who) | {"question_id": "q2"})
    with opened() as file:
        file.add("a.mp4", content_of("a.mp4"), who, answered("a.mp4", who) | {"question_id": "q2"})
    assert [(record["question"], "error" in record) for record in lines()] == [
        ("What?", True),
        ("Who?", False),
    ]


def test_a_name_that_is_no_text_comes_back():
    name = os.fsdecode(b"\xff.mp4")
    write(failed(name))
    assert lines()[0]["video"] == name
    with opened() as file:
        assert find(file, name).video == name


def test_a_full_disk_leaves_whole_lines():
    """A limit on the size of files fails like a full disk, in the middle of a write."""
    code = """
        import resource, signal
        from dynfocus_cli.errors import DynFocusError
        from dynfocus_cli.results import ResultFile
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with ResultFile("out.jsonl") as file:
            file.resume("ask model=m")
            for number in range(100):
                record = {"schema": "dynfocus.answer/1", "video": str(number), "question": None}
                try:
                    file.add(str(number), f"path:{number}", None, record)
                except DynFocusError as error:
                    print(number, error)
                    break
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    count, _, said = done.stdout.partition(" ")
    assert "Cannot write out.jsonl: File too large. What it holds is whole" in said, done.stderr
    assert len(lines()) == int(count) > 1


MODEL = ModelInfo("tiny", "dynfocus", "0123", "none", "cpu")


def test_settings_are_what_an_answer_depends_on(tmp_path):
    plain = RunOptions()
    said = settings_of("ask", MODEL, plain)
    assert said == "ask model=tiny revision=0123 quantization=none"
    same = [
        (replace(MODEL, device="cuda"), plain),
        (MODEL, replace(plain, decoding=DecodingOptions("cuda", cache=False))),
    ]
    assert {settings_of("ask", model, options) for model, options in same} == {said}
    (tmp_path / "a.srt").write_text("1")
    other = [
        settings_of("inspect", MODEL, plain),
        settings_of("ask", replace(MODEL, name="other"), plain),
        settings_of("ask", replace(MODEL, revision="4567"), plain),
        settings_of("ask", replace(MODEL, quantization="nf4"), plain),
        settings_of("ask", MODEL, replace(plain, sampling=SamplingOptions(fps=2))),
        settings_of("ask", MODEL, replace(plain, sampling=SamplingOptions(at_s=2))),
        settings_of("ask", MODEL, replace(plain, selection=SelectionOptions(budget=100))),
        settings_of("ask", MODEL, replace(plain, generation=GenerationOptions(seed=1))),
        settings_of("ask", MODEL, replace(plain, generation=GenerationOptions(temperature=0.5))),
        settings_of("ask", MODEL, replace(plain, subtitles="auto")),
        settings_of("ask", MODEL, replace(plain, subtitles="a.srt")),
    ]
    (tmp_path / "a.srt").write_text("2")
    other.append(settings_of("ask", MODEL, replace(plain, subtitles="a.srt")))
    assert len({said, *other}) == len(other) + 1


def test_content_is_known_by_its_digest_and_what_cannot_be_read_by_its_path():
    os.mkfifo("pipe.mp4")
    assert content_of("a.mp4").startswith("sha256:")
    assert content_of("a.mp4", lambda path: "12") == "sha256:12"
    for path in ("gone.mp4", "pipe.mp4", ".", "", "a\0b", "/dev/zero"):
        assert content_of(path).startswith("path:")
    os.link("a.mp4", "same.mp4")
    assert content_of("same.mp4") == content_of("a.mp4")


def test_a_record_of_the_library_is_a_line():
    assert line_of({"video": os.fsdecode(b"\xff")}) == b'{"video": "\\udcff"}\n'
