"""Records held to their schemas, and to no field more.

The published schemas are open, so that a version may grow; here a field that nobody described is a mistake.
"""

from __future__ import annotations

from typing import Any

import jsonschema

from dynfocus_cli.report.json import load_schema


def validate(record: dict[str, Any]) -> None:
    """Raises jsonschema.ValidationError for a record that its strict schema does not hold."""
    jsonschema.Draft202012Validator(strict(load_schema(record["schema"]))).validate(record)


def strict(schema: Any) -> Any:
    """A copy of a schema in which no object may have a field that it does not name."""
    if isinstance(schema, list):
        return [strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: strict(inner) for key, inner in schema.items()}
    return copy | {"additionalProperties": False} if isinstance(copy.get("properties"), dict) else copy
