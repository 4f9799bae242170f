"""Subtitles of a video, from a file or from a text track inside it."""

from __future__ import annotations

import io
import os
import re
import stat
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream
from pysubs2 import SSAFile
from pysubs2.formats.base import FormatBase
from pysubs2.formats.subrip import SubripFormat
from pysubs2.formats.substation import SubstationFormat

from dynfocus_cli.errors import UsageError
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.container import open_container, select, text_streams
from dynfocus_cli.video.cues import Cue, tidy_cues
from dynfocus_cli.video.stream_reader import EPSILON_S
from dynfocus_cli.video.subtitle_text import decode_text

SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")

MAX_BYTES = 16 << 20
"""Of a subtitle file: a long film's has 200 kB."""

MAX_CUES = 100_000

SETTLED_S = 2.0
"""After so long without a change a folder's time of change tells it from later ones: some file systems count
whole seconds."""

_HEAD_CHARACTERS = 1 << 16
"""At the beginning of a text, where a section tells its format."""

_NEXT_NUMBER = "\n\n0\n"
"""pysubs2 takes a number at the end of a cue for the next one's; after this the last cue keeps its own."""

_LESS_WANTED = Disposition.forced | Disposition.hearing_impaired | Disposition.comment
_CHAPTERS = re.compile(r"\ufeff?WEBVTT[^\r\n]*(?:\r?\n[^\r\n]+)*?\r?\nKind: *chapters", re.IGNORECASE)
"""The header of WebVTT whose cues nobody says: they are titles."""
_ASS_SECTION = re.compile(r"^\[(?:Script Info|V4\+? Styles|Events)\]", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subtitles:
    """All cues of one file or track, in time order."""

    cues: tuple[Cue, ...]
    origin: str
    """A file's name, or the track's number and language."""


def find_subtitles(source: VideoSource, option: str) -> tuple[Subtitles | None, tuple[str, ...]]:
    """The subtitles that `subtitles` asks for, and warnings.

    `off` is none; `auto` is a file of the video's name beside it (`film.srt` before `film.en.srt`), else a
    text track of the video, else none. Anything else is the path of a subtitle file, whose times count from
    the beginning of the video.

    Raises:
        UsageError: a file that was named cannot be read, or holds no cues.
    """
    if option == "off":
        return None, ()
    if option != "auto":
        cues, doubts = _read(Path(option))
        return Subtitles(cues, os.path.basename(option)), doubts
    subtitles, problems = subtitles_beside(Path(source.path))
    return subtitles or _track(source), problems


def subtitles_beside(video: Path) -> tuple[Subtitles | None, tuple[str, ...]]:
    """The first file of the video's name beside it that can be read and has no chapters, or None; and what is
    wrong with those before it."""
    problems: list[str] = []
    for path in subtitle_files(video):
        try:
            text, doubts = _text(path)
            if not _CHAPTERS.match(text):
                return Subtitles(_cues(path, text), path.name), (*problems, *doubts)
        except UsageError as error:
            problems.append(str(error))
    return None, tuple(problems)


def cues_on_screen(cues: Iterable[Cue], moments_s: Sequence[float]) -> list[Cue]:
    """The cues that are on screen at one of the sorted moments at least (Video-MME's rule), each once."""
    shown, place = list[Cue](), 0
    for cue in cues:
        while place < len(moments_s) and moments_s[place] + EPSILON_S < cue.start_s:
            place += 1
        if place < len(moments_s) and moments_s[place] < cue.end_s:
            shown.append(cue)
    return shown


def read_cues(path: Path) -> tuple[Cue, ...]:
    """The cues of a .srt, .vtt, .ass or .ssa file.

    Raises:
        UsageError: it is no regular file, too large, or holds no cues.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[tuple[Cue, ...], tuple[str, ...]]:
    """The cues of a file, and a warning where its letters may be wrong; raises UsageError as `read_cues`."""
    text, doubts = _text(path)
    return _cues(path, text), doubts


def _text(path: Path) -> tuple[str, tuple[str, ...]]:
    """What a file holds, and a warning where its letters may be wrong.

    Raises:
        UsageError: it is no regular file, or too large.
    """
    name = f"The subtitles {path}"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{name} are not a regular file: give a .srt, .vtt or .ass file.")
        if status.st_size > MAX_BYTES:
            raise UsageError(f"{name} have {status.st_size} bytes, and {MAX_BYTES} are read at most.")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{name} cannot be read ({reason}): give off, auto, or an existing file.") from error
    text, doubt = decode_text(data)
    return text, (f"{name}: {doubt}",) if doubt else ()


def _cues(path: Path, text: str) -> tuple[Cue, ...]:
    cues = parse_cues(text)
    if not cues:
        raise UsageError(f"The subtitles {path} hold no cues: give a .srt, .vtt or .ass file.")
    return cues


def parse_cues(text: str) -> tuple[Cue, ...]:
    """The cues in a subtitle file's text, whichever of the formats it is in; none in any other text."""
    if text.lstrip("\ufeff \n").startswith("WEBVTT"):
        return _webvtt(text.lstrip("\ufeff \n"))
    script = SSAFile()
    is_ass = _ASS_SECTION.search(text[:_HEAD_CHARACTERS]) is not None
    reader: type[FormatBase] = SubstationFormat if is_ass else _Subrip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of fields of the style, which nobody asked for
            reader.from_file(script, io.StringIO(text + _NEXT_NUMBER), "ass" if is_ass else "srt")
    except Exception:  # pysubs2 raises what its parsers meet: its own errors, ValueError, IndexError ...
        return ()
    return tidy_cues(
        (event.start / 1000, event.end / 1000, event.text)
        for event in script.events[:MAX_CUES]
        if not event.is_comment
    )


class _Subrip(SubripFormat):
    """SubRip with hours beyond 99, as in recordings that count from midnight of some day."""

    TIMESTAMP = re.compile(r"(?<!\d)(\d{1,6}):(\d{1,2}):(\d{1,2})[.,](\d{1,3})")


def _webvtt(text: str) -> tuple[Cue, ...]:
    """The cues of a WebVTT text, read by FFmpeg, which leaves out identifiers, notes, styles and regions."""
    try:
        with av.open(io.BytesIO(text.encode("utf-8", "replace")), "r", format="webvtt") as container:
            stream = container.streams.subtitles[0]
            return tidy_cues(_packets(container.demux(stream), stream, 0.0))
    except (av.FFmpegError, OSError, ValueError, IndexError):
        return ()


def subtitle_files(video: Path) -> list[Path]:
    """Subtitle files of the video's name in its folder: the plain name first, then those with a language."""
    try:
        folder = os.path.abspath(video.parent)
        changed = os.stat(folder)
        names = _subtitle_names(folder, changed.st_mtime_ns, _age(changed.st_mtime))
    except (OSError, ValueError):
        return []
    files = (video.parent / name for name in names if name.startswith(video.stem))
    named = [path for path in files if f"{path.stem}.".startswith(f"{video.stem}.")]
    return sorted(
        named,
        key=lambda path: (path.stem != video.stem, path.stem, SUFFIXES.index(path.suffix.lower()), path.name),
    )


@lru_cache(maxsize=16)
def _subtitle_names(folder: str, changed_ns: int, age: int) -> tuple[str, ...]:
    """Names of the subtitle files in a folder, which is read once for all of its videos as long as nothing
    in it changes.

    Raises:
        OSError: it cannot be read.
    """
    return tuple(name for name in os.listdir(folder) if name.lower().endswith(SUFFIXES))


def _age(changed_s: float) -> int:
    """0 for a folder that changed long ago; else another number at each call, since a change soon after
    another may have the same time."""
    return 0 if time.time() - changed_s > SETTLED_S else time.monotonic_ns()


def _track(source: VideoSource) -> Subtitles | None:
    """The text track that a player would show: the default one, then the first; pictures of text are none."""
    if source.has_text_track is False:
        return None
    with open_container(source.path) as container:
        texts = text_streams(container)
        if not texts:
            return None
        chosen = min(
            texts,
            key=lambda stream: (
                bool(stream.disposition & _LESS_WANTED),
                not stream.disposition & Disposition.default,
                stream.index,
            ),
        )
        select(container, chosen)
        cues = tidy_cues(_packets(container.demux(chosen), chosen, source.start_s))
        language = f" ({chosen.language})" if chosen.language else ""
        return Subtitles(cues, f"track {chosen.index}{language}") if cues else None


def _packets(
    packets: Iterator[av.Packet[SubtitleStream]], stream: SubtitleStream, start_s: float
) -> Iterator[tuple[float, float, str]]:
    """Start, end and text of a track's packets; damaged ones are passed over."""
    tick = float(stream.time_base or 0)
    is_webvtt = stream.codec_context.name == "webvtt"
    for _ in range(MAX_CUES):
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if packet.pts is None or not packet.size:
                continue
            start_cue_s = packet.pts * tick - start_s
            end_cue_s = start_cue_s + (packet.duration or 0) * tick
            # FFmpeg's decoder knows six of the character references that WebVTT allows.
            texts = (
                [bytes(packet)]
                if is_webvtt
                else [
                    rect.dialogue
                    for rect in packet.decode()
                    if isinstance(rect, av.subtitles.subtitle.AssSubtitle)
                ]
            )
            for text in texts:
                yield start_cue_s, end_cue_s, text.decode("utf-8", "replace")
        except (av.FFmpegError, ValueError, IndexError):
            continue
