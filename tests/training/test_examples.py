"""Data as it is found: three layouts, and everything that can be wrong with an item of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynfocus_cli.errors import UsageError
from dynfocus_cli.training.examples import CAPTION_QUESTION, read_examples

ITEM = {"video": "a.mp4", "question": "What is it?", "answer": "a cat"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that are called as videos are; reading data opens none of them."""
    for name in ("a.mp4", "b.mkv", "c.jpg"):
        (tmp_path / name).touch()
    return tmp_path


def write(path: Path, value: object) -> Path:
    lines = (
        [one if isinstance(one, str) else json.dumps(one) for one in value] if path.suffix == ".jsonl" else []
    )
    path.write_text("\n".join(lines) if lines else json.dumps(value))
    return path


def turns(*said: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(said)]


def test_json_lines(folder: Path) -> None:
    data = write(folder / "data.jsonl", [ITEM, "", ITEM | {"type": "what", "answer": " a dog "}])
    found = read_examples(data)
    assert [(one.question, one.answer) for one in found.usable] == [
        ("What is it?", "a cat"),
        ("What is it?", "a dog"),
    ]
    assert [one.where for one in found.usable] == [f"{data}, line 1", f"{data}, line 3"]
    assert {one.video for one in found.usable} == {str(folder / "a.mp4")}
    assert found.problems == ()


def test_llava(folder: Path) -> None:
    said = turns("<video>\nWhat is it?", "A cat.", "What color?\n<image>", "Black.")
    items = [
        {"id": 1, "video": "a.mp4", "conversations": said},
        {"id": 2, "image": "c.jpg", "conversations": turns("<image>\nDescribe it.", "A hat.")},
    ]
    found = read_examples(write(folder / "data.json", items))
    assert [(Path(one.video).name, one.question, one.answer) for one in found.usable] == [
        ("a.mp4", "What is it?", "A cat."),
        ("a.mp4", "What color?", "Black."),
        ("c.jpg", "Describe it.", "A hat."),
    ]
    assert found.usable[1].where.endswith("data.json, item 1, turn 2")


def test_fields_that_are_null_are_not_there(folder: Path) -> None:
    """Tables that became JSON have every column in every row: null where the row has nothing."""
    said = turns("<image>\nWhat is it?", "A hat.")
    question = {"question": "What is it?", "answer": "A hat."}
    part = {"type": "text", "text": "What is it?", "image": None}
    parts = [{"type": "image", "image": None, "path": "c.jpg", "text": None}, part, part | {"text": None}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "A hat."}]
    items = [
        {"video": None, "image": "c.jpg", "conversations": said},
        {"video": None, "image": "c.jpg", "conversations": None, "messages": None, **question},
        {"video": None, "images": None, "conversations": None, "messages": messages},
    ]
    found = read_examples(write(folder / "data.json", items))
    assert found.problems == ()
    assert [(Path(one.video).name, one.question, one.answer) for one in found.usable] == [
        ("c.jpg", "What is it?", "A hat.")
    ] * 3


@pytest.mark.parametrize(("text", "reason"), [(None, "The question is empty."), (7, 'no "question" that is')])
def test_a_typed_part_that_is_no_text_is_no_question(folder: Path, text: object, reason: str) -> None:
    parts = [{"type": "video", "video": "a.mp4"}, {"type": "text", "text": text}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "A cat."}]
    found = read_examples(write(folder / "data.jsonl", [ITEM, {"messages": messages}]))
    assert len(found.usable) == 1
    assert reason in found.problems[0].reason


