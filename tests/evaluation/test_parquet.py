import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.parquet import read_parquet


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test.parquet"
    parquet.write_table(pyarrow.table({"id": ["1"], "options": [["A. a", "B. b"]], "more": [1]}), path)
    return path


def test_rows_have_the_columns_alone(file: Path) -> None:
    assert read_parquet(file, ["id", "options"]) == [{"id": "1", "options": ["A. a", "B. b"]}]


def test_another_version_says_which_columns_were_expected(file: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no column answer\. Expected are id, answer; there are id, options, more\."
    ):
        read_parquet(file, ["id", "answer"])


def test_a_broken_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(UsageError, match="cannot be read as Parquet"):
        read_parquet(path, ["id"])


def test_without_pyarrow_it_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'dynfocus\[eval\]'"):
        read_parquet(file, ["id"])
