"""Questions as captions: what a frame would show at the moment that a question asks for.

Models that compare frames with texts were trained on captions, and find a frame for "the dog jumps" better
than for "When does the dog jump?". The rules are of English; any other text stays as it is.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ASKING = r"(?:(?:can|could|would|will) you (?:please )?|i(?:'d| would) like to |i want to )"
_POLITE = rf"(?:please\b[ ,]*{_ASKING}?|{_ASKING})"
# Things are called so: "show jumping", "list of names", "see saw".
_NO_NAME = r"(?!(?:show (?:of|jump(?:ing|ers?)|room|business|biz|tunes?)|(?:list|find) of|see saws?)\b)"
_REQUEST = re.compile(
    rf"^(?:{_POLITE}|{_NO_NAME})"
    r"(?:(?:tell|show|give|find) (?:me|us)|find out|find|show|search for|look for|locate|list|see) ",
    re.IGNORECASE,
)
_MOMENT = (
    r"^(?:all |every |each |any )?(?:the |a )?(?:exact |first |last )?"
    r"(?:moments?|times?|timestamps?|scenes?|parts?|clips?|places?|points?|instances?|frames?|shots?) "
    r"(?:in the video )?"
)
_WHICH = r"(?:in which|at which|where|when|that shows?|showing) "
_MOMENT_WHEN = re.compile(_MOMENT + _WHICH, re.IGNORECASE)
_MOMENT_OF = re.compile(_MOMENT + r"(?:with|of) ", re.IGNORECASE)
"""Said after a request alone: "a clip of paper" is a thing."""
_WHEN = re.compile(
    r"^(?:when(?: exactly)?|where(?: in the video)?|(?:at|from|until|around|in) (?:what|which) "
    r"(?:time|moment|point|second|minute|scene|part)s?(?: (?:in|of) the video)?|what time|"
    r"how (?:often|many times)|in which (?:scene|part|moment)s?)\b ?",
    re.IGNORECASE,
)
_DO = re.compile(r"^(do|does|did|doesn't|don't)\b ?", re.IGNORECASE)
_BE = re.compile(r"^(is|are|was|were)\b ?", re.IGNORECASE)
_SEE = re.compile(
    r"^(?:(?:can|could|do|does|did|may|might) (?:you|we|i|one|the video|the viewer|somebody|someone) "
    r"(?:see|notice|find|show|spot|watch|hear)|does it show|is shown|is visible)\b ?",
    re.IGNORECASE,
)
_HAVE = re.compile(r"^(has|have|had|will|would|can|could|should|must|may|might)\b(?!['’]) ?", re.IGNORECASE)
_CANNOT = re.compile(r"^(can['’]t) (i|you|he|she|it|we|they|one)\b", re.IGNORECASE)
_SOMEBODY = re.compile(r"^(who|what|which one)(?:'s|(?= ))", re.IGNORECASE)
_APPEARS = re.compile(
    r"(?: (?:first|last|then|also))?(?: (?:is|are|was|were|be|being|can be|could be|gets?|becomes?))? "
    r"(?:appears?|appeared|appearing|shows? up|showed up|come into view|comes into view|"
    r"(?:first |last )?seen|shown|visible|on (?:the )?screen|in view|in the (?:picture|frame|video)|there|"
    r"present)"
    r"(?: (?:for the (?:first|last) time|in the video|on (?:the )?screen|in the (?:picture|frame)))?$",
    re.IGNORECASE,
)
"""That something is there to be seen says nothing beside what it is."""
_VIDEO = re.compile(r" (?:in|of|during) (?:the|this) (?:video|clip|film|movie|footage)$", re.IGNORECASE)
_MARKS = "\"'“”‘’„«»`"
_DETERMINERS = _words(
    "a an the this that these those his her its my our their your some any one two three four five"
)
_NO_SUBJECT_ALONE = _DETERMINERS | _words("first last big small little old young")
_MANY = _words("you we they i these those two three four five")
_VERBS = _words(
    """add appear argue arrive ask assemble bake balance bark beat begin bend bite blink block blow boil
