"""Lessons: excerpts of clips, each with one question that the whole network reads."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Question as AskedQuestion
from dynfocus_cli.network.stages import VideoFeatures
from dynfocus_cli.synth.questions import MOMENT_TYPES, Question, ask, observe
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.narrator import story
from dynfocus_tiny.witness import dense, happenings
from dynfocus_tiny.wordings import TRAINING

IGNORED = -100
WHOLE = 1.25
"""Of a clip this many times as long, an excerpt is about all."""
TRIES = 20
"""Excerpts that are drawn for a type of question before another type is."""
_TIME = re.compile(r"(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Exercise:
    """Some seconds of a clip and what is asked of them."""

    clip: int
    seconds: list[int]
    question: Question


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch of exercises, ready for the network."""

    features: VideoFeatures
    times_s: Tensor
    """(B, T)."""
    text: Tensor
    """(B, S) ids of each question and its answer."""
    labels: Tensor
    """(B, S) the id that each position must predict, or `IGNORED`."""
    asked: AskedQuestion
    """For the Q-Former and the score network."""
    pinned: Tensor | None
    """(B, T) bool: the frame at the moment that the question names."""
    decisive: Tensor
    """(B, T) bool: frames that decide the question; none where it needs no frame in particular."""
    brief: Tensor
    """(B, T) bool: frames that show a needle."""
    happenings: Tensor
    """(B, T, 13): what happens around each frame, as `witness.happenings` labels it."""
    story: Tensor
    """(B, T, 6): what has happened until the end of each frame, as `narrator.story` labels it."""
    questions: list[Question]


def draw_exercises(
    store: ClipStore,
    rng: random.Random,
    *,
    rows: int,
    frames: int,
    weights: dict[str, float],
    questions: int = 2,
) -> list[Exercise]:
    """`rows` exercises over `frames` whole seconds each; `questions` of them are about one excerpt.

    A type is drawn by its weight first, then an excerpt that offers it: of excerpts drawn first, few would
    offer a brief event, or two scenes with one thing each. Half of the excerpts are of clips not much longer:
    those are what `ask` sees, and only they have many scenes in consecutive seconds.
    """
    durations = [script.duration_s for script in store.scripts]
    long_enough = [clip for clip, duration_s in enumerate(durations) if duration_s >= frames]
    as_long = [clip for clip in long_enough if durations[clip] <= WHOLE * frames] or long_enough
    types, shares = list(weights), list(weights.values())
    exercises: list[Exercise] = []
    while len(exercises) < rows:
        wanted = rng.choices(types, shares, k=1 + 3 * (questions - 1))
        for _ in range(TRIES):
            clip = rng.choice(as_long if rng.random() < 0.5 else long_enough)
            seconds = _some_seconds(durations[clip], frames, rng)
            observed = observe(store.scripts[clip], [float(second) for second in seconds])
            offered = [kind for kind in wanted if kind != "needle" or dense(seconds)]
            first = ask(observed, rng, 1, wanted[:1], wordings=TRAINING) if wanted[0] in offered else []
            if first:
                others = offered[1:] or wanted[:1]
                drawn = [*first, *ask(observed, rng, questions - 1, others, wordings=TRAINING)]
                exercises += [Exercise(clip, seconds, question) for question in drawn]
                break
    return exercises[:rows]


def _some_seconds(duration_s: int, frames: int, rng: random.Random) -> list[int]:
    """Either a stretch of consecutive seconds, or seconds spread over the whole clip."""
    if frames <= 8 and rng.random() < 0.7:
        return sorted(rng.sample(range(duration_s), frames))
    if rng.random() < 0.5:
        return [index * duration_s // frames for index in range(frames)]
    start = rng.choice((0, rng.randint(0, duration_s - frames), duration_s - frames))
    return list(range(start, start + frames))


def compose(
    store: ClipStore, exercises: Sequence[Exercise], prompt: PromptWriter, *, pins: bool, longest: int
) -> Lesson:
    """Packs exercises into a lesson.

    `pins` makes key frames of the moments that questions name. `longest` is the Q-Former's limit on a
    question's tokens.
    """
    seconds = [exercise.seconds for exercise in exercises]
    questions = [exercise.question for exercise in exercises]
    times_s = torch.tensor(seconds, dtype=torch.float32)
    pinned = None
    if pins:
        pairs = zip(questions, times_s, strict=True)
        pinned = torch.stack([named_frames(question.question, times) for question, times in pairs])
    needles = [
        {s for n in store.scripts[e.clip].needles for s in range(n.start_s, n.end_s)} for e in exercises
    ]
    # What a question names is pinned; pixels can't tell the score network where it is.
    decisive = [() if q.type in MOMENT_TYPES else q.key_times_s for q in questions]
    text, labels = _write(questions, prompt)
    return Lesson(
        store.features([exercise.clip for exercise in exercises], seconds),
        times_s,
        text,
        labels,
        AskedQuestion.padded([prompt.question(question.question, longest) for question in questions]),
        pinned,
        torch.stack([_marked(*pair) for pair in zip(seconds, decisive, strict=True)]),
        torch.stack([_marked(*pair) for pair in zip(seconds, needles, strict=True)]),
        torch.stack([happenings(store.scripts[e.clip], e.seconds, e.question) for e in exercises]),
        torch.stack([story(store.scripts[e.clip], e.seconds, e.question) for e in exercises]),
        questions,
    )


def _write(questions: Sequence[Question], prompt: PromptWriter) -> tuple[Tensor, Tensor]:
    texts, labels = [], []
    for question in questions:
        before, answer = prompt.after_video(question.question), prompt.answer(question.answer)
        texts.append([*before, *answer[:-1]])
        labels.append([*[IGNORED] * (len(before) - 1), *answer])
    longest = max(map(len, texts))
    # Padding comes last, where nothing that counts can look at it.
    padded = [text + [0] * (longest - len(text)) for text in texts]
    return (
        torch.tensor(padded),
        torch.tensor([label + [IGNORED] * (longest - len(label)) for label in labels]),
    )


def _marked(seconds: list[int], wanted: Collection[float]) -> Tensor:
    return torch.tensor([second in wanted for second in seconds])


def named_frames(question: str, times_s: Tensor) -> Tensor:
    """(T,) bool: the last frame at or before the `MM:SS` that a question names."""
    pinned = torch.zeros(len(times_s), dtype=torch.bool)
    named = _TIME.search(question)
    if named:
        second = 60 * int(named[1]) + int(named[2])
        before = (times_s <= second).nonzero()
        if len(before):
            pinned[before[-1, 0]] = True
    return pinned
