"""Files of results become one: a result a key and video, the newest, and answers before errors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dynfocus_cli.batch import valid_records
from dynfocus_cli.batch.merging import merge_results
from dynfocus_cli.batch.questions import Query
from dynfocus_cli.batch.result_key import Content
from dynfocus_cli.batch.results import ResultFile
from dynfocus_cli.errors import UsageError
from dynfocus_cli.report.json import error_record

SETTINGS = "ask model=m"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def record(video: str, answer: str | None, content: str = "", key: str = "") -> dict[str, Any]:
    if answer is None:
        made = error_record(video, 3, "VideoUnreadable", "No frame.", "What?")
    else:
        made = {"schema": "dynfocus.answer/1", "video": video, "question": "What?", "answer": answer}
    return made | {"key": key or f"key of {content or video}", "settings": SETTINGS}


def write(path: str, *records: dict[str, Any]) -> str:
    Path(path).write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def merged(*paths: str, output: str = "all.jsonl") -> list[tuple[str, str | None]]:
    merge_results(paths, output)
    lines = Path(output).read_text(encoding="utf-8").splitlines()
    return [(one["video"], one.get("answer")) for one in map(json.loads, lines)]


def test_parts_are_joined_in_the_order_of_files_and_lines() -> None:
    write("1", record("a", "red"), record("c", "blue"))
    write("2", record("b", "green"), record("d", None))
    assert merged("1", "2") == [("a", "red"), ("c", "blue"), ("b", "green"), ("d", None)]


def test_more_parts_than_files_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valid_records, "MAX_OPEN", 2)
    write("old", *(record(name, "red") for name in "abcde"))
    parts = [write(name + ".jsonl", record(name, "blue")) for name in "edcba"]
    assert merged("old", *parts) == [(name, "blue") for name in "abcde"]


def test_lines_stay_as_they_are_byte_for_byte() -> None:
    write("1", record("a\udcff", "r\u00e9d"), record("b", "x"))
    merged("1")
    assert Path("all.jsonl").read_bytes() == Path("1").read_bytes()


def test_the_newest_counts_and_stands_where_the_first_stood() -> None:
    write("1", record("a", "red"), record("b", "old"))
    write("2", record("c", "blue"), record("b", "new"))
    assert merged("1", "2") == [("a", "red"), ("b", "new"), ("c", "blue")]


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")])
def test_an_answer_counts_before_an_error_whichever_is_newer(order: tuple[str, str]) -> None:
    write("1", record("a", None))
    write("2", record("a", "red"))
    assert merged(*order) == [("a", "red")]


def test_an_error_of_a_file_that_was_not_there_gives_way_to_the_answer() -> None:
    """Its key was made of its path, and that of the answer of its content."""
    write("1", record("a", None, "path"), record("b", None, "path of b"), record("b", None, "bytes of b"))
    write("2", record("a", "red", "content"))
    assert merged("1", "2") == [("b", None), ("a", "red")]


def test_what_a_search_failed_at_gives_way_to_what_it_found() -> None:
    found = {"schema": "dynfocus.moments/1", "video": "a", "query": "What?", "key": "k", "settings": SETTINGS}
    write("1", record("a", None, "path"), found)
    merge_results(["1"], "all.jsonl")
    assert [json.loads(line)["schema"] for line in Path("all.jsonl").read_text().splitlines()] == [
        "dynfocus.moments/1"
    ]


def test_a_copy_has_a_result_of_its_own() -> None:
    write("1", record("a", "red", key="k"), record("copy of a", "red", key="k"))
    assert len(merged("1")) == 2


def test_what_the_output_has_stays_and_again_changes_nothing() -> None:
    write("all.jsonl", record("a", "red"), record("b", None))
    write("1", record("b", "blue"))
    assert merged("1") == [("a", "red"), ("b", "blue")]
    before = Path("all.jsonl").read_bytes()
    assert merged("1", "all.jsonl", "./1") == [("a", "red"), ("b", "blue")]
    assert Path("all.jsonl").read_bytes() == before


def test_a_run_goes_on_with_what_was_merged() -> None:
    for name, video in (("1", "a.mp4"), ("2", "b.mp4")):
        Path(video).write_text(video)
        with ResultFile(name) as file:
            file.resume(SETTINGS)
            file.add(video, Content(video), Query("What?"), record(video, "red"))
    merge_results(["1", "2"], "all.jsonl")
    with ResultFile("all.jsonl") as file:
        file.resume(SETTINGS)
        assert file.count == 2
        for video in ("a.mp4", "b.mp4"):
            stored = file.find(video, Content(video), Query("What?"))
            assert stored is not None
            assert stored.failed is None


def test_a_torn_line_is_left_out_and_said() -> None:
    write("1", record("a", "red"), record("b", "blue"))
    Path("1").write_bytes(Path("1").read_bytes()[:-20])
    result = merge_results(["1"], "all.jsonl")
    assert (result.results, len(result.warnings)) == (1, 1)
    assert "within a line" in result.warnings[0]
    Path("2").write_bytes(json.dumps(record("c", "red")).encode())  # only its line break is missing
    assert merged("1", "2") == [("a", "red"), ("c", "red")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"My notes.\n", "no result \\(line 1\\)"),
        (b'{"schema": "dynfocus.answer/1", "video": "a"}\n', "without a key \\(line 1\\)"),
        (json.dumps(record("a", "red") | {"settings": "ask model=n"}).encode(), "different settings"),
        (json.dumps(record("a", "red")).encode() + b"\n\n", "no result \\(line 2\\)"),
        (b'{"schema": "dynfocus.answer/1", "video": 3}\n', "no result"),
        (None, "no such file"),
    ],
)
def test_what_cannot_be_merged_leaves_the_output_as_it_was(content: bytes | None, said: str) -> None:
    write("all.jsonl", record("a", "red"))
    before = Path("all.jsonl").read_bytes()
    if content is not None:
        Path("1").write_bytes(content)
    with pytest.raises(UsageError, match=said):
        merge_results(["1"], "all.jsonl")
    assert Path("all.jsonl").read_bytes() == before
    assert sorted(os.listdir()) == sorted({"all.jsonl", *(["1"] if content is not None else [])})


def test_a_file_that_a_run_writes_to_is_not_replaced() -> None:
    write("1", record("a", "red"))
    with ResultFile("all.jsonl"), pytest.raises(UsageError, match="written by another run"):
        merge_results(["1"], "all.jsonl")