bounce bow break breathe brush build bump burn buy call carry catch change chase check cheer chew chop clap
clean climb close collapse collide come cook cough count cover crash crawl cross cry cut dance dig dive
draw dress drink drive drop eat empty end enter escape exit explode fade fall feed fight fill fish fix
flash flip float fly fold follow get give go grab greet grill grow hand hang hide hit hold hop hug hurt
iron jog jump keep kick kiss kneel knit knock land laugh lead lean leap leave lick lie lift light listen
look lose make march meet melt mix move mow nod open pack paint park pass pause peel pet pick pitch
place plant play point pour pray press pull punch push put race rain raise reach read rest return ride
ring rise roll row run rush sail salute say score scratch scream shake shave shine shoot shout show shut
sing sit skate ski skip slap sleep slice slide slip smash smile smoke snap sneeze snow speak spill spin
spit splash spray squat stack stand start stay step stir stop stretch strike stumble surf sweep swim
swing take talk tap taste tear throw tie touch train trip try turn twist type unfold unwrap use vanish
visit vote wag wait wake walk wash watch water wave wear win wipe wrap wrestle write yawn yell"""
)
"""Of things that can be seen; a verb that is not among them is found where only it can stand."""
_IRREGULAR = {"be": "is", "have": "has", "do": "does", "go": "goes"}


def caption_of(text: str) -> str:
    """What a frame would show at the moment that `text` asks for; a text that asks nothing is its own.

    "When does the dog jump?" -> "the dog jumps"    "Is there a red circle?" -> "a red circle"
    "a red circle" -> "a red circle"                "Who opens the door?" -> "someone opens the door"
    """
    plain = " ".join(text.split()).strip()
    stripped = plain.rstrip("?!.… ").strip(_MARKS + " ").rstrip("?!.… ")
    requested, rest = _without(_REQUEST, stripped)
    _, rest = _without(_MOMENT_WHEN, rest)
    if requested:
        _, rest = _without(_MOMENT_OF, re.sub(r"^(?:all|every|each) ", "", rest, flags=re.IGNORECASE))
    asked, rest = _without(_WHEN, rest)
    caption = _statement(rest, asked=asked or plain.endswith("?"))
    caption = _VIDEO.sub("", caption)
    caption = (_APPEARS.sub("", caption) if caption != stripped or asked else caption).strip(" ,")
    return caption or stripped or plain


def _statement(text: str, *, asked: bool) -> str:
    """A question, or what is left of one, as a statement."""
    if _CANNOT.match(text):
        return _CANNOT.sub(lambda match: f"{match[2]} {match[1].lower()}", text)
    seen, rest = _without(_SEE, text)
    if seen:
        return rest
    if not asked:
        return text
    if (verb := _DO.match(text)) is not None:
        rest = text[verb.end() :]
        return rest if verb[1].lower() in ("do", "don't") else _inflected(rest, verb[1].lower() == "does")
    if (verb := _BE.match(text)) is not None:
        return _placed(verb[1].lower(), text[verb.end() :])
    if (verb := _HAVE.match(text)) is not None:
        rest = text[verb.end() :]
        return _inflected(rest, False) if verb[1].lower() not in ("has", "have", "had") else rest
    if (who := _SOMEBODY.match(text)) is not None:
        somebody = "someone" if who[1].lower() == "who" else "something"
        is_verb = " is" if who[0].lower().endswith("'s") else ""
        return f"{somebody}{is_verb}{text[who.end() :]}"
    return text


def _placed(verb: str, rest: str) -> str:
    """What follows "is" in a question, as a statement: with "there" the thing alone, else the verb behind
    the subject where what follows tells that."""
    there, thing = _without(re.compile(r"^there\b ?", re.IGNORECASE), rest)
    if there:
        return re.sub(r"^any ", "", thing, flags=re.IGNORECASE)
    verb = {"was": "is", "were": "are"}.get(verb, verb)
    words = rest.split()
    for place in range(_least_subject(words), len(words)):
        if re.fullmatch(
            r"\w{2,}(?:ing|ed)|being|on|in|at|under|behind|out|up|down|open|shown|seen", words[place]
        ):
            return " ".join([*words[:place], verb, *words[place:]])
    return rest


def _inflected(clause: str, is_singular: bool) -> str:
    """Subject and verb, the verb as after "he": "the dog jump over it" -> "the dog jumps over it".

    Args:
        is_singular: whether the subject is known to be one.
    """
    words = clause.split()
    least = _least_subject(words)
    places = [place for place in range(least, len(words)) if words[place].lower() in _VERBS | {*_IRREGULAR}]
    if places:
        place = places[0]
    elif len(words) == least + 1:
        place = least
    else:
        return clause
    is_plural = words[0].lower() in _MANY or re.search(r"[^sui]s$", words[place - 1]) is not None
    if is_plural and not is_singular:
        return clause
    return " ".join([*words[:place], _third_person(words[place]), *words[place + 1 :]])


def _least_subject(words: list[str]) -> int:
    """How many words the subject has at least: "the dog" 2, "she" 1."""
    count = 0
    while count < len(words) - 1 and words[count].lower() in _NO_SUBJECT_ALONE:
        count += 1
    return min(count + 1, len(words))


def _third_person(verb: str) -> str:
    """jump -> jumps, catch -> catches, carry -> carries, go -> goes."""
    lower = verb.lower()
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    if re.search(r"(?:s|x|z|ch|sh)$", lower):
        return f"{verb}es"
    if re.search(r"[^aeiou]y$", lower):
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def _without(pattern: re.Pattern[str], text: str) -> tuple[bool, str]:
    """Whether the text begins so, and what is left of it."""
    match = pattern.match(text)
    return (False, text) if match is None else (True, text[match.end() :])
