"""How each type of question is worded.

Equal seeds draw equal wordings only while `TEMPLATES` stays as it is, in this order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Wordings = Mapping[str, Sequence[str]]

TEMPLATES: dict[str, tuple[str, ...]] = {
    "what": (
        "What is shown at {time}?",
        "What can be seen at {time}?",
        "What is on screen at {time}?",
        "At {time}, what is visible?",
        "What do you see at {time}?",
    ),
    "color": (
        "What color is the {shape} at {time}?",
        "At {time}, what color is the {shape}?",
        "Which color does the {shape} have at {time}?",
        "Tell me the color of the {shape} at {time}.",
    ),
    "shape": (
        "What is the {color} thing at {time}?",
        "Which shape is {color} at {time}?",
        "At {time}, what is the {color} object?",
        "What shape is the {color} thing at {time}?",
    ),
    "digit": (
        "Which digit is shown at {time}?",
        "What number is on screen at {time}?",
        "At {time}, which digit can be seen?",
        "What digit do you see at {time}?",
    ),
    "position": (
        "Where is the {thing} at {time}?",
        "At {time}, where is the {thing}?",
        "In which part of the picture is the {thing} at {time}?",
        "What is the position of the {thing} at {time}?",
    ),
    "appear": (
        "Does {a_thing} appear?",
        "Is there {a_thing} in the video?",
        "Does {a_thing} ever appear in the video?",
        "Can {a_thing} be seen at any time?",
        "Did you see {a_thing}?",
    ),
    "when": (
        "When does the {thing} first appear?",
        "At what time does the {thing} appear?",
        "When is the {thing} seen first?",
        "When does the {thing} show up?",
    ),
    "count": (
        "How many objects are there at {time}?",
        "How many things are visible at {time}?",
        "At {time}, how many objects can be seen?",
        "Count the objects at {time}.",
    ),
    "first": (
        "Which comes first, {one} or {other}?",
        "Which appears first: {one} or {other}?",
        "What is seen earlier, {one} or {other}?",
        "Between {one} and {other}, which appears first?",
    ),
    "before": (
        "What comes right before the {thing}?",
        "What is shown before the {thing}?",
        "What was in the scene before the {thing}?",
        "Which object precedes the {thing}?",
    ),
    "after": (
        "What comes right after the {thing}?",
        "What is shown after the {thing}?",
        "What was in the scene after the {thing}?",
        "Which object follows the {thing}?",
    ),
    "motion": (
        "Which way does the {thing} move?",
        "In which direction does the {thing} move?",
        "Where is the {thing} moving to?",
        "What is the direction of the {thing}?",
    ),
    "scenes": (
        "How many scenes are there?",
        "How many scenes does the video have?",
        "What is the number of scenes?",
        "Count the scenes in the video.",
    ),
    "needle": (
        "What flashes up briefly?",
        "What appears only for a moment?",
        "Which object is seen only briefly?",
        "What is shown for just a second or two?",
    ),
    "turn": (
        "What color does the {shape} turn into?",
        "Which color does the {shape} change to?",
        "The {shape} changes color. What is the new color?",
        "What is the new color of the {shape} after it changes?",
    ),
}
"""Templates by question type, filled in with the fields of `Question`."""
