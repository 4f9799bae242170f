"""Parquet files, as Hugging Face distributes data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dynfocus_cli.errors import UsageError
from dynfocus_cli.files import reason


def read_parquet(path: Path, columns: Sequence[str]) -> list[Mapping[str, Any]]:
    """The rows of a file, with these columns alone.

    Raises:
        UsageError: pyarrow is not installed, the file cannot be read, or it is of another version; says which
            columns were expected and which there are.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise UsageError(
            f"{path} is a Parquet file, and reading it takes pyarrow: pip install 'dynfocus[eval]'"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            present = file.schema_arrow.names
            missing = [column for column in columns if column not in present]
            if missing:
                raise UsageError(
                    f"{path} is of another version: it has no column {', '.join(missing)}. Expected are "
                    f"{', '.join(columns)}; there are {', '.join(present)}."
                )
            rows: list[Mapping[str, Any]] = file.read(columns=list(columns)).to_pylist()
            return rows
    except (OSError, ArrowException) as error:
        raise UsageError(f"{path} cannot be read as Parquet ({reason(error)}).") from error
