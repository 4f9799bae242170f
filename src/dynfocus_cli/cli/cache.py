"""`dynfocus cache info|clear`"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from dynfocus_cli.cli.options import JsonOption
from dynfocus_cli.cli.output import write_line, write_record

if TYPE_CHECKING:
    from dynfocus_cli.features.cache import CacheInfo, FeatureCache

app = typer.Typer(
    name="cache",
    help="Show or remove what is kept of videos for follow-up questions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def info(json: JsonOption = False) -> None:
    """Show where the cache is and how much it holds."""
    from dynfocus_cli.checkpoints.size import binary

    cache = _reached(_cache().info)
    if json:
        return write_record(_record(cache))
    write_line(f"folder  {cache.folder}")
    write_line(f"videos  {cache.videos}")
    write_line(f"size    {binary(cache.size)}")
    write_line(f"limit   {binary(cache.limit) if cache.limit else '0, so nothing is kept'}")


@app.command()
def clear(json: JsonOption = False) -> None:
    """Remove all that the cache holds, and nothing else."""
    from dynfocus_cli.checkpoints.size import binary

    removed = _reached(_cache().clear)
    if json:
        return write_record(_record(removed))
    videos = "1 video" if removed.videos == 1 else f"{removed.videos} videos"
    write_line(f"Removed the features of {videos}: {binary(removed.size)} freed.")


def _cache() -> FeatureCache:
    from dynfocus_cli.features.cache import FeatureCache

    return FeatureCache.of_user()


def _reached(work: Callable[[], CacheInfo]) -> CacheInfo:
    from dynfocus_cli.errors import DynFocusError

    try:
        return work()
    except OSError as error:
        raise DynFocusError(
            f"The cache cannot be used: {error.filename}: {error.strerror}. Name another "
            "folder with DYNFOCUS_CACHE_DIR."
        ) from error


def _record(cache: CacheInfo) -> dict[str, object]:
    return {
        "schema": "dynfocus.cache/1",
        "folder": cache.folder,
        "videos": cache.videos,
        "bytes": cache.size,
        "limit_bytes": cache.limit,
    }
