"""The video that a chat is about; a look at it takes no model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dynfocus_cli.errors import UsageError

if TYPE_CHECKING:
    from dynfocus_cli.options import SamplingOptions
    from dynfocus_cli.types import VideoSource


def source_of(video: str, sampling: SamplingOptions, at: str) -> VideoSource:
    """The one video there is to be; `at` as for `check_sampling`.

    Raises:
        UsageError: it is a folder, or a time lies past its end.
        VideoUnreadable: it cannot be read.
    """
    from dynfocus_cli.batch import videos as batch

    if os.path.isdir(video):
        raise UsageError(f"{video} is a folder, and a chat is about one video: name that.")
    video = batch.local_path(video)
    batch.check(video)
    from dynfocus_cli.video import probe

    source = probe(video)
    check_sampling(source, sampling, at)
    return source


def check_sampling(source: VideoSource, sampling: SamplingOptions, at: str) -> None:
    """Raises UsageError for a time that the video does not have; `at` is what the user knows `--at` as."""
    from dynfocus_cli.video import find_mentions, plan_sampling

    try:
        plan_sampling(
            source,
            sampling,
            find_mentions("", source.duration_s),
            default_fps=1.0,
            default_max_frames=1,
        )
    except UsageError as error:
        raise UsageError(str(error).replace("--at", at, 1)) from error
