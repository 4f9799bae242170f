"""Arms: ways of spending the same video tokens on the same model, prompt and sampled frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import get_args

from dynfocus_cli.cce.budget import UNBOUNDED, FramePrice, most_frames
from dynfocus_cli.errors import UsageError
from dynfocus_cli.evaluation.arm import Arm, chosen
from dynfocus_cli.models.protocol import ModelSpec
from dynfocus_cli.options import RunOptions, SelectionOptions
from dynfocus_cli.types import FrameSelector, Scorer, VideoSource

DEFAULT_KEY_FRAMES = 8
"""Key frames with all their tokens that a video's tokens pay for, where their number is not given."""


@dataclass(frozen=True, slots=True)
class TokenArm(Arm):
    """A way of spending a number of video tokens."""

    change: Callable[[SelectionOptions], SelectionOptions]
    """What it makes of the selection that the options ask for."""
    is_stock: bool = False
    """Whether it is the way of the model's makers, at whatever cost."""


def _by_selector(selector: FrameSelector) -> Callable[[SelectionOptions], SelectionOptions]:
    """Full frames and nothing of the others, as many as the tokens pay for, each frame a candidate."""
    return lambda selection: replace(
        selection, frame_selector=selector, rods=False, key_ratio=1.0, prototypes=UNBOUNDED
    )


def _by_scorer(scorer: Scorer) -> Callable[[SelectionOptions], SelectionOptions]:
    return lambda selection: replace(selection, scorer=scorer)


ARMS: Mapping[str, TokenArm] = MappingProxyType(
    {
        arm.name: arm
        for arm in (
            # As `ask` does.
            TokenArm("dynfocus", "DynFocus", lambda selection: selection),
            TokenArm("rods", "key frames and rods", lambda selection: replace(selection, rods=True)),
            TokenArm("even", "even frames", _by_selector("even")),
            TokenArm(
                "key", "key frames alone", lambda selection: replace(selection, rods=False, key_ratio=1.0)
            ),
            TokenArm(
                "stock", "the makers' own way", lambda selection: SelectionOptions(stock=True), is_stock=True
            ),
            TokenArm("topk", "best-scored frames", _by_selector("topk")),
            TokenArm("aks", "adaptive key frames", _by_selector("aks")),
            *(TokenArm(name, name, _by_scorer(name)) for name in get_args(Scorer)),
        )
    }
)
DEFAULT_ARMS = ("dynfocus", "even", "key", "stock")
"""Those of them that the model can do."""


def choose_arms(names: Sequence[str] | None, model: ModelSpec, options: RunOptions) -> tuple[TokenArm, ...]:
    """The arms of these names, each once, or the default ones.

    Raises:
        UsageError: there is no such arm, or the model cannot do it.
    """
    problems = {name: _problem(arm, model, options) for name, arm in ARMS.items()}
    return chosen(ARMS, problems, names, model.name, DEFAULT_ARMS)


def _problem(arm: TokenArm, model: ModelSpec, options: RunOptions) -> str | None:
    """Why the model cannot do an arm, as a clause; None where it can."""
    if arm.is_stock:
        return None if model.has_stock else "its makers have no other way of sampling"
    try:
        model.scorer("?", arm.change(options.selection).scorer)
    except UsageError as error:
        return str(error).partition(":")[0]
    return None


def tokens_of(model: ModelSpec, source: VideoSource, options: RunOptions, tokens: int | None) -> int:
    """The most video tokens of each arm: `tokens`, or what some full key frames of this video take, with the
    text around them.

    Raises:
        UsageError: they hold no key frame.
    """
    price = model.price(source, 2, replace(options.selection, rods=False))
    if tokens is None:
        return price.spent(DEFAULT_KEY_FRAMES, DEFAULT_KEY_FRAMES)
    least = price.thinnest.spent(1, 1)
    if tokens < least:
        raise UsageError(f"`tokens={tokens}` holds no key frame of this video: give {least} or more.")
    return tokens


def options_of(
    arm: TokenArm, model: ModelSpec, source: VideoSource, options: RunOptions, tokens: int
) -> RunOptions:
    """What a run of an arm is asked for; all arms but `stock` sample the same frames: as many as are asked
    for, or as the tokens pay for where each but one takes no more than its rods."""
    if arm.is_stock:
        return replace(options, selection=arm.change(options.selection))
    price: FramePrice = model.price(source, 2, replace(options.selection, rods=True))
    most = min(options.sampling.max_frames or model.defaults.max_frames, most_frames(tokens, price))
    return replace(
        options,
        sampling=replace(options.sampling, max_frames=most),
        selection=replace(arm.change(options.selection), budget=tokens),
    )