def test_messages_of_typed_parts(folder: Path) -> None:
    """As TRL and Qwen's recipes have them: what is shown and what is said stand in one list."""

    def said(*parts: object) -> list[dict[str, object]]:
        return [
            {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": list(parts)},
            {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
        ]

    text = {"type": "text", "text": "What is it?"}
    items = [
        {"messages": said({"type": "video", "video": "a.mp4"}, text)},
        {"messages": said({"type": "image", "image": f"file://{folder / 'c.jpg'}"}, text)},
        {"messages": said({"type": "video"}, text), "videos": ["b.mkv"]},
        {"messages": said({"type": "video", "video": "a.mp4"}, {"type": "image", "path": "c.jpg"}, text)},
        {"messages": said({"type": "video", "video": "a.mp4"})},
        {"messages": said(text)},
    ]
    examples = read_examples(write(folder / "data.json", items))
    assert [(Path(one.video).name, one.question, one.answer) for one in examples.usable] == [
        ("a.mp4", "What is it?", "A cat."),
        ("c.jpg", "What is it?", "A cat."),
        ("b.mkv", "What is it?", "A cat."),
    ]
    assert [problem.reason for problem in examples.problems] == [
        "it is about 2 videos or images, and an example is about one.",
        "The question is empty.",
        "it is about 0 videos or images, and an example is about one.",
    ]


def test_messages(folder: Path) -> None:
    """As LLaMA-Factory, ms-swift and TRL have them."""
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "<video>What is it?"},
        {"role": "assistant", "content": "A cat."},
    ]
    items = [
        {"messages": said, "videos": ["a.mp4"]},
        {"messages": said[1:], "images": ["c.jpg"]},
        {"messages": said, "videos": ["a.mp4", "b.mkv"]},
        {"messages": said[1:2] * 2, "video": "a.mp4"},
    ]
    found = read_examples(write(folder / "data.jsonl", items))
    assert [(Path(one.video).name, one.question, one.answer) for one in found.usable] == [
        ("a.mp4", "What is it?", "A cat."),
        ("c.jpg", "What is it?", "A cat."),
    ]
    assert [problem.reason for problem in found.problems] == [
        "it is about 2 videos or images, and an example is about one.",
        "\"user\" and \"assistant\" must take turns, got 'user' and 'user'.",
    ]


def test_paths_begin_at_media_or_are_whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    whole = ITEM | {"video": str(folder / "b.mkv")}
    data = write(elsewhere / "data.jsonl", [ITEM, whole])
    assert [one.video for one in read_examples(data, folder).usable] == [
        str(folder / "a.mp4"),
        str(folder / "b.mkv"),
    ]
    assert [str(problem) for problem in read_examples(data).problems] == [
        f"{data}, line 1: {elsewhere / 'a.mp4'} is not there."
    ]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("{", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        (["a"], "it is no JSON object."),
        (ITEM | {"video": "gone.mp4"}, "gone.mp4 is not there."),
        (ITEM | {"video": ""}, 'it names no "video"'),
        (ITEM | {"video": 7}, 'it names no "video"'),
        (ITEM | {"video": "\0"}, "is not there."),
        (ITEM | {"video": "."}, "is a folder."),
        (ITEM | {"answer": "  "}, "its answer is empty."),
        (ITEM | {"answer": None}, 'it has no "answer" that is a text.'),
        (ITEM | {"answer": "\ud800"}, "its answer is not valid text."),
        (ITEM | {"question": "<video>"}, "The question is empty."),
        ({"video": "a.mp4", "answer": "x"}, 'it has no "question" that is a text.'),
        ({"video": "a.mp4", "conversations": []}, "is no row of questions and answers (0 turns)."),
        ({"video": "a.mp4", "conversations": turns("x")}, "(1 turns)."),
        ({"video": "a.mp4", "conversations": "x"}, 'its "conversations" are no list of objects.'),
        ({"video": "a.mp4", "conversations": [{"from": "gpt"}] * 2}, "must take turns, got 'gpt' and 'gpt'."),
    ],
)
def test_what_is_broken_is_named_and_costs_nothing_else(folder: Path, item: object, reason: str) -> None:
    found = read_examples(write(folder / "data.jsonl", [ITEM, item, ITEM]))
    assert len(found.usable) == 2
    (problem,) = found.problems
    assert problem.where.endswith("data.jsonl, line 2")
    assert reason in problem.reason


def test_a_broken_turn_costs_no_other(folder: Path) -> None:
    said = turns("What?", "", "Where?", "Here.")
    found = read_examples(write(folder / "data.json", [{"video": "a.mp4", "conversations": said}]))
    assert [one.answer for one in found.usable] == ["Here."]
    assert len(found.problems) == 1


def test_a_folder_of_videos_with_files_beside_them(folder: Path) -> None:
    write(folder / "a.json", {"question": "What is it?", "answer": "a cat"})
    (folder / "b.txt").write_text("A dog runs.\n")
    (folder / "d.mp4").touch()
    found = read_examples(folder)
    assert [(Path(one.video).name, one.question, one.answer) for one in found.usable] == [
        ("a.mp4", "What is it?", "a cat"),
        ("b.mkv", CAPTION_QUESTION, "A dog runs."),
    ]
    assert [str(problem) for problem in found.problems] == [
        f"{folder / 'd.mp4'}: it has none of d.json, d.jsonl, d.txt beside it."
    ]


