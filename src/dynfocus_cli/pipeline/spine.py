"""The spine: the whole way from a video file to an answer with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.models.protocol import Backend
from dynfocus_cli.multiple_choice import check_options
from dynfocus_cli.options import RunOptions, check_question
from dynfocus_cli.pipeline.counterfactuals import check_answer
from dynfocus_cli.pipeline.domain import GUESS, admit_question, notices
from dynfocus_cli.pipeline.evidence import report
from dynfocus_cli.pipeline.prefetch import Prefetch
from dynfocus_cli.pipeline.run import Run, run_within_memory
from dynfocus_cli.pipeline.steps import check_domain, encode, generate, select
from dynfocus_cli.planning.request import CustomPrompt
from dynfocus_cli.progress import Progress
from dynfocus_cli.types import Answer, Inspection, Option


def ask(
    video: str,
    question: str,
    model: Backend,
    options: RunOptions,
    progress: Progress,
    choices: Sequence[Option] = (),
    prefetch: Prefetch | None = None,
    memory_cache: MemoryFeatureCache | None = None,
    prompt: CustomPrompt | None = None,
) -> Answer:
    """Answers `question` about the file `video`; with `choices`, by the letter of the likeliest of them.

    Args:
        prefetch: made for the same video, question and options.
        memory_cache: keeps the video's frames for the next question, where the cache on disk is off.
        prompt: what the language model reads in place of the question; `choices` are then answered by their
            letters, and their texts are its to name.

    Raises:
        VideoUnreadable: no frame can be had of the file.
        UsageError: a time past the end, a budget too small, a scorer that the model lacks, a question that is
            empty, too long or no text, or choices that are no choice.
        OutOfDomain: nobody named the model, and it was not trained on such a video or question.
        OutOfMemory: not even a single frame fits, or memory ran out after every fallback.
    """
    check_question(question)
    check_options(choices)

    def answer(run: Run) -> Answer:
        admit_question(model, question, options, run.question.own_answers)  # before anything is decoded
        encoded = encode(run)
        domain = check_domain(run, encoded, refuse=True)
        selection = select(run, encoded)
        for notice in notices(model.spec.name, domain, GUESS):
            progress.notice(notice)
        generation = generate(run, encoded, selection, progress.write)
        completion = generation.completion
        if generation.detail is not None:
            encoded = encoded.after(generation.detail)
        evidence = report(run, encoded, selection, domain, completion)
        # Of an answer that is a guess, two guesses that agree would look like evidence.
        checked = options.check and evidence.in_domain is not False
        check = check_answer(run, encoded, selection, completion.text) if checked else None
        truncated = completion.generated >= options.generation.max_new_tokens  # without the end mark
        if truncated:
            evidence = replace(evidence, warnings=(*evidence.warnings, _cut_off(completion.generated)))
        return Answer(completion.text, evidence, generation.options, check, truncated, completion.attention)

    return run_within_memory(
        answer, video, question, model, options, progress, tuple(choices), prefetch, memory_cache, prompt
    )


def inspect(
    video: str,
    question: str | None,
    model: Backend,
    options: RunOptions,
    progress: Progress,
    prefetch: Prefetch | None = None,
    memory_cache: MemoryFeatureCache | None = None,
) -> Inspection:
    """The selection that `ask` would make, and its cost, without an answer. Raises as `ask` does."""
    if question is not None:
        check_question(question)

    def inspection(run: Run) -> Inspection:
        encoded = encode(run)
        selection = select(run, encoded)
        domain = check_domain(run, encoded, refuse=False)
        return report(run, encoded, selection, domain)

    return run_within_memory(
        inspection, video, question, model, options, progress, (), prefetch, memory_cache
    )


def _cut_off(tokens: int) -> str:
    count = "1 token" if tokens == 1 else f"{tokens} tokens"
    return f"The answer was cut off after {count}: raise `max_new_tokens`."
