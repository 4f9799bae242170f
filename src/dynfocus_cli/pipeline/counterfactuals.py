"""Whether an answer rests on its key frames: the same question answered from other frames."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import replace

from dynfocus_cli.cce.budget import Allowance
from dynfocus_cli.models.protocol import Choice
from dynfocus_cli.pipeline.run import Run
from dynfocus_cli.pipeline.steps import EncodedVideo, Selection, generate
from dynfocus_cli.progress import Silent
from dynfocus_cli.types import Check, Counterfactual


def check_answer(run: Run, encoded: EncodedVideo, selection: Selection, answer: str) -> Check:
    """The answer from evenly spaced frames, and from those that were not chosen."""
    frames, choice = len(encoded.frames.times_s), selection.choice
    # The answer is written already; a further stage would announce a new one.
    run = replace(run, progress=Silent())

    def instead(places: Sequence[int], key_frames: tuple[int, ...]) -> Counterfactual:
        others, count = encoded.rows(places), len(key_frames)
        session = run.model.session(run.source, others.frames, run.options.selection, others.selector_frames)
        allowance = Allowance(count, count, count, choice.price)
        forced = session.choose(run.question, allowance, key_frames, run.options.generation.seed)
        # Pinned for the choice alone: no question named these frames.
        unpinned = replace(selection, session=session, choice=replace(forced, pinned=()))
        text = generate(run, others, unpinned, None).completion.text
        tokens = choice.price.total(len(places), count)
        return Counterfactual(text, len(places), tokens, is_other(text, answer))

    even, others = even_frames(frames, choice), other_frames(frames, choice)
    return Check(
        instead(even, tuple(range(len(even)))),
        instead(others, key_frames_among_others(len(others), frames, choice)) if others else None,
    )


def even_frames(frames: int, choice: Choice) -> tuple[int, ...]:
    """Evenly spaced frames, as many as could be key frames for the tokens of `choice`."""
    return evenly(frames, min(frames, max(1, _tokens(frames, choice) // choice.price.key)))


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
    return choice.price.total(frames, len(choice.key_frames))
