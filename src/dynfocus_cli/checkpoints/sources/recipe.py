"""Key maps: which tensors of a source make each of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dynfocus_cli.errors import ModelUnavailable

NAMED = 5
"""Keys that a message names before it counts the rest."""


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one of our tensors is made."""

    sources: tuple[str, ...]
    """The source's keys."""
    make: Callable[..., Tensor] = _unchanged
    """Makes it of their tensors, in order; also of `meta` tensors, which have shapes alone."""


@dataclass(frozen=True, slots=True)
class KeyMap:
    """What becomes of each key of a source."""

    recipes: Mapping[str, Recipe]
    """Our name -> recipe."""
    dropped: frozenset[str] = frozenset()
    """Keys of the source that have no effect there."""
    fresh: frozenset[str] = field(default_factory=frozenset)
    """Our names that this source has no tensors for: they start as in a new network."""

    def check(
        self, source: str, shapes: Mapping[str, tuple[int, ...]], ours: Mapping[str, tuple[int, ...]]
    ) -> None:
        """Checks that the tensors of a source make those of a network.

        Args:
            source: its name in messages.
            shapes: of the source's tensors, by key.
            ours: shapes of the network's tensors, by name.

        Raises:
            ModelUnavailable: keys are missing or not known, or shapes do not fit; the message names them.
        """
        used = {key for recipe in self.recipes.values() for key in recipe.sources}
        if missing := used - shapes.keys():
            raise ModelUnavailable(f"{source} lacks {listed(missing)}.")
        if unknown := shapes.keys() - used - self.dropped:
            raise ModelUnavailable(
                f"{source} holds {listed(unknown)}, which no DynFocus network has: it is another model's, or "
                "of a version that is not known here."
            )
        made = self.recipes.keys() | self.fresh
        assert made == ours.keys(), f"the key map is incomplete: {sorted(made ^ ours.keys())[:NAMED]}"
        for name, recipe in self.recipes.items():
            if (shape := _shape(recipe, shapes)) != ours[name]:
                key = recipe.sources[0] if recipe.sources else name
                raise ModelUnavailable(
                    f"{source} and its config disagree: {key} makes {name} {list(shape)}, and "
                    f"{list(ours[name])} is needed."
                )


def _shape(recipe: Recipe, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    with torch.device("meta"):
        try:
            return tuple(recipe.make(*(torch.empty(shapes[key]) for key in recipe.sources)).shape)
        except (RuntimeError, IndexError):
            return ()


def listed(names: Iterable[str]) -> str:
    """Some names, and how many more: `a, b and 3 more`."""
    names = sorted(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def linear(ours: str, theirs: str, *, bias: bool = True) -> dict[str, Recipe]:
    """A layer's weight and bias under another name."""
    parts = ("weight", "bias") if bias else ("weight",)
    return {f"{ours}.{part}": Recipe((f"{theirs}.{part}",)) for part in parts}


def same(ours: str, theirs: str, names: Iterable[str]) -> dict[str, Recipe]:
    """Tensors that keep their names below a prefix."""
    return {f"{ours}{name}": Recipe((f"{theirs}{name}",)) for name in names}
