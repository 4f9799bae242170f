"""Training examples: excerpts of clips, each with one question that the whole network reads."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dynfocus_cli.network.prompt import PromptWriter
from dynfocus_cli.network.stages import Question as QuestionTokens
from dynfocus_cli.network.stages import VideoFeatures
from dynfocus_cli.synth.questions import MOMENT_TYPES, Observation, Question, ask, observe
from dynfocus_cli.synth.unanswerable import UNANSWERABLE, ask_unanswerable
from dynfocus_cli.training.answer_loss import IGNORED, teacher_forced
from dynfocus_tiny.auxiliary_change import change_labels
from dynfocus_tiny.auxiliary_history import history_labels
from dynfocus_tiny.clips import ClipStore
from dynfocus_tiny.labels import show_brief_events
from dynfocus_tiny.nonsense import TRAINING_NONSENSE
from dynfocus_tiny.wordings import TRAINING

WHOLE = 1.25
"""Of a clip up to this many times as long, an excerpt counts as the whole."""
TRIES = 20
"""Excerpts that are drawn for a type of question before another type is."""
_TIME = re.compile(r"(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """Some seconds of a clip and a question about them."""

    clip: int
    seconds: list[int]
    question: Question


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Examples ready for the network."""

    features: VideoFeatures
    times_s: Tensor
    """(B, T)."""
    text: Tensor
    """(B, S) ids of each question and its answer."""
    labels: Tensor
    """(B, S) the id that each position must predict, or `IGNORED`."""
    question: QuestionTokens
    """For the Q-Former and the score network."""
    pinned: Tensor | None
    """(B, T) bool: the frame at the moment that the question names."""
    decisive: Tensor
    """(B, T) bool: frames that decide the question; none where it needs no frame in particular."""
    brief: Tensor
    """(B, T) bool: frames that show a brief event."""
    change_labels: Tensor
    """(B, T, 13), for `ChangeHeads`."""
    history_labels: Tensor
    """(B, T, 6), for `HistoryHeads`."""
    questions: list[Question]


def draw_examples(
    store: ClipStore,
    rng: random.Random,
    *,
    rows: int,
    frames: int,
    weights: dict[str, float],
    questions: int = 2,
) -> list[TrainingExample]:
    """`rows` examples over `frames` whole seconds each; `questions` of them are about one excerpt.

    A type is drawn by its weight first, then an excerpt that offers it: of excerpts drawn first, few would
    offer a brief event, or two scenes with one thing each. Half of the excerpts are of clips not much longer:
    those are what `ask` sees, and only they have many scenes in consecutive seconds.
    """
    durations = [script.duration_s for script in store.scripts]
    long_enough = [clip for clip, duration_s in enumerate(durations) if duration_s >= frames]
    as_long = [clip for clip in long_enough if durations[clip] <= WHOLE * frames] or long_enough
    types, shares = list(weights), list(weights.values())
    examples: list[TrainingExample] = []
    while len(examples) < rows:
        drawn_types = rng.choices(types, shares, k=1 + 3 * (questions - 1))
        for _ in range(TRIES):
            clip = rng.choice(as_long if rng.random() < 0.5 else long_enough)
            seconds = _draw_seconds(durations[clip], frames, rng)
            observed = observe(store.scripts[clip], [float(second) for second in seconds])
            offered = [kind for kind in drawn_types if kind != "needle" or show_brief_events(seconds)]
            if drawn_types[0] not in offered:
                continue
            first = _ask(observed, rng, 1, drawn_types[:1], seconds)
            if first:
                others = offered[1:] or drawn_types[:1]
                drawn = [*first, *_ask(observed, rng, questions - 1, others, seconds)]
                examples += [TrainingExample(clip, seconds, question) for question in drawn]
                break
    return examples[:rows]


def _ask(
    observed: Sequence[Observation],
    rng: random.Random,
    count: int,
    types: Sequence[str],
    seconds: Sequence[int],
) -> list[Question]:
    """Questions of these types, which may be those that the frames do not answer."""
    first = rng.choice(types) if UNANSWERABLE in types else None
    if first == UNANSWERABLE:
        return ask_unanswerable(
            observed, rng, count, TRAINING, TRAINING_NONSENSE, brief_events=show_brief_events(seconds)
        )
    answerable = [kind for kind in types if kind != UNANSWERABLE]
    return ask(observed, rng, count, answerable, wordings=TRAINING)


def _draw_seconds(duration_s: int, frames: int, rng: random.Random) -> list[int]:
    """Either a stretch of consecutive seconds, or seconds spread over the whole clip."""
    if frames <= 8 and rng.random() < 0.7:
        return sorted(rng.sample(range(duration_s), frames))
    if rng.random() < 0.5:
        return [index * duration_s // frames for index in range(frames)]
    start = rng.choice((0, rng.randint(0, duration_s - frames), duration_s - frames))
    return list(range(start, start + frames))


def collate(
    store: ClipStore, examples: Sequence[TrainingExample], prompt: PromptWriter, *, pins: bool, longest: int
) -> TrainingBatch:
    """Examples as a batch.

    `pins` makes key frames of the moments that questions name. `longest` is the Q-Former's limit on a
    question's tokens.
    """
    seconds = [example.seconds for example in examples]
    questions = [example.question for example in examples]
    scripts = [store.scripts[example.clip] for example in examples]
    times_s = torch.tensor(seconds, dtype=torch.float32)
    pinned = None
    if pins:
        pairs = zip(questions, times_s, strict=True)
        pinned = torch.stack([named_frames(question.question, times) for question, times in pairs])
    brief = [{s for event in script.needles for s in range(event.start_s, event.end_s)} for script in scripts]
    # The moment that a question names is pinned; pixels cannot tell the score network where it is.
    decisive = [() if q.type in MOMENT_TYPES else q.key_times_s for q in questions]
    text, labels = _texts(questions, prompt)
    known = list(zip(scripts, seconds, questions, strict=True))
    return TrainingBatch(
        store.features([example.clip for example in examples], seconds),
        times_s,
        text,
        labels,
        QuestionTokens.padded([prompt.question(question.question, longest) for question in questions]),
        pinned,
        torch.stack([_marked(*pair) for pair in zip(seconds, decisive, strict=True)]),
        torch.stack([_marked(*pair) for pair in zip(seconds, brief, strict=True)]),
        torch.stack([change_labels(*one) for one in known]),
        torch.stack([history_labels(*one) for one in known]),
        questions,
    )


def _texts(questions: Sequence[Question], prompt: PromptWriter) -> tuple[Tensor, Tensor]:
    """Ids and labels, (B, S) each. Padding comes last, where nothing that counts can attend to it."""
    rows = [teacher_forced(prompt.after_video(q.question), prompt.answer(q.answer)) for q in questions]
    longest = max(len(ids) for ids, _ in rows)
    return (
        torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows]),
        torch.tensor([labels + [IGNORED] * (longest - len(labels)) for _, labels in rows]),
    )


def _marked(seconds: list[int], chosen: Collection[float]) -> Tensor:
    return torch.tensor([second in chosen for second in seconds])


def named_frames(question: str, times_s: Tensor) -> Tensor:
    """(T,) bool: the last frame at or before the `MM:SS` that a question names; none where it lies behind the
    last frame."""
    pinned = torch.zeros(len(times_s), dtype=torch.bool)
    time = _TIME.search(question)
    if time:
        second = 60 * int(time[1]) + int(time[2])
        if second > times_s[-1]:
            return pinned
        before = (times_s <= second).nonzero()
        if len(before):
            pinned[before[-1, 0]] = True
    return pinned
