"""What a run would do and take, without loading weights or decoding."""

from __future__ import annotations

from collections.abc import Sequence

from dynfocus_cli.device import free_memory, require_room
from dynfocus_cli.models.protocol import ModelSpec
from dynfocus_cli.multiple_choice import check_options
from dynfocus_cli.options import RunOptions, check_question
from dynfocus_cli.pipeline.evidence import token_bill
from dynfocus_cli.planning.plan import plan_run
from dynfocus_cli.planning.request import read_request
from dynfocus_cli.types import Forecast, MemoryForecast, Option, SelectionInfo


def forecast(
    video: str,
    question: str | None,
    model: ModelSpec,
    options: RunOptions,
    choices: Sequence[Option] = (),
) -> Forecast:
    """What `ask` would sample, spend and take. Raises as `ask` does.

    The moments are the planned ones, some of which may show the same frame.
    """
    if question is not None:
        check_question(question)
    check_options(choices)
    request = read_request(video, question, model, options, choices)
    free = free_memory(model.device)
    require_room(model.name, model.memory.weights, free)
    plan = plan_run(request, model, options, free - model.memory.weights)
    need = model.memory.need(plan.shape, tower_away=plan.memory_plan.tower == "swapped")
    allowance, scored = plan.allowance, request.question
    prompt = request.text_tokens + allowance.price.timestamp_tokens(plan.shape.frames, allowance.key_frames)
    return Forecast(
        source=request.source,
        question=question,
        model=model.info,
        sampling=plan.sampling,
        selection=SelectionInfo(
            scored.scorer,
            allowance.events,
            allowance.key_frames,
            model.defaults.clustering,
            options.selection.frame_selector,
        ),
        tokens=token_bill(
            model,
            request.source,
            allowance.price,
            plan.shape.frames,
            allowance.key_frames,
            prompt=prompt,
            generated=options.generation.max_new_tokens,
        ),
        batch=plan.memory_plan.batch,
        memory=MemoryForecast(need.weights, need.encode, need.select, need.answer, free),
        time_s=model.times(plan.shape, options.generation.max_new_tokens),
        warnings=(
            *filter(None, (model.caveat,)),
            *plan.warnings,
            *scored.warnings,
            *plan.limit.warnings(allowance),
        ),
    )
