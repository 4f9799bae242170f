"""Notices and the refusal where a video or a question is unlike all that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence

from dynfocus_cli.checkpoints.size import readable
from dynfocus_cli.errors import OutOfDomain
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.options import RunOptions
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


def refuses(fallback: Fallback | None, options: RunOptions) -> bool:
    """Whether what a model was not trained on is an error: nobody named it and no answer is asked for anyway,
    or answers are wanted within its training alone.

    Args:
        fallback: why the model steps in, where nobody named it.
    """
    return not options.anyway and (options.strict or fallback is not None)


def admit_question(model: Backend, question: str, options: RunOptions, answers: Sequence[str] = ()) -> None:
    """Raises OutOfDomain for a question that would get no answer about any video.

    Args:
        answers: to choose from, as `Backend.question_departures` takes them.
    """
    if not refuses(model.spec.fallback, options):
        return
    check = DomainCheck((), model.question_departures(question, answers))
    if not check.in_domain:
        raise refusal(model.spec.name, check, model.spec.fallback)


def _reasons(name: str, check: DomainCheck) -> list[str]:
    reasons = []
    if check.video:
        reasons.append(f"{name} was not trained on such a video ({'; '.join(check.video)})")
    if check.question:
        reasons.append(f"{name} was not trained on such a question ({'; '.join(check.question)})")
    return reasons
