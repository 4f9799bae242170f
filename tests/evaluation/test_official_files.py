import json
from pathlib import Path

import pytest

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.benchmark import find_benchmark
from dynfocus_cli.evaluation.official_files import (
    find_file,
    official_file,
    read_json,
    read_json_lines,
    read_json_rows,
    require_fields,
)


def test_a_file_is_found_in_the_folder_before_those_below(tmp_path: Path) -> None:
    below = tmp_path / "clone" / "data" / "a.json"
    below.parent.mkdir(parents=True)
    below.write_text("[]")
    assert find_file(tmp_path, "a.json") == below
    (tmp_path / "a.json").write_text("[]")
    assert find_file(tmp_path, "a.json") == tmp_path / "a.json"
    assert find_file(tmp_path, "data/*.json") == below
    assert find_file(tmp_path, "b.json") is None


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        official_file(find_benchmark("lvbench"), tmp_path / "none", "a.json")


def test_an_empty_folder_says_where_the_data_set_is(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"holds no a\.json: .*https://huggingface\.co/datasets/THUDM/LVBench"
    ):
        official_file(find_benchmark("lvbench"), tmp_path, "a.json")


@pytest.mark.parametrize("text", ["", "{", "\xff\xfe", "[" * 100_000])
def test_no_json_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        read_json(path)


def test_rows_are_a_list_of_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    with pytest.raises(UsageError, match="not a list of objects"):
        read_json_rows(path)
    path.write_text('[{"a": 1}]')
    assert read_json_rows(path) == [{"a": 1}]


def test_lines_are_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('\ufeff{"a": 1}\r\n\n{"a": "\u2028"}\n', encoding="utf-8")
    assert read_json_lines(path) == [{"a": 1}, {"a": "\u2028"}]
    path.write_text(json.dumps({"a": 1}) + "\n{")
    with pytest.raises(UsageError, match="line 2, is no JSON"):
        read_json_lines(path)
    path.write_text("1\n")
    with pytest.raises(UsageError, match="line 1, is not an object"):
        read_json_lines(path)
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read as JSON Lines"):
        read_json_lines(path)


def test_fields_of_another_version_are_named() -> None:
    with pytest.raises(UsageError, match=r"entry 2 has no b\. Expected are the fields a, b\."):
        require_fields(Path("x.json"), [{"a": 1, "b": 2}, {"a": 1}], ["a", "b"])
