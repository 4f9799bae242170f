"""Lessons: excerpts of clips with questions, packed for the language model.

One row of a packed lesson is a video followed by several questions, each of which sees the video and itself
alone; so the video is read once for all of them. That needs video tokens that no question has touched. A
conditioned lesson has one question a row, which the Q-Former and the score network then read too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dynfocus_cli.model.prompt import PromptWriter
from dynfocus_cli.model.stages import Question as AskedQuestion
from dynfocus_cli.model.stages import VideoFeatures
from dynfocus_cli.synth.questions import MOMENT_TYPES, QUESTION_TYPES, Observation, Question, ask, observe
from dynfocus_cli.training.clips import ClipStore

IGNORED = -100
_TIME = re.compile(r"(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some seconds of a clip and what is asked of them."""

    clip: int
    seconds: list[int]
    questions: list[Question]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch, ready for the network."""

    features: VideoFeatures
    times_s: Tensor
    """(B, T)."""
    text: Tensor
    """(B, S) ids of the rows' questions and answers, one behind the other."""
    labels: Tensor
    """(B, S) the id that each position must predict, or `IGNORED`."""
    segment: Tensor
    """(B, S) which question a position belongs to; -1 is padding."""
    offset: Tensor
    """(B, S) place within its question."""
    asked: AskedQuestion | None
    """For the Q-Former and the score network; None in packed lessons."""
    pinned: Tensor | None
    """(B, T) bool: the frame at the moment that the question names."""
    decisive: Tensor
    """(B, T) bool: frames that show something brief."""
    everyone: AskedQuestion
    """All the lesson's questions, A of them, for the score network alone."""
    row_of: Tensor
    """(A,) the row that each of them is asked of."""
    decisive_for: Tensor
    """(A, T) bool: frames that decide each of them; none where a question needs no frame in particular."""
    questions: list[list[Question]]


def draw_excerpts(
    store: ClipStore,
    rng: random.Random,
    *,
    rows: int,
    frames: int,
    questions: int,
    weights: dict[str, float],
    moments: int | None = None,
) -> list[Excerpt]:
    """`rows` excerpts of `frames` whole seconds each, with up to `questions` questions a row; those about a
    moment are about one of `moments` moments, by default about any."""
    long_enough = [i for i, script in enumerate(store.scripts) if script.duration_s >= frames]
    types, shares = list(weights), list(weights.values())
    excerpts: list[Excerpt] = []
    while len(excerpts) < rows:
        clip = rng.choice(long_enough)
        seconds = _some_seconds(store.scripts[clip].duration_s, frames, rng)
        observed = observe(store.scripts[clip], [float(second) for second in seconds])
        named = None if moments is None else _telling(observed, moments, rng)
        asked = ask(observed, rng, questions, rng.choices(types, shares, k=2 * questions), named)
        if asked:
            excerpts.append(Excerpt(clip, seconds, asked))
    return excerpts


def _telling(observed: Sequence[Observation], moments: int, rng: random.Random) -> list[Observation]:
    """Moments to ask about, more often such with several things: where one thing is alone, its colour can be
    told without knowing which thing is meant."""
    several = [o for o in observed if len(o.sightings) > 1]
    pool = several if len(several) >= moments and rng.random() < 0.6 else list(observed)
    return rng.sample(pool, min(moments, len(pool)))


