"""Training examples with the frames that they look at, by the same plan that `ask` makes for a question."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dynfocus_cli.errors import UsageError, VideoUnreadable
from dynfocus_cli.models.dynfocus.spec import DynFocusSpec
from dynfocus_cli.options import RunOptions
from dynfocus_cli.planning.plan import plan_run
from dynfocus_cli.planning.request import Request
from dynfocus_cli.training.example_items import Example, Problem
from dynfocus_cli.types import SamplingPlan, Scorer, VideoSource
from dynfocus_cli.video import find_mentions, probe

UNLIMITED = 1 << 60
"""Bytes free, for a plan that memory must not change: training has a forecast of its own."""


@dataclass(frozen=True, slots=True)
class PlannedExample:
    """An example with the frames it is answered from, and its texts as token ids."""

    example: Example
    source: VideoSource
    sampling: SamplingPlan
    token_limit: int
    """Video tokens that fit into the context beside the text."""
    video_tokens: int
    """Of the plan; frames that repeat the one before take none."""
    scorer: Scorer
    question_ids: tuple[int, ...]
    """The question as the Q-Former reads it."""
    prompt_ids: tuple[int, ...]
    """The text between video and answer."""
    answer_ids: tuple[int, ...]
    """With the end mark."""


def plan_examples(
    examples: Iterable[Example], spec: DynFocusSpec, options: RunOptions
) -> tuple[list[PlannedExample], list[Problem]]:
    """Probes each video once and plans each example; unusable examples are returned as problems."""
    planned, problems = list[PlannedExample](), list[Problem]()
    sources: dict[str, VideoSource | VideoUnreadable] = {}
    for example in examples:
        try:
            if example.video not in sources:
                sources[example.video] = _probe(example.video)
            source = sources[example.video]
            if isinstance(source, VideoUnreadable):
                raise source
            planned.append(_plan(example, source, spec, options))
        except (UsageError, VideoUnreadable) as error:
            problems.append(Problem(example.where, str(error)))
    return planned, problems


def _probe(video: str) -> VideoSource | VideoUnreadable:
    try:
        return probe(video)
    except VideoUnreadable as error:
        return error


def room_for_answer(options: RunOptions, answer_tokens: int) -> RunOptions:
    """The options with room for an answer that is longer than those that `ask` leaves room for."""
    most = max(options.generation.max_new_tokens, answer_tokens)
    return replace(options, generation=replace(options.generation, max_new_tokens=most))


def _plan(example: Example, source: VideoSource, spec: DynFocusSpec, options: RunOptions) -> PlannedExample:
    """Raises UsageError where question, answer and a key frame together are more than the context."""
    prompt = spec.prompt
    question = spec.scorer(example.question, options.selection.scorer)
    answer = prompt.answer(example.answer)
    mentions = find_mentions(example.question, source.duration_s)
    request = Request(question, source, mentions, None, spec.text_tokens(question.text), ())
    plan = plan_run(request, spec, room_for_answer(options, len(answer)), UNLIMITED)
    return PlannedExample(
        example,
        source,
        plan.sampling,
        plan.limit.tokens,
        plan.shape.video_tokens,
        question.scorer,
        tuple(prompt.question(question.text, spec.config.longest_question)),
        tuple(prompt.after_video(question.text)),
        tuple(answer),
    )