def test_a_broken_file_beside_a_video_costs_no_other(folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"\xff")
    (folder / "b.json").write_text("{")
    (folder / "e.mp4").touch()
    (folder / "e.txt").write_text("A cat.")
    found = read_examples(folder)
    assert len(found.usable) == 1
    assert len(found.problems) == 2


def test_a_folder_with_one_data_file(folder: Path) -> None:
    write(folder / "questions.jsonl", [ITEM])
    assert len(read_examples(folder).usable) == 1
    write(folder / "more.json", [ITEM])
    with pytest.raises(UsageError, match=r"several data files \(more\.json, questions\.jsonl\): name one"):
        read_examples(folder)


def test_folders_below(folder: Path) -> None:
    """Each is read as a folder; a data file stands for its folder and for all below it."""
    (folder / "a.txt").write_text("A cat.")
    (folder / "b.txt").write_text("A dog.")
    for below in ("cats", "cats/old", "dogs", "dogs/old", ".hidden", "two"):
        (folder / below).mkdir()
        (folder / below / "d.mp4").touch()
    for below in ("cats", "cats/old", ".hidden"):
        (folder / below / "d.txt").write_text(f"Of {below}.")
    write(folder / "dogs" / "all.jsonl", [ITEM | {"video": "old/d.mp4"}])
    write(folder / "two" / "one.json", [ITEM])
    write(folder / "two" / "other.json", [ITEM])
    (folder / "cats" / "circle").symlink_to(folder)
    assert len(read_examples(folder).usable) == 2
    found = read_examples(folder, recursive=True)
    assert [str(Path(one.video).relative_to(folder)) for one in found.usable] == [
        *("a.mp4", "b.mkv", "cats/d.mp4", "cats/old/d.mp4", "dogs/old/d.mp4"),
    ]
    assert [str(problem) for problem in found.problems] == [
        f"{folder / 'two'}: it holds several data files (one.json, other.json): name one of them."
    ]


def test_videos_in_folders_below_alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outer = tmp_path_factory.mktemp("outer")
    folder.rename(outer / "clips")
    with pytest.raises(UsageError, match=r"neither videos nor a .*: with `recursive` those in folders below"):
        read_examples(outer)
    with pytest.raises(UsageError, match=r"used: .*a\.mp4: it has none of .* And 1 more\."):
        read_examples(outer, recursive=True)


def test_nothing_to_learn_from(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(UsageError, match="is not there"):
        read_examples(folder / "gone.json")
    with pytest.raises(UsageError, match="holds neither videos nor"):
        read_examples(tmp_path_factory.mktemp("empty"))
    bad = [ITEM | {"answer": ""}, ITEM | {"video": "gone.mp4"}]
    with pytest.raises(UsageError, match=r"no example that can be used: .*line 1: its answer.* And 1 more\."):
        read_examples(write(folder / "data.jsonl", bad))
    with pytest.raises(UsageError, match=r'can be used: it is empty\. An example is an object with "video"'):
        read_examples(write(folder / "data.json", []))
    (folder / "data.json").write_text('[\n  {"video": "a.mp4"},\n]\n')
    with pytest.raises(UsageError, match=r"data\.json: it is no JSON \(.*line [23] column [0-9]+ .*\)\.$"):
        read_examples(folder / "data.json")
    (folder / "data.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"byte 1 of it is not UTF-8: save the file as UTF-8\."):
        read_examples(folder / "data.json")
    (folder / "data.mp4").touch()
    with pytest.raises(UsageError, match=r"data\.mp4 is a video: name a folder"):
        read_examples(folder / "data.mp4")


def test_one_line_that_is_no_text_costs_that_line(folder: Path) -> None:
    path = write(folder / "data.jsonl", [ITEM, ITEM])
    path.write_bytes(b'{"answer": "caf\xe9"}\n' + path.read_bytes())
    found = read_examples(path)
    assert len(found.usable) == 2
    (problem,) = found.problems
    assert str(problem).endswith("data.jsonl, line 1: byte 16 of it is not UTF-8: save the file as UTF-8.")


def test_suffixes_may_be_in_capitals(folder: Path) -> None:
    write(folder / "data.jsonl", [ITEM]).rename(folder / "DATA.JSONL")
    assert len(read_examples(folder).usable) == 1
