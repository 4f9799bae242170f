"""The JSON Schemas of the records that scripts read."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def load_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record, by what stands in its `schema`, such as `dynfocus.answer/1`.

    Raises:
        KeyError: no record is called so.
    """
    folder = files(__package__).joinpath("schema")
    schemas = (json.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir())
    by_name: dict[str, dict[str, Any]] = {schema["title"]: schema for schema in schemas}
    if name not in by_name:
        raise KeyError(f"no schema {name!r}; there are {', '.join(sorted(by_name))}")
    return by_name[name]
