"""What the tests convert, and how."""

from __future__ import annotations

from pathlib import Path

from dynfocus_cli.checkpoints.convert import convert
from dynfocus_cli.checkpoints.sources.recognise import open_source
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Quantization

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "demo.mp4"
TINY = ROOT / "weights" / "dynfocus-tiny"


def converted(
    source: Path,
    destination: Path,
    quantization: Quantization = "none",
    vision: Path | None = None,
    question_tokenizer: Path | None = None,
) -> Path:
    """As `dynfocus models convert`."""
    opened = open_source(source, vision=vision, question_tokenizer=question_tokenizer)
    return convert(opened, destination, quantization, Silent())
