"""The model card of a converted model, and how cards write their tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dynfocus_cli.checkpoints.record import Conversion
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.scorers import SCORERS


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [[f" {cell} " if cell else " " for cell in line] for line in (head, *rows)]
    lines.insert(1, ["---"] * len(head))
    return "\n".join(f"|{'|'.join(line)}|" for line in lines)


def write_card(folder: Path, name: str, source: Source, conversion: Conversion) -> None:
    """Writes `README.md` into `folder`: what the model is, what it was made of, and how it differs."""
    config = source.config
    rods = "none for key frames" if not config.key_frame_rods else "for every frame"
    settings = {
        "quantization": conversion.quantization,
        "events": f"{config.temporal_clustering}, L = {config.prototypes}, K/L = {config.key_ratio}",
        "key frames chosen by": SCORERS[config.scorer].on_card,
        "rods": f"{rods}, {config.rod_tokens} tokens, of the {config.rod_source}, {config.rod_order}",
        "context": f"{config.text_config.max_position_embeddings} tokens",
    }
    lines = [
        f"# {name}",
        "",
        f"A DynFocus network for `dynfocus ask --model`, converted from {source.layout}.",
        "",
        table(("", ""), settings.items()),
        "",
        f"Licence: {conversion.licence}." if conversion.licence else "The licences of its sources hold.",
        "",
        "## Made of",
        "",
        *(f"- https://huggingface.co/{repository}" for repository in conversion.origin),
        *([""] if conversion.origin else []),
        table(
            ("file", "bytes", "SHA-256"),
            [(file.name, str(file.bytes), f"`{file.sha256}`") for file in conversion.sources],
        ),
    ]
    if config.untrained:
        lines += [
            "",
            "## Not trained",
            "",
            f"Random as yet: {', '.join(config.untrained)}. Answers mean nothing before training.",
        ]
    if conversion.dropped:
        lines += ["", "## Left out", "", "Without effect in the source:", ""]
        lines += [f"- `{key}`" for key in conversion.dropped]
    # The folder's name need not be text.
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
