"""`dynfocus cache info|clear`"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from dynfocus_cli.cli.options import JsonOption
from dynfocus_cli.cli.output import write_line, write_record

if TYPE_CHECKING:
    from dynfocus_cli.features.cache import CacheInfo, FeatureCache
    from dynfocus_cli.moments.index import IndexInfo

    Held = tuple[CacheInfo, list[IndexInfo]]
    """The features in a cache, and the indexes of searches beside them."""

app = typer.Typer(
    name="cache",
    help="Show or remove what questions and searches kept of videos.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def info(json: JsonOption = False) -> None:
    """Show where the cache is and how much it holds."""
    from dynfocus_cli.checkpoints.size import binary

    cache, indexes = _reached(_held)
    if json:
        return write_record(_record(cache, indexes))
    write_line(f"folder  {cache.folder}")
    write_line(f"videos  {cache.videos}")
    write_line(f"size    {binary(cache.size)}")
    write_line(f"limit   {binary(cache.limit) if cache.limit else '0, so nothing is kept'}")
    for index in indexes:
        write_line(f"index   {_videos(index.videos)}, {binary(index.size)}, for searches; under no limit")


@app.command()
def clear(json: JsonOption = False) -> None:
    """Remove all that the cache holds, and nothing else."""
    from dynfocus_cli.checkpoints.size import binary

    removed, indexes = _reached(_removed)
    if json:
        return write_record(_record(removed, indexes))
    write_line(f"Removed the features of {_videos(removed.videos)}: {binary(removed.size)} freed.")
    for index in indexes:
        write_line(f"Removed an index of {_videos(index.videos)}: {binary(index.size)} freed.")


def _cache() -> FeatureCache:
    from dynfocus_cli.features.cache import FeatureCache

    return FeatureCache.of_user()


def _held() -> Held:
    from dynfocus_cli.moments.index import indexes

    cache = _cache()
    return cache.info(), indexes(cache.folder)


def _removed() -> Held:
    from dynfocus_cli.moments.index import clear

    cache = _cache()
    return cache.clear(), clear(cache.folder)


def _videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"


def _reached(work: Callable[[], Held]) -> Held:
    from dynfocus_cli.errors import DynFocusError
    from dynfocus_cli.moments.index import IndexUnwritable

    try:
        return work()
    except OSError as error:
        raise DynFocusError(
            f"The cache cannot be used: {error.filename}: {error.strerror}. Name another "
            "folder with DYNFOCUS_CACHE_DIR."
        ) from error
    except IndexUnwritable as error:
        raise DynFocusError(f"The index of searches cannot be removed: {error}.") from error


def _record(cache: CacheInfo, indexes: Sequence[IndexInfo]) -> dict[str, object]:
    return {
        "schema": "dynfocus.cache/1",
        "folder": cache.folder,
        "videos": cache.videos,
        "bytes": cache.size,
        "limit_bytes": cache.limit,
        "indexes": [{"videos": index.videos, "bytes": index.size} for index in indexes],
    }
