"""Files of questions: lines, JSON lines, and lines that are neither."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.errors import UsageError
from dynfocus_cli.question_file import Query, read_questions


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, name="questions.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        found = read_questions(str(path))
        return found.queries, [problem.removeprefix(f"{path}, ") for problem in found.problems]

    return write_and_read


def test_one_a_line(read):
    queries, problems = read("\ufeffWhat is it?\r\n\n  Who? \nWhere, \u2028 then?")
    assert [query.text for query in queries] == ["What is it?", "Who?", "Where, \u2028 then?"]
    assert {query.id for query in queries} == {None}
    assert problems == []


def test_objects_with_and_without_an_id(read):
    lines = [
        '{"id": "q1", "question": "Who?", "type": "x"}',
        '{"question": "What?"}',
        '{"id": 7, "question": "1"}',
    ]
    queries, problems = read("\n".join(lines))
    assert queries == (Query("Who?", "q1"), Query("What?"), Query("1", 7))
    assert problems == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": 1, "question":', "It is no JSON (Expecting value"),
        ("What?", "It is no JSON"),
        ('"What?"', "It is no JSON object"),
        ("[" * 100_000, "It"),
        ('{"id": 1}', 'It has no "question" that is a text'),
        ('{"question": ["What?"]}', 'It has no "question" that is a text'),
        ('{"question": " "}', "The question is empty"),
        ('{"question": "\\ud800"}', "The question is not valid text"),
        ('{"id": true, "question": "Who?"}', 'Its "id" must be a text or a whole number, got true'),
        ('{"id": 1.5, "question": "Who?"}', 'Its "id" must be a text or a whole number, got 1.5'),
        ('{"id": "first", "question": "Who?"}', "The id 'first' is line 1's already"),
        (b"\xff", "It is no text: byte 1 of it is not UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["questions.jsonl", "questions.txt"])
def test_a_broken_line_is_named_and_the_others_are_read(read, name, line, said):
    line = line if isinstance(line, bytes) else line.encode()
    content = b'{"id": "first", "question": "What?"}\n' + line + b'\n{"id": "last", "question": "Why?"}\n'
    queries, problems = read(content, name)
    assert [query.id for query in queries] == ["first", "last"]
    (problem,) = problems
    assert problem.startswith(f"line 2: {said}")


def test_a_line_of_text_that_is_no_utf8(read):
    queries, problems = read(b"What?\nWh\xfft?\n")
    assert queries == (Query("What?"),)
    assert problems == ["line 2: It is no text: byte 3 of it is not UTF-8."]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", r"holds no question\."),
        ("\n \n", r"holds no question\."),
        ("{}", "holds no question: .*line 1: It has no"),
    ],
)
def test_a_file_without_a_question_is_a_usage_error(read, content, said):
    with pytest.raises(UsageError, match=said):
        read(content)


@pytest.mark.parametrize("path", ["gone.txt", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(path)


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"What?\n")))
    assert read_questions("-").queries == (Query("What?"),)


@given(st.binary(max_size=200))
def test_any_bytes_give_questions_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "q"
    path.write_bytes(content)
    try:
        found = read_questions(str(path))
    except UsageError:
        return
    for query in found.queries:
        assert query.text.strip()
        json.dumps(query.text).encode()
