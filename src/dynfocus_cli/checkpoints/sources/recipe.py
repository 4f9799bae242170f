"""How each of our tensors is made of a source's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dynfocus_cli.errors import ModelUnavailable

NAMED = 5
"""Keys that a message names before it counts the rest."""


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True, slots=True)
class Recipe:
    """One of our tensors: which of the source's it takes, and what is done to them."""

    sources: tuple[str, ...]
    make: Callable[..., Tensor] = _as_it_is
    """Takes the sources' tensors in order; shapes alone (`meta` tensors) must do."""


@dataclass(frozen=True, slots=True)
class KeyMap:
    """A source's whole vocabulary: what is used, and what is left on purpose."""

    recipes: Mapping[str, Recipe]
    """Our name -> recipe."""
    dropped: frozenset[str] = frozenset()
    """Keys of the source that have no effect there."""
    fresh: frozenset[str] = field(default_factory=frozenset)
    """Our names that this source has nothing for: they start as a new network's do."""

    def check(
        self, source: str, found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]
    ) -> None:
        """Whether the tensors that a source has make those that a network wants.

        Args:
            source: what to call the source in messages.
            found: its keys and shapes.
            wanted: our names and shapes.

        Raises:
            ModelUnavailable: keys are missing or not known, or shapes do not fit; the message names them.
        """
        used = {key for recipe in self.recipes.values() for key in recipe.sources}
        if missing := used - found.keys():
            raise ModelUnavailable(f"{source} lacks {listed(missing)}.")
        if unknown := found.keys() - used - self.dropped:
            raise ModelUnavailable(
                f"{source} holds {listed(unknown)}, which no DynFocus network has: it is another model's, or "
                "of a version that is not known here."
            )
        made = self.recipes.keys() | self.fresh
        assert made == wanted.keys(), f"the key map is incomplete: {sorted(made ^ wanted.keys())[:NAMED]}"
        for name, recipe in self.recipes.items():
            if (shape := _shape(recipe, found)) != wanted[name]:
                key = recipe.sources[0] if recipe.sources else name
                raise ModelUnavailable(
                    f"{source} and its config disagree: {key} makes {name} {list(shape)}, and "
                    f"{list(wanted[name])} is needed."
                )


def _shape(recipe: Recipe, found: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    with torch.device("meta"):
        try:
            return tuple(recipe.make(*(torch.empty(found[key]) for key in recipe.sources)).shape)
        except (RuntimeError, IndexError):
            return ()


def listed(names: Iterable[str]) -> str:
    """Some names, and how many more: `a, b and 3 more`."""
    known = sorted(names)
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return ", ".join(known[:NAMED]) + more


def linear(ours: str, theirs: str, *, bias: bool = True) -> dict[str, Recipe]:
    """A layer's weight and bias under another name."""
    parts = ("weight", "bias") if bias else ("weight",)
    return {f"{ours}.{part}": Recipe((f"{theirs}.{part}",)) for part in parts}


def same(ours: str, theirs: str, names: Iterable[str]) -> dict[str, Recipe]:
    """Tensors that keep their names below a prefix."""
    return {f"{ours}{name}": Recipe((f"{theirs}{name}",)) for name in names}
