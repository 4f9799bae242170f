"""The poster's ablation of what a frame's tokens bring, in three benchmarks that a language model judges."""

from __future__ import annotations

from dynfocus_cli.evaluation.benchmark import PublishedRow

SOURCE = "DynFocus poster, ablation of dynamic encoding"

_FIGURES = {
    "msvd-qa": ("Accuracy", "Score"),
    "activitynet-qa": ("Accuracy", "Score"),
    "vcg-bench": ("Score",),
}
"""Columns of the table, in its order."""

_TABLE = (
    ((0, 40), 63.7, 3.5, 41.4, 3.2, 2.57),
    ((0, 256), 65.6, 3.5, 42.1, 3.2, 2.65),
    ((2, 256), 68.4, 3.7, 44.3, 3.4, 2.85),
    ((2, 2), 62.0, 3.5, 40.5, 3.2, 2.38),
    ((2, 0), 58.2, 3.3, 38.6, 2.9, 2.21),
    ((2, 40), 67.9, 3.7, 43.1, 3.3, 2.81),
)
"""Tokens of a frame that is no key frame, and of a key frame; then the figures."""


def ablation_rows(benchmark: str) -> tuple[PublishedRow, ...]:
    """The table's rows, with the figures of one benchmark."""
    columns = [(name, figure) for name, figures in _FIGURES.items() for figure in figures]
    return tuple(
        PublishedRow(
            SOURCE,
            f"DynFocus, {key} tokens a key frame, {other} another frame",
            {
                figure: value
                for (name, figure), value in zip(columns, values, strict=True)
                if name == benchmark
            },
        )
        for (other, key), *values in _TABLE
    )
