"""Files of questions: lines, JSON lines, and lines that are neither."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynfocus_cli.batch.questions import Query, read_questions
from dynfocus_cli.errors import UsageError
from dynfocus_cli.types import Option


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
        (r'{"question": "Who?", "video": "\ud83d.mp4"}', 'Its "video" must be the path of one'),
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


def test_comments_and_old_line_ends(read):
    queries, problems = read("# Colors\r\r  # and\rWhat is it?\r\nWho?\r#7 has which color?\n#\n")
    assert [query.text for query in queries] == ["What is it?", "Who?", "#7 has which color?"]
    queries, problems = read('# ids\r\n{"question": "Who?"}\r\n#{"question": "No?"}\r\n', "q.jsonl")
    assert (queries, problems) == ((Query("Who?"),), [])


@pytest.mark.parametrize("name", ["q.json", "q.txt", "q.jsonl"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_objects(read, name, indent):
    """As json.dump writes it."""
    items = [{"id": 1, "question": "Who?"}, "What?", {"id": 1, "question": "Why?"}, {"question": "Where?"}]
    queries, problems = read(json.dumps(items, indent=indent), name)
    assert queries == (Query("Who?", 1), Query("Where?"))
    assert problems == [
        'item 2: It is no JSON object like {"id": "q1", "question": "What happens?"}.',
        "item 3: The id 1 is item 1's already.",
    ]


def test_an_object_over_several_lines(read):
    assert read(json.dumps({"id": 1, "question": "Who?"}, indent=2))[0] == (Query("Who?", 1),)


def test_a_broken_object_is_said_once(read):
    with pytest.raises(UsageError, match=r"all of it: It is no JSON \(.*line 4"):
        read('{\n "id": "q1",\n "question": "Who?",\n}\n', "questions.json")
    lines = '{"question": "Who?"}\n{"question": \n{"question": "What?"}\n'
    queries, problems = read(lines, "questions.json")
    assert [query.text for query in queries] == ["Who?", "What?"]
    assert len(problems) == 1


def test_a_broken_list_is_said_and_a_question_in_brackets_is_one(read):
    with pytest.raises(UsageError, match=r"holds no question: .*, all of it: It is no JSON"):
        read('[{"question": "Who?"},', "q.json")
    assert read("[Music] What plays?\nWho?")[0] == (Query("[Music] What plays?"), Query("Who?"))


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        ({"question_id": "v1", "answer": "x"}, Query("Who?", "v1")),
        ({"id": 1, "question_id": 2}, Query("Who?", 1)),
        ({"video": "a/b.mp4"}, Query("Who?", video="a/b.mp4")),
        ({"options": ["Ann", "Bob"]}, Query("Who?", choices=(Option("A", "Ann"), Option("B", "Bob")))),
        ({"choices": ["A. Ann", "B. Bob"]}, Query("Who?", choices=(Option("A", "Ann"), Option("B", "Bob")))),
        (
            {"options": ["(A) Ann", "(B) Bob"]},
            Query("Who?", choices=(Option("A", "Ann"), Option("B", "Bob"))),
        ),
        (
            {"options": ["A. Ann", "A. Bob"]},
            Query("Who?", choices=(Option("A", "A. Ann"), Option("B", "A. Bob"))),
        ),
        (
            {"options": {"x": "Ann", "y": "Bob"}},
            Query("Who?", choices=(Option("x", "Ann"), Option("y", "Bob"))),
        ),
    ],
)
def test_fields_of_an_object(read, fields, query):
    assert read(json.dumps({"question": "Who?", **fields})) == ((query,), [])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"video": ["a.mp4"]}, 'Its "video" must be the path of one, got ["a.mp4"].'),
        ({"video": ""}, 'Its "video" must be the path of one, got "".'),
        ({"question_id": 1.5}, 'Its "question_id" must be a text or a whole number, got 1.5.'),
        (
            {"options": "Ann"},
            'Its "options" must be like {"A": "a dog", "B": "a cat"} or ["a dog", "a cat"].',
        ),
    ],
)
def test_fields_that_are_none(read, fields, said):
    _, problems = read(json.dumps({"question": "Who?", **fields}) + '\n{"question": "Why?"}')
    assert problems == [f"line 1: {said}"]


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
