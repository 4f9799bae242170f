"""What is said or shown as text: cues from a file beside the video, or from a text track inside it."""

from __future__ import annotations

import math
import os
import re
import stat
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import pysubs2
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream

from dynfocus_cli.errors import UsageError
from dynfocus_cli.types import VideoSource
from dynfocus_cli.video.container import open_container
from dynfocus_cli.video.playhead import EPSILON_S

SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")

MAX_BYTES = 16 << 20
"""Of a subtitle file: a long film's has 200 kB."""

MAX_CUES = 100_000

MAX_CUE_CHARACTERS = 1000
"""Of one cue's text; two lines of speech have a tenth of it."""

MAX_MARKED_CHARACTERS = 4 * MAX_CUE_CHARACTERS
"""The same before its markup is taken off, which takes time with the square of it."""

_TEXT_CODECS = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"})
_LESS_WANTED = Disposition.forced | Disposition.hearing_impaired | Disposition.comment
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(\{[^{}]*\\p0[^{}]*\}|$)", re.DOTALL)
_MARKUP = re.compile(r"\{[^{}]*\}|</?[A-Za-z][^<>]*>|<\d[\d:.]*>")
_BREAK = re.compile(r"\\[Nnh]")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Cue:
    """A text and when it is on screen, in seconds from the first displayed frame."""

    start_s: float
    end_s: float
    text: str
    """One line, without markup."""


@dataclass(frozen=True, slots=True)
class Subtitles:
    """All cues of one file or track, in time order."""

    cues: tuple[Cue, ...]
    origin: str
    """A file's name, or the track's number and language."""


def find_subtitles(source: VideoSource, wanted: str) -> tuple[Subtitles | None, tuple[str, ...]]:
    """The subtitles that `--subtitles` asks for, and warnings.

    `off` is none; `auto` is a file of the video's name beside it (`film.srt` before `film.en.srt`), else a
    text track of the video, else none. Anything else is the path of a subtitle file, whose times count from
    the beginning of the video.

    Raises:
        UsageError: a file that was named cannot be read, or holds no cues.
    """
    if wanted == "off":
        return None, ()
    if wanted != "auto":
        return Subtitles(read_cues(Path(wanted)), os.path.basename(wanted)), ()
    problems: list[str] = []
    for path in _beside(Path(source.path)):
        try:
            return Subtitles(read_cues(path), path.name), tuple(problems)
        except UsageError as error:
            problems.append(str(error))
    return _track(source), tuple(problems)


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
    cues = parse_cues(_text(data))
    if not cues:
        raise UsageError(f"{name} hold no cues: give a .srt, .vtt or .ass file.")
    return cues


def parse_cues(text: str) -> tuple[Cue, ...]:
    """The cues in a subtitle file's text, whichever of the formats it is in; none in any other text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of fields of the style, which nobody asked for
            events = pysubs2.SSAFile.from_string(text.replace("\0", "")).events
    except Exception:  # pysubs2 raises what its parsers meet: its own errors, ValueError, IndexError ...
        return ()
    timed = (
        (event.start / 1000, event.end / 1000, event.text)
        for event in events[:MAX_CUES]
        if not event.is_comment
    )
    return _tidy(timed)


def _tidy(cues: Iterable[tuple[float, float, str]]) -> tuple[Cue, ...]:
    """In time order, as plain text; without empty ones, and without what a cue repeats of the one before.

    Captions that roll up show each line twice: "one" / "one two" / "two three" -> "one" / "two" / "three".
    """
    tidy: list[Cue] = []
    before: list[str] = []
    for start_s, end_s, text in sorted(cues):
        parts = _BREAK.sub("\n", _DRAWING.sub("", text[:MAX_MARKED_CHARACTERS])).split("\n")
        lines = [line for part in parts if (line := _plain(part))]
        fresh = lines[_overlap(before, lines) :]
        if math.isfinite(start_s) and end_s > max(start_s, 0.0) and fresh:
            tidy.append(Cue(max(start_s, 0.0), end_s, " ".join(fresh)[:MAX_CUE_CHARACTERS]))
        before = lines or before
    return tuple(tidy)


def _plain(line: str) -> str:
    """Without markup and control characters, white space as single spaces."""
    return " ".join("".join(char if char.isprintable() else " " for char in _MARKUP.sub("", line)).split())


def _overlap(before: list[str], lines: list[str]) -> int:
    """How many lines at the beginning were the last ones before: ["a", "b"], ["b", "c"] -> 1."""
    return next((n for n in range(len(lines), 0, -1) if before[-n:] == lines[:n]), 0)


def _text(data: bytes) -> str:
    """UTF-8 or UTF-16 by its mark, else UTF-8, else the code page of old Windows files."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _beside(video: Path) -> list[Path]:
    """Subtitle files of the video's name in its folder: the plain name first, then those with a language."""
    try:
        files = sorted(video.parent.iterdir())
    except OSError:
        return []
    found = [
        path
        for path in files
        if path.suffix.lower() in SUFFIXES
        and (path.stem == video.stem or path.stem.startswith(f"{video.stem}."))
    ]
    return sorted(
        found, key=lambda path: (path.stem != video.stem, path.stem, SUFFIXES.index(path.suffix.lower()))
    )


def _track(source: VideoSource) -> Subtitles | None:
    """The text track that a player would show: the default one, then the first; pictures of text are none."""
    with open_container(source.path) as container:
        texts = [
            stream
            for stream in container.streams.subtitles
            if stream.codec_context is not None and stream.codec_context.name in _TEXT_CODECS
        ]
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
        for stream in container.streams:
            if stream.index != chosen.index:
                stream.discard = av.stream.Discard.all
        cues = _tidy(_packets(container.demux(chosen), chosen, source.start_s))
        language = f" ({chosen.language})" if chosen.language else ""
        return Subtitles(cues, f"track {chosen.index}{language}") if cues else None


def _packets(
    packets: Iterator[av.Packet[SubtitleStream]], stream: SubtitleStream, start_s: float
) -> Iterator[tuple[float, float, str]]:
    """Start, end and text of a track's packets; damaged ones are passed over."""
    tick = float(stream.time_base or 0)
    for _ in range(MAX_CUES):
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if packet.pts is None or not packet.size:
                continue
            start = packet.pts * tick - start_s
            for rect in packet.decode():
                if isinstance(rect, av.subtitles.subtitle.AssSubtitle):
                    yield (
                        start,
                        start + (packet.duration or 0) * tick,
                        rect.dialogue.decode("utf-8", "replace"),
                    )
        except (av.FFmpegError, ValueError, IndexError):
            continue
