"""`dynfocus ask VIDEO... QUESTION`"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.errors import reported
from dynfocus_cli.cli.output import (
    Format,
    format_of,
    on_terminal,
    one_line,
    write_line,
    write_piece,
    write_record,
)
from dynfocus_cli.errors import UsageError

if TYPE_CHECKING:
    from dynfocus_cli.checkpoints import LoadedModel
    from dynfocus_cli.progress import Progress
    from dynfocus_cli.types import Answer


def ask(
    videos: Annotated[
        list[str],
        typer.Argument(
            # Optional for the parser alone: of a single argument it would say that the video is missing.
            default_factory=list,
            metavar="VIDEO",
            show_default=False,
            help="Files or folders, or - for paths on standard input.",
        ),
    ],
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", show_default=False, help="What to ask of each video.")
    ],
    model: opt.ModelOption = None,
    device: opt.DeviceOption = "auto",
    fps: opt.FpsOption = None,
    frames: opt.FramesOption = None,
    max_frames: opt.MaxFramesOption = None,
    start: opt.StartOption = None,
    end: opt.EndOption = None,
    at: opt.AtOption = None,
    prototypes: opt.PrototypesOption = None,
    key_ratio: opt.KeyRatioOption = None,
    budget: opt.BudgetOption = None,
    scorer: opt.ScorerOption = None,
    seed: opt.SeedOption = opt.DEFAULT_SEED,
    max_new_tokens: opt.MaxNewTokensOption = opt.DEFAULT_MAX_NEW_TOKENS,
    temperature: opt.TemperatureOption = opt.DEFAULT_TEMPERATURE,
    quantize: opt.QuantizeOption = None,
    subtitles: opt.SubtitlesOption = "off",
    hwaccel: opt.HwaccelOption = "none",
    no_cache: opt.NoCacheOption = False,
    dry_run: opt.DryRunOption = False,
    json: opt.JsonOption = False,
    jsonl: opt.JsonlOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Answer a question about a video, and show which frames the answer rests on."""
    with reported():
        _check_question(videos, question)
        opt.check_subtitles(subtitles)
        format = format_of(json, jsonl)
        from dynfocus_cli.cli.each import for_each, videos_from
        from dynfocus_cli.types import DecodingOptions, GenerationOptions, RunOptions

        run_options = RunOptions(
            opt.sampling_options(fps, frames, max_frames, start, end, at),
            opt.selection_options(prototypes, key_ratio, budget, scorer),
            GenerationOptions(max_new_tokens=max_new_tokens, seed=seed, temperature=temperature),
            DecodingOptions(hwaccel=hwaccel, cache=not no_cache),
            subtitles,
        )
        paths = videos_from(videos, format)
        if dry_run:
            from dynfocus_cli.cli.forecast import show_forecasts

            return show_forecasts(paths, question, run_options, model, device, quantize, format, quiet)
        several = len(paths) > 1
        streamed = _Streamed() if format == "text" and on_terminal() and not several else None

        def load() -> LoadedModel:
            from dynfocus_cli.checkpoints import load_model

            return load_model(model, device, quantize)

        def work(video: str, loaded: LoadedModel, progress: Progress) -> Answer:
            from dynfocus_cli import pipeline

            return pipeline.ask(video, question, loaded, run_options, progress)

        def show(answer: Answer) -> None:
            _show(answer, format, quiet, several, streamed)

        write = None if streamed is None else streamed.write
        for_each(paths, load, work, show, format=format, quiet=quiet, write=write)


class _Streamed:
    """An answer that is written to the terminal while it is made."""

    def __init__(self) -> None:
        self._text = ""

    def write(self, text: str) -> None:
        """More of it."""
        self._text += text
        write_piece(text)

    def finish(self, answer: str) -> None:
        """The line's end; what was written before the answer was begun anew stands above."""
        if self._text.endswith(answer):
            write_line("")
        else:
            write_line(f"\n{answer}" if self._text else answer)


def _check_question(videos: list[str], question: str) -> None:
    if not videos or _is_video(question):
        raise UsageError('No question: it comes last, as in: dynfocus ask video.mp4 "What happens?"')
    from dynfocus_cli.types import check_question

    check_question(question)


def _is_video(argument: str) -> bool:
    """A video where the question should be: the question was left out after several videos."""
    from dynfocus_cli.batch import STDIN, VIDEO_SUFFIXES

    suffix = os.path.splitext(argument)[1].lower()
    return argument == STDIN or (suffix in VIDEO_SUFFIXES and os.path.exists(argument))


def _show(answer: Answer, format: Format, quiet: bool, several: bool, streamed: _Streamed | None) -> None:
    from dynfocus_cli import report
    from dynfocus_cli.cli.evidence import show_evidence, show_warnings

    evidence = answer.evidence
    if format != "text":
        write_record(report.answer_record(answer))
    else:
        if several:
            write_line(f"{evidence.source.path}: {one_line(answer.answer)}")
        elif streamed is not None:
            streamed.finish(answer.answer)
        else:
            write_line(one_line(answer.answer))
        if not quiet:
            show_evidence(evidence, several, table=not several)
    show_warnings(evidence, several)
