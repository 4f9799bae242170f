"""The file of results: what is in it stays, whatever happens to the process that writes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dynfocus_cli.batch.questions import Query
from dynfocus_cli.batch.result_key import Content, content_of, key_of, settings_of
from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import RunOptions
from dynfocus_cli.report.json import error_record, line_of
from dynfocus_cli.types import ModelInfo, Option

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


def test_an_answer_about_an_object_counts_where_its_store_is_not_asked():
    address = "s3://bucket/film.mp4"
    with opened() as file:
        file.add(address, Content(f"object:{address} etag"), WHAT, answered(address))
    with opened() as file:
        assert file.find(address, content_of(address), WHAT) is not None
        assert file.find(address, Content(f"object:{address} other etag"), WHAT) is None
        assert file.find(address, content_of(address), Query("Who?")) is None


def test_a_guess_about_a_video_that_moved_gives_way():
    with opened() as file:
        file.add("a.mp4", Content("film"), WHAT, answered("a.mp4") | {"in_domain": False})
    with opened() as file:
        Path("a.mp4").unlink()
        file.add("b.mp4", Content("film"), WHAT, error_record("b.mp4", 4, "OutOfDomain", "No.", WHAT.text))
    assert [json.loads(line)["video"] for line in content().splitlines()] == ["b.mp4"]


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
        UsageError, match=r"out\.jsonl holds something that `output` did not write \(line 1\)"
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


def follow(file, video):
    file.follow(find(file, video), video, content_of(video))


def test_the_record_of_a_moved_video_has_its_new_path_in_the_same_place():
    write(answered("a.mp4"), answered("b.mp4"))
    os.rename("a.mp4", "moved.mp4")
    with opened() as file:
        follow(file, "moved.mp4")
        follow(file, "moved.mp4")
        follow(file, "./b.mp4")  # where it was
        assert file.count == 2
    assert [record["video"] for record in lines()] == ["moved.mp4", "b.mp4"]
    assert lines()[0] == answered("moved.mp4") | {key: lines()[0][key] for key in ("key", "settings")}
    with opened() as file:
        assert find(file, "moved.mp4").video == "moved.mp4"


def test_a_search_names_a_moved_video_by_its_new_path_throughout():
    found = {"schema": "dynfocus.moments/1", "video": "a.mp4", "query": "What?", "vid": "a"}
    write(found | {"moments": [{"rank": 1, "video": "a.mp4"}]})
    os.rename("a.mp4", "moved.mp4")
    with opened() as file:
        follow(file, "moved.mp4")
    (record,) = lines()
    assert (record["video"], record["vid"]) == ("moved.mp4", "moved")
    assert record["moments"] == [{"rank": 1, "video": "moved.mp4"}]


def test_a_search_takes_the_place_of_its_failure():
    write(failed("a.mp4"))
    write({"schema": "dynfocus.moments/1", "video": "a.mp4", "query": "What?", "moments": []})
    assert [record["schema"] for record in lines()] == ["dynfocus.moments/1"]


def test_of_two_equal_videos_each_keeps_its_record(tmp_path):
    (tmp_path / "b.mp4").write_text("a.mp4")
    write(answered("a.mp4"), answered("b.mp4"))
    os.rename("a.mp4", "x.mp4")
    with opened() as file:
        follow(file, "b.mp4")  # its own, and not that of a video that is gone
        follow(file, "x.mp4")
    os.rename("b.mp4", "y.mp4")
    with opened() as file:
        follow(file, "x.mp4")
        follow(file, "y.mp4")
    assert [record["video"] for record in lines()] == ["x.mp4", "y.mp4"]


def test_a_subtitle_file_that_was_moved_with_its_video_is_named_anew(tmp_path):
    (tmp_path / "a.srt").write_text(CUES.format(1, "One."))
    content = content_of("a.mp4", subtitles_beside=True)
    assert content.subtitles == "a.srt"
    with opened() as file:
        file.add("a.mp4", content, WHAT, answered("a.mp4") | {"subtitles": {"origin": "a.srt", "tokens": 9}})
    os.rename("a.mp4", "moved.mp4")
    os.rename("a.srt", "moved.srt")
    content = content_of("moved.mp4", subtitles_beside=True)
    with opened() as file:
        file.follow(file.find("moved.mp4", content, WHAT), "moved.mp4", content)
    assert lines()[0]["subtitles"] == {"origin": "moved.srt", "tokens": 9}


def test_the_failure_of_a_moved_video_gives_way_to_its_result():
    write(failed("a.mp4"), answered("b.mp4"))
    os.rename("a.mp4", "moved.mp4")
    with opened() as file:
        file.add("moved.mp4", content_of("moved.mp4"), WHAT, answered("moved.mp4"))
        assert (file.count, file.failures) == (2, 0)
    assert [record["video"] for record in lines()] == ["moved.mp4", "b.mp4"]


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
        from dynfocus_cli.batch.result_key import Content
        from dynfocus_cli.batch.results import ResultFile
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with ResultFile("out.jsonl") as file:
            file.resume("ask model=m")
            for number in range(100):
                record = {"schema": "dynfocus.answer/1", "video": str(number), "question": None}
                try:
                    file.add(str(number), Content(f"path:{number}"), None, record)
                except DynFocusError as error:
                    print(number, error)
                    break
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    count, _, said = done.stdout.partition(" ")
    assert "Cannot write out.jsonl: File too large. What it holds is whole" in said, done.stderr
    assert len(lines()) == int(count) > 1


MODEL = ModelInfo("tiny", "dynfocus", "0123", "none", "cpu", "4567", "89ab")
CUES = "1\n00:00:0{}.000 --> 00:00:09,000\n{}\n"


@dataclass(frozen=True)
class Inputs:
    """All that an answer, and the record of it, is made from."""

    command: str = "ask"
    model: ModelInfo = MODEL
    options: RunOptions = field(default_factory=RunOptions)
    video: str = "a.mp4"
    content: str = "a film"
    beside: dict[str, str] = field(default_factory=lambda: {"a.srt": CUES.format(1, "One.")})
    """Subtitle files beside it."""
    query: Query | None = WHAT

    def key(self) -> str:
        for path in Path.cwd().iterdir():
            path.unlink()
        for name, text in {self.video: self.content, **self.beside}.items():
            Path(name).write_text(text)
        settings = settings_of(self.command, self.model, self.options)
        content = content_of(self.video, subtitles_beside=self.options.subtitles == "auto")
        return key_of(settings, content, self.query)


PLAIN = Inputs()
AUTO = replace(PLAIN, options=RunOptions(subtitles="auto"))
NAMED = replace(PLAIN, options=RunOptions(subtitles="a.srt"))
OTHER = {"a.srt": CUES.format(1, "Two.")}

# Every field of every group of options, and another value of it.
OTHER_OPTIONS: dict[str, Any] = {
    "fps": 2.0,
    "frames": 3,
    "max_frames": 4,
    "start_s": 1.0,
    "end_s": 2.0,
    "at_s": 1.5,
    "prototypes": 5,
    "key_ratio": 0.5,
    "budget": 100,
    "scorer": "visual",
    "frame_selector": "topk",
    "cone_tokens": 8,
    "rods": False,
    "stock": True,
    "max_new_tokens": 7,
    "seed": 1,
    "temperature": 0.5,
    "subtitles": "auto",
    "check": True,
}
HOW = ("hwaccel", "cache", "anyway", "strict")
"""Where and how an answer is computed, and whether there is to be one: a run may go on elsewhere."""


def with_option(options: RunOptions, name: str, value: Any) -> RunOptions:
    """The same with one field changed, in whichever group it is."""
    if name in {one.name for one in fields(options)}:
        return replace(options, **{name: value})
    for group in fields(options):
        inner = getattr(options, group.name)
        if is_dataclass(inner) and name in {one.name for one in fields(inner)}:
            return replace(options, **{group.name: replace(inner, **{name: value})})
    raise KeyError(name)


def option_names(options: Any) -> list[str]:
    names: list[str] = []
    for one in fields(options):
        value = getattr(options, one.name)
        names += option_names(value) if is_dataclass(value) else [one.name]
    return names


def test_every_option_is_among_those_that_are_tried_below() -> None:
    assert sorted(option_names(RunOptions())) == sorted([*OTHER_OPTIONS, *HOW])


@pytest.mark.parametrize("name", OTHER_OPTIONS)
def test_an_option_that_changes_an_answer_changes_the_key(name: str) -> None:
    other = replace(PLAIN, options=with_option(RunOptions(), name, OTHER_OPTIONS[name]))
    assert other.key() != PLAIN.key()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLAIN, replace(PLAIN, command="inspect")),
        (PLAIN, replace(PLAIN, model=replace(MODEL, name="large"))),
        (PLAIN, replace(PLAIN, model=replace(MODEL, revision="cdef"))),
        (PLAIN, replace(PLAIN, model=replace(MODEL, config="cdef"))),
        (PLAIN, replace(PLAIN, model=replace(MODEL, quantization="nf4"))),
        (PLAIN, replace(PLAIN, model=replace(MODEL, selector="cdef"))),
        (PLAIN, replace(PLAIN, model=replace(MODEL, selector=""))),
        (PLAIN, replace(PLAIN, content="another film")),
        (PLAIN, replace(PLAIN, query=None)),
        (PLAIN, replace(PLAIN, query=Query("Who?"))),
        (PLAIN, replace(PLAIN, query=Query("What?", 1))),
        (replace(PLAIN, query=Query("What?", 1)), replace(PLAIN, query=Query("What?", "1"))),
        (PLAIN, replace(PLAIN, query=Query("What?", None, (Option("A", "x"), Option("B", "y"))))),
        (
            replace(PLAIN, query=Query("What?", None, (Option("A", "x"), Option("B", "y")))),
            replace(PLAIN, query=Query("What?", None, (Option("B", "y"), Option("A", "x")))),
        ),
        (AUTO, replace(AUTO, beside=OTHER)),
        (AUTO, replace(AUTO, beside={"a.srt": CUES.format(2, "One.")})),
        (AUTO, replace(AUTO, beside={})),
        (AUTO, replace(AUTO, beside={"a.en.srt": CUES.format(1, "One."), **OTHER})),  # before the language
        (NAMED, replace(NAMED, beside=OTHER)),
    ],
)
def test_what_changes_an_answer_changes_the_key(one: Inputs, other: Inputs) -> None:
    assert one.key() != other.key()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLAIN, replace(PLAIN, model=replace(MODEL, device="cuda"))),
        (PLAIN, replace(PLAIN, options=with_option(RunOptions(), "hwaccel", "cuda"))),
        (PLAIN, replace(PLAIN, options=with_option(RunOptions(), "cache", False))),
        (PLAIN, replace(PLAIN, video="moved.mp4")),
        (PLAIN, replace(PLAIN, beside=OTHER)),
        (NAMED, replace(NAMED, beside={"a.srt": CUES.format(1, "<i>One.</i>")})),
        (AUTO, replace(AUTO, beside={"a.en.srt": CUES.format(1, "One.")})),
        (AUTO, replace(AUTO, beside={**AUTO.beside, "b.srt": "1"})),
        (AUTO, replace(AUTO, beside={**AUTO.beside, "a.de.srt": CUES.format(1, "Eins.")})),
        (AUTO, replace(AUTO, video="moved.mp4", beside={"moved.srt": CUES.format(1, "One.")})),
    ],
)
def test_what_changes_no_answer_changes_no_key(one: Inputs, other: Inputs) -> None:
    assert one.key() == other.key()


def test_settings_are_told_in_words() -> None:
    said = settings_of("ask", replace(MODEL, selector=""), RunOptions())
    assert said == "ask model=tiny revision=0123 config=4567 quantization=none"
    assert settings_of("ask", MODEL, RunOptions(check=True)).endswith(" selector=89ab check=True")


def test_content_is_known_by_its_digest_and_what_cannot_be_read_by_its_path() -> None:
    os.mkfifo("pipe.mp4")
    assert content_of("a.mp4").key.startswith("sha256:")
    assert content_of("a.mp4", digest=lambda path: "12").key == "sha256:12"
    for path in ("gone.mp4", "pipe.mp4", ".", "", "a\0b", "/dev/zero"):
        assert content_of(path, subtitles_beside=True).key.startswith("path:")
    os.link("a.mp4", "same.mp4")
    assert content_of("same.mp4") == content_of("a.mp4")


def test_a_record_of_the_library_is_a_line():
    assert line_of({"video": os.fsdecode(b"\xff")}) == b'{"video": "\\udcff"}\n'
