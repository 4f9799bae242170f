"""What the user sees: JSON records with their schemas, and the terminal."""

from dynfocus_cli.report.json import (
    answer_record,
    dumps,
    error_record,
    forecast_record,
    inspection_record,
    line_of,
)
from dynfocus_cli.report.schemas import load_schema

__all__ = [
    "answer_record",
    "dumps",
    "error_record",
    "forecast_record",
    "inspection_record",
    "line_of",
    "load_schema",
]
