"""What a question names for its answer to choose from."""

from __future__ import annotations

import re

_PAIR = re.compile(
    r"""
    (?: (?P<both> (?:^|[.?!]\s) \s* (?:between|of|I\ see) ) | [,:] | \bis )  \s+
    (?P<first> (?:the|an?) (?:\s+\w+){1,4}? )  \s+
    (?(both) and | or )  \s+
    (?P<second> (?:the|an?) (?:\s+\w+)+ )
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Two things with an article each: joined by `and` after `between`, `of` or `I see`, else by `or`."""
_LIST = re.compile(
    r"(?P<first> \w+ (?:, \s* \w+)+ ) ,? \s+ or \s+ (?P<last> \w+ ) \s* \?", re.IGNORECASE | re.VERBOSE
)
"""Three single words or more, at the end of a question."""


def named_alternatives(question: str) -> tuple[str, ...]:
    """What a question names to choose an answer from: two things with an article and as many words each, or
    a list of single words.

        Which comes first, the red square or the purple 7?  -> "the red square", "the purple 7"
        Between a star and a ring, which appears first?     -> "a star", "a ring"
        Is the blue 8 or the pink cross seen first?         -> "the blue 8", "the pink cross"
        Does the moon move up, down, left or right?         -> "up", "down", "left", "right"
        What is shown for just a second or two?             -> nothing
    """
    for pair in _PAIR.finditer(question):
        first, second = pair["first"].lower().split(), pair["second"].lower().split()
        if len(first) <= len(second):
            return " ".join(first), " ".join(second[: len(first)])
    if (words := _LIST.search(question)) is not None:
        return *re.split(r",\s*", words["first"].lower()), words["last"].lower()
    return ()
