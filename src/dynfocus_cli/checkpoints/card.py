"""The model card of a converted model."""

from __future__ import annotations

from pathlib import Path

from dynfocus_cli.checkpoints.record import Conversion
from dynfocus_cli.checkpoints.sources.source import Source
from dynfocus_cli.types import Scorer

_SCORES: dict[Scorer, str] = {
    "visual": "a trained score network, on pixels alone",
    "question": "a trained score network, with the question",
    "attention": "the Q-Former's attention from the question to the frames (no score network was trained)",
    "density": "how dense and how distinct an event is",
}


def write_card(folder: Path, name: str, source: Source, conversion: Conversion) -> None:
    """Writes `README.md` into `folder`: what the model is, what it was made of, and how it differs."""
    config = source.config
    rods = "none for key frames" if not config.key_frame_rods else "for every frame"
    lines = [
        f"# {name}",
        "",
        f"A DynFocus network for `dynfocus ask --model`, converted from {source.layout}.",
        "",
        "| | |",
        "|---|---|",
        f"| quantization | {conversion.quantization} |",
        f"| events | {config.temporal_clustering}, L = {config.prototypes}, K/L = {config.key_ratio} |",
        f"| key frames chosen by | {_SCORES[config.scorer]} |",
        f"| rods | {rods}, {config.rod_tokens} tokens, of the {config.rod_source}, {config.rod_order} |",
        f"| context | {config.text_config.max_position_embeddings} tokens |",
        "",
        f"Licence: {conversion.licence}." if conversion.licence else "The licences of its sources hold.",
        "",
        "## Made of",
        "",
        *(f"- https://huggingface.co/{repository}" for repository in conversion.origin),
        *([""] if conversion.origin else []),
        "| file | bytes | SHA-256 |",
        "|---|---|---|",
        *(f"| {file.name} | {file.bytes} | `{file.sha256}` |" for file in conversion.sources),
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
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
