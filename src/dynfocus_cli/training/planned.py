"""What each example looks at, by the same plan that `ask` makes for its question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dynfocus_cli.errors import UsageError, VideoUnreadable
from dynfocus_cli.models.dynfocus.model import DynFocusSpec
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.plan import plan_run
from dynfocus_cli.planning.request import Request
from dynfocus_cli.training.examples import Example, Problem
from dynfocus_cli.types import SamplingPlan, Scorer, VideoSource
from dynfocus_cli.video import find_mentions, probe

PLENTY = 1 << 60
"""Bytes free, for a plan that memory must not change: training has a forecast of its own."""


@dataclass(frozen=True, slots=True)
class Planned:
    """An example with the frames it is answered from, and its words as token ids."""

    example: Example
    source: VideoSource
    sampling: SamplingPlan
    limit: int
    """Video tokens that the context holds beside the words."""
    video_tokens: int
    """Of the plan; frames that are the same still on screen take fewer."""
    scorer: Scorer
    asked: tuple[int, ...]
    """The question as the Q-Former reads it."""
    before: tuple[int, ...]
    """The words between video and answer."""
    answer: tuple[int, ...]
    """With the end mark."""


def plan_examples(
    examples: Iterable[Example], spec: DynFocusSpec, options: RunOptions, longest_question: int
) -> tuple[list[Planned], list[Problem]]:
    """Probes each video once, and plans each example; what cannot be used is passed over and named."""
    sources: dict[str, VideoSource | str] = {}
    found = list(_each(examples, spec, options, longest_question, sources))
    return (
        [one for one in found if isinstance(one, Planned)],
        [one for one in found if isinstance(one, Problem)],
    )


def _each(
    examples: Iterable[Example],
    spec: DynFocusSpec,
    options: RunOptions,
    longest_question: int,
    sources: dict[str, VideoSource | str],
) -> Iterator[Planned | Problem]:
    for example in examples:
        if example.video not in sources:
            try:
                sources[example.video] = probe(example.video)
            except VideoUnreadable as error:
                sources[example.video] = str(error)
        source = sources[example.video]
        if isinstance(source, str):
            yield Problem(example.where, source)
            continue
        try:
            yield _plan(example, source, spec, options, longest_question)
        except UsageError as error:
            yield Problem(example.where, str(error))


def _plan(
    example: Example, source: VideoSource, spec: DynFocusSpec, options: RunOptions, longest_question: int
) -> Planned:
    """Raises UsageError where question, answer and a key frame together are more than the context."""
    prompt = spec.prompt
    asked = spec.scorer(example.question, options.selection.scorer)
    answer = prompt.answer(example.answer)
    # As `ask` would plan it, unless the answer is longer than any that `ask` leaves room for.
    room = max(options.generation.max_new_tokens, len(answer))
    options = replace(options, generation=replace(options.generation, max_new_tokens=room))
    mentions = find_mentions(example.question, source.duration_s)
    request = Request(asked, source, mentions, None, spec.text_tokens(asked.text), ())
    plan = plan_run(request, spec, options, PLENTY)
    return Planned(
        example,
        source,
        plan.sampling,
        plan.limit.tokens,
        plan.shape.video_tokens,
        asked.scorer,
        tuple(prompt.question(asked.text, longest_question)),
        tuple(prompt.after_video(asked.text)),
        tuple(answer),
    )
