"""Videos and a text on one command line: the parser takes the last argument for the text."""

from __future__ import annotations

import os

from dynfocus_cli.errors import UsageError


def videos_and_text(
    arguments: list[str], text: str | None, *, missing: str, example: str
) -> tuple[list[str], str]:
    """The videos, and the text behind them.

    Args:
        missing: what the text is called, at the beginning of a sentence that says that there is none.
        example: a command line that has one.

    Raises:
        UsageError: one of them is missing.
    """
    if text is None:
        raise UsageError(f"Missing argument VIDEO, and a {missing} after it.")
    if not arguments and not may_be_video(text):
        raise UsageError(f"No video: it comes before the {missing}, as in: {example}")
    if not arguments or is_video(text):
        raise UsageError(f"No {missing}: it comes last, as in: {example}")
    return arguments, text


def may_be_video(argument: str) -> bool:
    """Whether it exists, has the name of a video, which is then reported as missing, or is an address."""
    from dynfocus_cli.batch.remote_videos import is_remote
    from dynfocus_cli.batch.video_files import has_video_name
    from dynfocus_cli.batch.videos import STDIN, local_path

    exists = os.path.exists(local_path(argument))
    return argument == STDIN or has_video_name(argument) or exists or is_remote(argument)


def is_video(argument: str) -> bool:
    """Whether it is a video where the text should be, which was left out after several videos."""
    from dynfocus_cli.batch.video_files import has_video_name
    from dynfocus_cli.batch.videos import STDIN

    return argument == STDIN or (has_video_name(argument) and os.path.exists(argument))
