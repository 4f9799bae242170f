"""`dynfocus chat VIDEO`"""

from __future__ import annotations

from typing import Annotated

import typer

from dynfocus_cli.cli import options as opt
from dynfocus_cli.cli.completion import model_names
from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.parameters import command
from dynfocus_cli.errors import UsageError
from dynfocus_cli.options import RunOptions

STDIN = "-"


@command(completions={"model": model_names})
def chat(
    video: Annotated[
        str, typer.Argument(metavar="VIDEO", show_default=False, help="The file to ask questions about.")
    ],
    model: opt.ModelRequest,
    run: RunOptions,
    output: opt.OutputOptions,
) -> None:
    """Ask a video one question after the other; the model is loaded once.

    Each line is a question, and is answered on its own: the model does not see earlier ones. /help lists
    commands, such as /video for another video and /export for the page of an answer. Ctrl-D ends the chat,
    Ctrl-C stops an answer, and twice ends the chat. Lines may also come from a pipe; of those, each answer
    is one line on stdout, and what /frames shows is on stderr. What was typed is written nowhere.

    In a pipe the exit code is 6 if some lines failed, and their own code if all failed alike.
    """
    opt.check_subtitles(run.subtitles)
    if video == STDIN:
        raise UsageError("chat reads questions from standard input: name the video as a file.")
    from dynfocus_cli.cli import progress as display
    from dynfocus_cli.cli.conversation import COMMANDS, LEAVING, Conversation, source_of
    from dynfocus_cli.cli.lines import Lines

    source = source_of(video, run.sampling, "--at")
    lines = Lines(COMMANDS, LEAVING)
    with lines.unseen(), display.shown("", display.is_visible(output.quiet)):
        loaded = model.load()
    conversation = Conversation(source, loaded, run, as_records=output.jsonl, quiet=output.quiet)
    if lines.interactive and not output.quiet:
        conversation.introduce()
        say("Ask a question. /help lists commands, Ctrl-D ends the chat.")
    conversation.run(lines)