def _some_seconds(duration_s: int, frames: int, rng: random.Random) -> list[int]:
    """Either a stretch of consecutive seconds, or seconds spread over the whole clip."""
    if frames <= 8 and rng.random() < 0.7:
        return sorted(rng.sample(range(duration_s), frames))
    if rng.random() < 0.5:
        return [index * duration_s // frames for index in range(frames)]
    start = rng.choice((0, rng.randint(0, duration_s - frames), duration_s - frames))
    return list(range(start, start + frames))


def compose(
    store: ClipStore,
    excerpts: Sequence[Excerpt],
    prompt: PromptWriter,
    *,
    conditioned: bool,
    pins: bool,
    longest: int,
) -> Lesson:
    """Packs excerpts into a lesson; `conditioned` gives every question a row of its own.

    `pins` makes key frames of all moments that a row's questions name. `longest` is the Q-Former's limit on a
    question's tokens.
    """
    rows = [[e] for e in excerpts]
    clips, seconds = [e.clip for e in excerpts], [e.seconds for e in excerpts]
    features = store.features(clips, seconds)
    questions = [e.questions for e in excerpts]
    if conditioned:
        copies = torch.tensor([len(asked) for asked in questions])
        features = VideoFeatures(
            features.patches.repeat_interleave(copies, 0), features.prototypes.repeat_interleave(copies, 0)
        )
        rows = [[Excerpt(e.clip, e.seconds, [q])] for e in excerpts for q in e.questions]
        seconds = [row[0].seconds for row in rows]
        questions = [row[0].questions for row in rows]
    times_s = torch.tensor(seconds, dtype=torch.float32)
    asked = pinned = None
    if conditioned:
        asked = batch_questions([prompt.question(qs[0].question, longest) for qs in questions])
    if pins:
        rows_of = zip(questions, times_s, strict=True)
        pinned = torch.stack(
            [
                torch.stack([named_frames(q.question, times) for q in asking]).any(0)
                for asking, times in rows_of
            ]
        )
    brief = [{s for n in store.scripts[e[0].clip].needles for s in range(n.start_s, n.end_s)} for e in rows]
    decisive = torch.stack([_marked(times, wanted) for times, wanted in zip(seconds, brief, strict=True)])
    everyone = [(row, q) for row, qs in enumerate(questions) for q in qs]
    text, labels, segment, offset = _pack(questions, prompt)
    return Lesson(
        features,
        times_s,
        text,
        labels,
        segment,
        offset,
        asked,
        pinned,
        decisive,
        batch_questions([prompt.question(q.question, longest) for _, q in everyone]),
        torch.tensor([row for row, _ in everyone]),
        # What a question names is pinned; pixels can't tell the score network where it is.
        torch.stack(
            [_marked(seconds[row], () if q.type in MOMENT_TYPES else q.key_times_s) for row, q in everyone]
        ),
        questions,
    )


def _marked(seconds: list[int], wanted: Collection[float]) -> Tensor:
    return torch.tensor([second in wanted for second in seconds])


def batch_questions(ids: Sequence[Sequence[int]]) -> AskedQuestion:
    """Pads questions' token ids on the right."""
    longest = max(len(question) for question in ids)
    padded = torch.zeros(len(ids), longest, dtype=torch.int64)
    mask = torch.zeros_like(padded)
    for row, question in enumerate(ids):
        padded[row, : len(question)] = torch.tensor(question)
        mask[row, : len(question)] = 1
    return AskedQuestion(padded, mask)


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


def _pack(questions: list[list[Question]], prompt: PromptWriter) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = []
    for asked in questions:
        text: list[int] = []
        labels: list[int] = []
        segment: list[int] = []
        offset: list[int] = []
        for number, question in enumerate(asked):
            before, answer = prompt.after_video(question.question), prompt.answer(question.answer)
            ids = [*before, *answer[:-1]]
            text += ids
            labels += [*[IGNORED] * (len(before) - 1), *answer]
            segment += [number] * len(ids)
            offset += range(len(ids))
        rows.append((text, labels, segment, offset))
    longest = max(len(row[0]) for row in rows)
    fill = (prompt.tokenizer.pad_token_id, IGNORED, -1, 0)
    packed = [
        torch.tensor([row[part] + [fill[part]] * (longest - len(row[part])) for row in rows])
        for part in range(4)
    ]
    return packed[0], packed[1], packed[2], packed[3]


def block_mask(prefix: int, segment: Tensor) -> Tensor:
    """Who may look at whom: the prefix causally at itself; a question also at the prefix, and at no other.

    Shape:
        segment: (B, S). Returns (B, 1, prefix + S, prefix + S) bool.
    """
    batch, length = segment.shape
    whole = torch.cat((segment.new_full((batch, prefix), -2), segment), dim=1)  # (B, prefix + S)
    causal = torch.ones(prefix + length, prefix + length, dtype=torch.bool).tril()
    same = whole.unsqueeze(2) == whole.unsqueeze(1)
    at_prefix = (whole == -2).unsqueeze(1)
    return ((same | at_prefix) & causal).unsqueeze(1)


EVEN_WEIGHTS = dict.fromkeys(QUESTION_TYPES, 1.0)
