"""Notices and the refusal where a video or a question is unlike all that a model was trained on."""

from __future__ import annotations

from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.errors import OutOfDomain
from dynfocus_cli.types import DomainCheck, Fallback

GUESS = "take the answer as a guess, or name another `model`."
LEARNED_ELSEWHERE = "what is meaningful was learned from other ones."


def notices(name: str, check: DomainCheck | None, advice: str) -> tuple[str, ...]:
    """A sentence each for video and question, where they depart from what the model `name` was trained on.

    Args:
        advice: how it goes on: `GUESS` of an answer, `LEARNED_ELSEWHERE` of key frames alone.
    """
    if check is None or check.in_domain:
        return ()
    return tuple(f"{reason}: {advice}" for reason in _reasons(name, check))


def refusal(name: str, check: DomainCheck, fallback: Fallback | None) -> OutOfDomain:
    """The error in place of an answer: by a model that nobody named, or with `strict` by one that was."""
    reason = _reasons(name, check)[0]
    if fallback is None:
        return OutOfDomain(f"{reason}, and with `strict` it does not guess. Name another `model`.", reason)
    offer = fallback.offer
    fetch = "" if offer is None else f": `{offer.command}` fetches one ({readable(offer.bytes)})"
    return OutOfDomain(
        f"{reason}, and {fallback.reason}{fetch}. With `anyway` {name} guesses.", reason, offer
    )


def _reasons(name: str, check: DomainCheck) -> list[str]:
    reasons = []
    if check.video:
        reasons.append(f"{name} was not trained on such a video ({'; '.join(check.video)})")
    if check.question:
        reasons.append(f"{name} was not trained on such a question ({'; '.join(check.question)})")
    return reasons
