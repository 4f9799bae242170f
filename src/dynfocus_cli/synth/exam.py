"""Which questions an exam asks on which clips, before any of them is filmed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from dynfocus_cli.synth.questions import QUESTION_TYPES, Observation, Question, ask, observe, reword
from dynfocus_cli.synth.wordings import Wordings
from dynfocus_cli.synth.world import SHORT, Script, World, write_script
from dynfocus_cli.synth.write import QUESTIONS_PER_CLIP, clip_seed


@dataclass(frozen=True, slots=True)
class Sheet:
    """One clip's part of an exam."""

    clip: int
    """Its number in the set, as `dynfocus synth` counts."""
    script: Script
    questions: tuple[Question, ...]


def sheet_of(seed: int, clip: int, world: World = SHORT) -> Sheet:
    """The questions that `dynfocus synth` asks on clip number `clip` of the set `seed`."""
    script, observed = _clip(seed, clip, world)
    return Sheet(clip, script, tuple(ask(observed, random.Random(script.seed), QUESTIONS_PER_CLIP)))


def draw_balanced(
    seed: int, questions: int, world: World = SHORT, most_on_a_clip: int = len(QUESTION_TYPES)
) -> list[Sheet]:
    """An exam that asks every type equally often, none twice on one clip.

    Clips are taken in their order. What few clips offer decides how many are looked at; a clip on which
    nothing is left to ask is left out.
    """
    kinds = list(QUESTION_TYPES)
    missing = {kind: questions // len(kinds) + (n < questions % len(kinds)) for n, kind in enumerate(kinds)}
    sheets = []
    clip = 0
    while any(missing.values()):
        script, observed = _clip(seed, clip, world)
        drawn = [
            question
            for kind in kinds
            if missing[kind]
            for question in ask(observed, random.Random(f"{script.seed} {kind}"), 1, [kind])
        ][:most_on_a_clip]
        for question in drawn:
            missing[question.type] -= 1
        if drawn:
            sheets.append(Sheet(clip, script, tuple(drawn)))
        clip += 1
    return sheets


def in_other_words(sheet: Sheet, wordings: Wordings) -> Sheet:
    """The same questions, each worded by one of `wordings`."""
    rng = random.Random(f"{sheet.script.seed} words")
    return Sheet(sheet.clip, sheet.script, tuple(reword(q, wordings, rng) for q in sheet.questions))


def past_questions(seed: int, clips: int, world: World = SHORT) -> Iterator[Question]:
    """Questions with their answers on the set `seed`, for who prepares without having seen a video."""
    for clip in range(clips):
        yield from sheet_of(seed, clip, world).questions


def _clip(seed: int, clip: int, world: World) -> tuple[Script, list[Observation]]:
    script = write_script(clip_seed(seed, clip), world=world)
    return script, observe(script, [float(second) for second in range(script.duration_s)])
