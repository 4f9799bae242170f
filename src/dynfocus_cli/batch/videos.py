"""Several videos in one run: find those that the user named, and keep each failure to its own video."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import BinaryIO, Generic, TypeVar
from urllib.parse import unquote, urlsplit

from dynfocus_cli.batch.questions import Query
from dynfocus_cli.batch.remote_videos import expand_remote, is_remote
from dynfocus_cli.batch.video_files import disc_advice, has_video_name, holds_video, is_disc, is_unfinished
from dynfocus_cli.errors import UsageError, VideoUnreadable

Result = TypeVar("Result")

STDIN = "-"
"""Stands for the paths on standard input."""

SHOWN_CHARACTERS = 80
"""Of a name that is too long to be one."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some editors begin a text with."""

MAX_STRANGE = 0.02
"""Share of control characters in a list of paths; a name may have one, a video has 11 % of them."""

_NOT_STRANGE = bytes({*range(32, 256), *b"\0\t\n\r"})

PIECE = 1 << 16
"""Bytes of standard input that are read at a time, or fewer where fewer have come."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which files of a folder are taken as videos."""

    recursive: bool = False
    globs: tuple[str, ...] = ()
    """Patterns of file names that take the place of the suffixes of videos."""
    pass_over: Callable[[str], None] = lambda sentence: None
    """Called with a sentence for each file that is not taken, though it may be meant."""
    remote: bool = False
    """Whether addresses such as s3://bucket/folder are looked for in their stores."""

    def takes_file(self, entry: os.DirEntry[str]) -> bool:
        """Whether this file is taken: by its name, or by how it begins where the name says nothing."""
        if self.takes(entry.name):
            return _is_file(entry)
        if self.globs or entry.name.startswith("."):
            return False
        if is_unfinished(entry.name):
            self.pass_over(f"{entry.path}: an unfinished download, passed over.")
            return False
        return _is_file(entry) and holds_video(entry.path)

    def takes_folder(self, entry: os.DirEntry[str]) -> bool:
        """Whether videos below it are taken."""
        return self.recursive and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)

    def takes(self, name: str) -> bool:
        """Whether a file of this name is taken; a hidden one only by a pattern that begins with a dot."""
        if not self.globs:
            return not name.startswith(".") and has_video_name(name)
        globs = [glob for glob in self.globs if glob.startswith(".") or not name.startswith(".")]
        return any(fnmatchcase(name, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """The outcome of one question about one video: a result or an error."""

    video: str
    query: Query | None
    result: Result | None
    error: Exception | None


def expand(
    arguments: Iterable[str], stdin: BinaryIO | None, search: Search, *, null: bool = False
) -> Iterator[str]:
    """The videos that `arguments` name, in their order; a folder gives the videos in it, by name.

    `-` stands for the paths on `stdin`, which may again be files or folders, one a line or, with `null`, each
    ended by a zero byte; they are read as they are needed, so that work begins before the last has come.
    A folder without videos and a missing file come out as they are, for `check` to report next to the videos
    that work.

    Raises:
        UsageError: on `stdin` are the bytes of a file.
    """
    for argument in arguments:
        if argument != STDIN:
            yield from _videos_at(argument, search)
        elif stdin is not None:
            for path in _paths(stdin, b"\0" if null else b"\n"):
                # A file name need not be valid text: what is not UTF-8 becomes lone surrogates.
                yield from _videos_at(os.fsdecode(path), search)


def local_path(name: str) -> str:
    """The path that a `file://` URL of this machine stands for; any other name is a path."""
    if not name.lower().startswith("file://") or os.path.lexists(name):
        return name
    url = urlsplit(name)
    return unquote(url.path) if url.netloc.lower() in ("", "localhost") else name


def check(video: str) -> None:
    """Raise VideoUnreadable for what a look at the file system can already tell, without decoding."""
    if not video:
        raise VideoUnreadable("The path of a video is empty.")
    if os.path.isdir(video):
        try:
            os.scandir(video).close()
        except OSError as error:
            raise VideoUnreadable(f"Cannot read the folder {video}: {error.strerror}.") from error
        if (advice := disc_advice(video)) is not None:
            raise VideoUnreadable(advice)
        raise VideoUnreadable(
            f"No video files were found in the folder {video}: with `recursive` those in folders below it "
            "count too, and `glob` takes files of other names."
        )
    try:
        mode = os.stat(video).st_mode
    except (OSError, ValueError) as error:
        raise VideoUnreadable(_why_not_there(video, error)) from error
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        raise VideoUnreadable(
            f"{video} is a pipe, and a video is read back and forth: save what comes through it to a file, "
            "and name that."
        )
    if not stat.S_ISREG(mode):
        raise VideoUnreadable(f"{video} is a device, not a file: name a video that is saved on disk.")


def _why_not_there(video: str, error: OSError | ValueError) -> str:
    code = getattr(error, "errno", None)
    if code == errno.ELOOP:
        return f"{video} is a symbolic link that leads back to itself: name the video, or mend the link."
    if code == errno.EACCES:
        return (
            f"{video} cannot be reached: a folder on the way to it may not be searched (permission denied)."
        )
    if os.path.islink(video):
        return f"{video} is a symbolic link to {os.readlink(video)}, which is not there: mend the link."
    hint = ""
    if video.lower().startswith("file://"):
        hint = " A file:// URL must name a file on this machine."
    elif "://" in video:
        hint = " Only local files are opened; download it first, or let workers fetch it with `engine=ray`."
    elif "\0" in video:
        hint = " Paths that end in zero bytes are read with -0."
    elif "\n" in video and os.path.exists(video.partition("\n")[0]):
        hint = " Paths that end in line breaks are read without -0."
    elif code == errno.ENAMETOOLONG:
        return f"No such file: {video[:SHOWN_CHARACTERS]}... (a name of {len(video)} characters)."
    return f"No such file: {video}.{hint}"


def run(
    videos: Iterable[str],
    queries_of: Callable[[str], Iterable[Query | None]],
    work: Callable[[str, Query | None], Result],
    is_done: Callable[[str, Query | None], bool] = lambda video, query: False,
) -> Iterator[Outcome[Result]]:
    """Call `work` on each video with each of its queries, in order, as outcomes are asked for; an error
    becomes an outcome. All queries about one video come one after the other.

    An interrupt (any BaseException that is no Exception) still ends the run. A video that one query could not
    read is not opened for the next: reading a damaged one takes its time.
    """
    for video in videos:
        unreadable: VideoUnreadable | None = None
        for query in queries_of(video):
            if is_done(video, query):
                continue
            outcome: Outcome[Result]
            try:
                if unreadable is not None:
                    raise unreadable
                check(video)
                outcome = Outcome(video, query, work(video, query), None)
            except Exception as error:
                if isinstance(error, VideoUnreadable):
                    unreadable = error
                outcome = Outcome(video, query, None, error)
            yield outcome


def _paths(stdin: BinaryIO, end: bytes) -> Iterator[bytes]:
    """The paths of a stream that are separated by `end`, without empty ones.

    Raises:
        UsageError: it is no text.
    """
    rest, is_first = b"", True
    # `read1` gives what has come, where `read` would wait until there is more.
    read: Callable[[int], bytes] = getattr(stdin, "read1", stdin.read)
    while piece := read(PIECE):
        if is_first and _is_binary(piece):
            raise UsageError(
                "Standard input holds the bytes of a file, where paths of videos are read: name the file in "
                "place of -, or save to a file what comes through a pipe."
            )
        piece = piece.removeprefix(BYTE_ORDER_MARK) if is_first else piece
        *whole, rest = (rest + piece).split(end)
        yield from filter(None, (path.rstrip(b"\r\n") if end == b"\n" else path for path in whole))
        is_first = False
    if rest := rest.rstrip(b"\r\n") if end == b"\n" else rest:
        yield rest


def _is_binary(piece: bytes) -> bool:
    """Whether it cannot begin a list of paths: it has many control characters, or several zeros in a row."""
    strange = len(piece.translate(None, delete=_NOT_STRANGE))
    return b"\0\0\0" in piece or strange > MAX_STRANGE * len(piece)


def _videos_at(path: str, search: Search) -> Iterator[str]:
    """The videos in a folder; else, or where it has none, the path itself."""
    if search.remote and is_remote(path):
        yield from expand_remote(path, search.takes, recursive=search.recursive)
        return
    path = local_path(path)
    is_empty = True
    if os.path.isdir(path):
        for video in _videos_in(path, search):
            is_empty = False
            yield video
    if is_empty:
        yield path


def _videos_in(folder: str, search: Search) -> Iterator[str]:
    """Files in `folder` that `search` takes, and with `recursive` those below it, sorted by name.

    Links to folders are not followed, for they may lead in a circle. A folder that cannot be read, or is a
    disc's, comes out as itself, to be reported.
    """
    is_folder: dict[str, bool] = {}
    if not search.globs and is_disc(folder):
        yield folder
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if search.takes_file(entry):
                    is_folder[entry.name] = False
                elif search.takes_folder(entry):
                    is_folder[entry.name] = True
    except OSError:
        yield folder
        return
    for name in sorted(is_folder):
        path = os.path.join(folder, name)
        if is_folder[name]:
            yield from _videos_in(path, search)
        else:
            yield path


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file, or a link that leads nowhere, which is reported when it is read."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
    except OSError:
        return True
