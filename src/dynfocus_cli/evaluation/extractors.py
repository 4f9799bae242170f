"""Which option a response names, in the ways of the harnesses that several benchmarks share.

Each function behaves as the one named above it; `benchmarks/scorers.py` checks that by running both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dynfocus_cli.types import Option

# lmms-eval 0.7.3, lmms_eval/tasks/_task_utils/mcq_extract.py, `_ANSWER_PHRASES`.
_OPENINGS = ("the ", "", "the correct ", "correct ", "the best ", "best ")
_ANSWER_PHRASES = (
    *(f"{opening}answer is" for opening in _OPENINGS),
    *(f"{opening}option is" for opening in _OPENINGS[2:]),
    *(f"{opening}choice is" for opening in _OPENINGS[:4]),
    *("i choose", "i select", "i pick", "my answer is", "my choice is"),
    *("옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)
_OUTER_MARKS = (",", ".", "!", "?", ";", ":", "'", '"')


# Video-MME's thanku-all/parse_answer, eval_your_results.py, `extract_characters_regex`; VLMEvalKit and
# lmms-eval's LongVideoBench have it with other phrases and letters.
def first_letter(response: str, letters: str, phrases: Sequence[str]) -> str | None:
    """The first of the letters, in capitals, once the phrases are taken out: of any word, `I Believe` too.

    first_letter("The answer is D.", "ABCD", ["The answer is"])  -> "D"
    first_letter("Best answer: C", "ABCD", [])                   -> "B"
    """
    for phrase in phrases:
        response = response.replace(phrase, "")
    letter = re.search(f"[{letters}]", response)
    return letter[0] if letter else None


# lmms-eval 0.7.3, lmms_eval/tasks/_task_utils/mcq_extract.py, `extract_mcq_answer`.
def likely_letter(response: str, letters: str) -> str | None:
    """The letter that is written most like an answer: alone at the beginning, alone at the end, after a
    phrase such as `the answer is`, as `(A)`, `A.`, `A:`, `A)`, before a space, anywhere. Of several in the
    same writing the last one, which is meant for models that reason first.

        likely_letter("(B) because", "ABCD")                  -> "B"
        likely_letter("The answer is B, not A", "ABCD")       -> "A"
    """
    text = response.strip()
    for mark in _OUTER_MARKS:
        text = text.strip(mark)
    text = f" {text} "
    for places in _writings(text, letters):
        if places:
            return max(places, key=lambda letter: places[letter])
    return None


def _writings(text: str, letters: str) -> Iterator[dict[str, int]]:
    """Letter -> place, of each writing of an answer, from the most certain on."""
    alone = text.strip()
    yield {alone[0]: 0} if alone[:1] in letters and not alone[1:2].isalpha() and alone else {}
    yield {alone[-1]: 0} if alone[-1:] in letters and not alone[-2:-1].isalpha() and alone else {}
    yield _after_phrases(text, letters)
    for writing in ("({})", "{}.", "{}:", "{})", "{} ", "{}"):
        places = {letter: text.rfind(writing.format(letter)) for letter in letters}
        yield {letter: place for letter, place in places.items() if place >= 0}


def _after_phrases(text: str, letters: str) -> dict[str, int]:
    """Letter -> its place after the first occurrence of a phrase; the last one where phrases differ."""
    lower, places = text.lower(), dict[str, int]()
    for phrase in _ANSWER_PHRASES:
        begin = lower.find(phrase)
        if begin < 0:
            continue
        for letter in letters:
            place = text.find(letter, begin + len(phrase))
            if place >= 0:
                places[letter] = max(place, places.get(letter, place))
    return places


# VLMEvalKit e8e78f05, vlmeval/utils/matching_util.py, `can_infer`.
def inferred_letter(response: str, options: Sequence[Option]) -> str | None:
    """The only option whose letter is a word of the response, if it is one of the last four; else what comes
    after `answer is`; else the only option whose text is in the response.

        inferred_letter("I think it is (B)", options)  -> "B"
        inferred_letter("a RED car", options)          -> the letter of "red car"
    """
    texts = {option.letter: option.text.lower() for option in options}
    if any(refusal in response for refusal in _REFUSALS):
        return None
    words = re.sub(r"[.()\[\],:;!*#{}]", " ", response).split()
    named = [letter for letter in texts if letter in words]
    if len(named) == 1 and words.index(named[0]) > len(words) - 5:
        return named[0]
    if not named and "Z" in words:
        return None
    answer = re.search(r"answer\s+is\s+\**([A-D])\**", response, re.IGNORECASE)
    if answer and answer[1].upper() in texts:
        return answer[1].upper()
    lower = response.lower()
    if len(lower) > 2 * sum(len(option.text) for option in options):
        return None
    contained = [letter for letter, text in texts.items() if text in lower]
    return contained[0] if len(contained) == 1 else None


_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
