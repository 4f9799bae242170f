"""Does an answer rest on the frames that were chosen for it? Other frames are asked, for as many tokens."""

from __future__ import annotations

import string

from dynfocus_cli.cce.budget import FramePrice
from dynfocus_cli.models.protocol import Choice


def even_frames(frames: int, choice: Choice) -> tuple[int, ...]:
    """Evenly spaced frames, as many as could be key frames for the tokens of `choice`."""
    count = min(frames, max(1, _tokens(frames, choice) // choice.price.key))
    return evenly(frames, count)


def other_frames(frames: int, choice: Choice) -> tuple[int, ...]:
    """The frames that are no key frames."""
    return tuple(sorted(set(range(frames)) - set(choice.key_frames)))


def key_frames_among_others(others: int, frames: int, choice: Choice) -> tuple[int, ...]:
    """Which of the `others` are key frames when they are all there is: evenly spaced, for no more tokens."""
    price = choice.price
    spare = _tokens(frames, choice) - price.total(others, 0)
    return evenly(others, max(1, min(others, spare // max(1, price.key - price.other))))


def evenly(frames: int, count: int) -> tuple[int, ...]:
    """`count` of `frames`, each in the middle of its share: 2 of 8 -> 2, 6."""
    return tuple((2 * place + 1) * frames // (2 * count) for place in range(count))


def is_other(answer: str, than: str) -> bool:
    """Whether two answers differ, capitals and what stands around their words aside."""
    return _bare(answer) != _bare(than)


def _bare(answer: str) -> str:
    return " ".join(answer.casefold().split()).strip(string.punctuation + " ")


def _tokens(frames: int, choice: Choice) -> int:
    price: FramePrice = choice.price
    return price.total(frames, len(choice.key_frames))
