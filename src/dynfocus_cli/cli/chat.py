"""`dynfocus chat VIDEO`"""

from __future__ import annotations

from typing import Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.errors import reported, say
from dynfocus_cli.errors import UsageError

STDIN = "-"


def chat(
    video: Annotated[
        str, typer.Argument(metavar="VIDEO", show_default=False, help="The file to ask questions about.")
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
    cone_tokens: opt.ConeTokensOption = None,
    rods: opt.RodsOption = "two",
    stock: opt.StockOption = False,
    selector_model: opt.SelectorModelOption = None,
    check: opt.CheckOption = False,
    anyway: opt.AnywayOption = False,
    seed: opt.SeedOption = opt.DEFAULT_SEED,
    max_new_tokens: opt.MaxNewTokensOption = opt.DEFAULT_MAX_NEW_TOKENS,
    temperature: opt.TemperatureOption = opt.DEFAULT_TEMPERATURE,
    quantize: opt.QuantizeOption = None,
    subtitles: opt.SubtitlesOption = "off",
    hwaccel: opt.HwaccelOption = "none",
    no_cache: opt.NoCacheOption = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print one JSON object a line, one an answer.")
    ] = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Ask a video one question after the other; the model is loaded once.

    Each line is a question, and is answered on its own: the model does not see earlier ones. /help lists
    commands, such as /video for another video and /export for the page of an answer. Ctrl-D ends the chat,
    Ctrl-C stops an answer, and twice ends the chat. Lines may also come from a pipe; of those, each answer
    is one line on stdout, and what /frames shows is on stderr. What was typed is written nowhere.

    In a pipe the exit code is 6 if some lines failed, and their own code if all failed alike.
    """
    with reported():
        opt.check_subtitles(subtitles)
        from dynfocus_cli.options import DecodingOptions, GenerationOptions, RunOptions

        run_options = RunOptions(
            opt.sampling_options(fps, frames, max_frames, start, end, at),
            opt.selection_options(prototypes, key_ratio, budget, scorer, cone_tokens, rods, stock),
            GenerationOptions(max_new_tokens=max_new_tokens, seed=seed, temperature=temperature),
            DecodingOptions(hwaccel=hwaccel, cache=not no_cache),
            subtitles,
            check,
            anyway,
        )
        if video == STDIN:
            raise UsageError("chat reads questions from standard input: name the video as a file.")
        from dynfocus_cli.cli.chat_video import source_of

        source = source_of(video, run_options.sampling, "--at")

        from dynfocus_cli.cli import progress as display
        from dynfocus_cli.cli.conversation import COMMANDS, LEAVING, Conversation
        from dynfocus_cli.cli.lines import Lines

        lines = Lines(COMMANDS, LEAVING)
        with lines.unseen(), display.shown("", display.wanted(quiet)):
            loaded = opt.ModelRequest(model, device, quantize, selector_model).load()
        conversation = Conversation(source, loaded, run_options, as_records=jsonl, quiet=quiet)
        if lines.interactive and not quiet:
            conversation.introduce()
            say("Ask a question. /help lists commands, Ctrl-D ends the chat.")
        conversation.run(lines)
