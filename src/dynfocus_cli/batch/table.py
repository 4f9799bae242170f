"""Results as a flat table in a Parquet file: a row a result, or a row a frame.

The columns follow from the schemas of the records that are in the files: what a schema describes as a number
is a number in the table. A field within a field is a column of both names, as `tokens_video`; a list of
numbers or texts is a list; what is nested more deeply is JSON. The frames have a table of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynfocus_cli.batch.valid_records import ValidRecords
from dynfocus_cli.errors import DynFocusError, UsageError
from dynfocus_cli.files import atomic_file, reason
from dynfocus_cli.report.json import ERROR, load_schema

if TYPE_CHECKING:
    from dynfocus_cli.report.json import Record

BATCH = 500
"""Rows that are in memory as JSON at once."""
ROW_GROUP = 100 * BATCH
"""Rows of a group of the file, which are in memory as columns at once."""

WHERE = ("key", "video", "question", "question_id")
"""Fields of a result that say in the table of frames which one it is."""

TYPES = {"string": "string", "integer": "int64", "number": "double", "boolean": "bool"}
"""Of JSON Schema -> of Arrow."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    name: str
    path: tuple[str, ...]
    """Where its value stands in a record."""
    type: str
    """Of Arrow; `list`, `spans` and `json` for what is no single value."""

    def value(self, record: Mapping[str, Any]) -> Any:
        """Of a record; None where it has none."""
        value: Any = record
        for name in self.path:
            if not isinstance(value, Mapping):
                return None
            value = value.get(name)
        if value is None:
            return None
        if self.type == "json":
            return _text(json.dumps(value, ensure_ascii=False))
        if self.type == "string":
            return _text(str(value))
        if self.type == "list<string>":
            return [_text(each) for each in value]
        return value


@dataclass(frozen=True, slots=True)
class Table:
    """What came of an export."""

    rows: int
    columns: int
    warnings: tuple[str, ...]


def export_results(paths: Sequence[str], output: Path, *, frames: bool = False) -> Table:
    """Writes the results in files as a Parquet file.

    Args:
        frames: a row is a frame of a result, not a result; errors have none.

    Raises:
        UsageError: pyarrow is not installed, a file cannot be read or holds anything else than results, or
            no result has frames.
        DynFocusError: the table cannot be written.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Writing Parquet takes pyarrow: pip install 'dynfocus[parquet]'") from error
    if output.suffix.lower() != ".parquet":
        raise UsageError(f"`output` is a Parquet file, such as results.parquet, got {output}.")
    valid = ValidRecords(paths)
    if not len(valid):
        raise UsageError("There is no result to export.")
    columns = frame_columns(valid.schemas) if frames else result_columns(valid.schemas)
    rows = _frames(valid.records()) if frames else valid.records()
    schema = arrow.schema([(column.name, _arrow_type(column.type, arrow)) for column in columns])
    count = 0
    try:
        with (
            atomic_file(output) as temporary,
            parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
        ):
            group: list[Any] = []
            for batch in _batches(rows):
                data = {column.name: [column.value(row) for row in batch] for column in columns}
                group.append(arrow.table(data, schema))
                count += len(batch)
                if count % ROW_GROUP == 0:
                    writer.write_table(arrow.concat_tables(group))
                    group.clear()
            if group:
                writer.write_table(arrow.concat_tables(group))
    except OSError as error:
        raise DynFocusError(f"Cannot write {output}: {reason(error)}.") from error
    except (arrow.ArrowException, TypeError) as error:
        raise UsageError(f"The results do not follow their schemas: {error}") from error
    return Table(count, len(columns), tuple(valid.warnings))


def result_columns(schemas: Iterable[str]) -> list[Column]:
    """The columns of a table of results, by the names of their schemas."""
    columns: dict[str, Column] = {}
    others = [name for name in schemas if name != ERROR]
    for name in (*others, ERROR):
        for column in _columns(_schema(name)):
            if column.path == ("frames",) and column.type == "json":
                continue
            if name == ERROR and others and column.path[0] != "error":
                continue  # what else an error has, the others have where it matters
            known = columns.setdefault(column.name, column)
            if known.type != column.type:
                columns[column.name] = Column(column.name, column.path, _wider(known.type, column.type))
    return list(columns.values())


def frame_columns(schemas: Iterable[str]) -> list[Column]:
    """The columns of a table of frames. Raises UsageError where no schema has frames."""
    for name in schemas:
        schema = _schema(name)
        items = schema["properties"].get("frames", {}).get("items")
        if items is not None:
            where = [column for column in _columns(schema) if column.name in WHERE]
            return [*where, *_columns(items), Column("attention", ("attention",), "double")]
    raise UsageError("No result has frames: results of `ask` and `inspect` do.")


def _frames(records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        frames = record.get("frames")
        if not isinstance(frames, list):
            continue
        where = {name: record[name] for name in WHERE if name in record}
        attention = record.get("attention") or [None] * len(frames)
        for frame, attended in zip(frames, attention, strict=True):
            yield {**where, **frame, "attention": attended}


def _columns(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Column]:
    for name, described in schema.get("properties", {}).items():
        own = (*path, name)
        if "properties" in described:
            yield from _columns(described, own)
        else:
            yield Column("_".join(own), own, _type(described))


def _type(described: Mapping[str, Any]) -> str:
    """What a schema says of a field, as the type of a column."""
    if "const" in described:
        return "string"
    named = described.get("type")
    kinds = {named} if isinstance(named, str) else set(named or ())
    kinds.discard("null")
    if not kinds and "enum" in described:
        kinds = {"integer" if isinstance(each, int) else "string" for each in described["enum"]}
    if kinds == {"array"}:
        items = _type(described.get("items", {}))
        return f"list<{items}>" if items in (*TYPES.values(), "list<double>") else "json"
    if len(kinds) == 1:
        return TYPES.get(kinds.pop(), "json")
    return "string" if kinds <= {"string", "integer"} and kinds else "json"


def _wider(one: str, other: str) -> str:
    return "double" if {one, other} == {"int64", "double"} else "json"


def _arrow_type(name: str, arrow: Any) -> Any:
    if name.startswith("list<"):
        return arrow.list_(_arrow_type(name[5:-1], arrow))
    return (
        arrow.string()
        if name == "json"
        else getattr(arrow, {"bool": "bool_", "double": "float64"}.get(name, name))()
    )


def _schema(name: str) -> dict[str, Any]:
    try:
        return load_schema(name)
    except KeyError as error:
        raise UsageError(f"Records {name} are unknown here: a newer version wrote them.") from error


def _batches(rows: Iterable[Record]) -> Iterator[list[Record]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _text(text: str) -> str:
    """Valid text: what a file name has that is no UTF-8 is spelled as in JSON."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
