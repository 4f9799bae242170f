"""What the user sees: JSON records with their schemas, text on the terminal, and files in several formats."""

from dynfocus_cli.report.json import (
    answer_record,
    dumps,
    error_record,
    forecast_record,
    inspection_record,
    line_of,
    load_schema,
)

__all__ = [
    "answer_record",
    "dumps",
    "error_record",
    "forecast_record",
    "inspection_record",
    "line_of",
    "load_schema",
]
