"""A chat: its questions, its commands, and what is shown."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dynfocus_cli.cli import progress as display
from dynfocus_cli.cli.errors import Failure, say, say_failure
from dynfocus_cli.cli.flag_names import result_with_flags, with_flags
from dynfocus_cli.cli.output import AnswerStream, on_terminal, one_line, write_line, write_record
from dynfocus_cli.errors import SomeVideosFailed, UsageError
from dynfocus_cli.features.memory_cache import MemoryFeatureCache
from dynfocus_cli.report.json import answer_record, error_record
from dynfocus_cli.report.writers import formats
from dynfocus_cli.video.timecode import parse_time, short_timecode

if TYPE_CHECKING:
    from dynfocus_cli.cli.lines import Lines
    from dynfocus_cli.models.protocol import Backend
    from dynfocus_cli.options import RunOptions, SamplingOptions
    from dynfocus_cli.types import Answer, VideoSource

LEAVING = "Ctrl-C once more ends the chat; /save FILE keeps its answers."

_PAGE, *_OTHERS = (format.suffixes[0] for format in formats() if format.content)

HELP = {
    "/frames": "show the key frames of the last answer",
    "/at TIME|off": "look closely at this moment (08:00) from now on, or at none",
    "/video FILE": "ask about another video from now on",
    "/save FILE": "write questions and answers into a .md or .jsonl file",
    "/export FILE": f"write the last answer: {' '.join((_PAGE, *_OTHERS))}",
    "/help": "show this",
    "/quit": "end the chat, as Ctrl-D does",
}
COMMANDS = tuple(form.split()[0] for form in HELP)


class Conversation:
    """Questions about a video, each answered on its own."""

    def __init__(
        self, source: VideoSource, model: Backend, options: RunOptions, *, as_records: bool, quiet: bool
    ) -> None:
        self._source = source
        self._model = model
        self._options = options
        self._as_records = as_records
        self._quiet = quiet
        self._memory_cache = MemoryFeatureCache()
        self._answers: list[Answer] = []
        self._warned: tuple[str, ...] = ()
        """What the last answer's warnings were: they are not said twice in a row."""
        self._saved: set[str] = set()
        """Files that are this chat's own, and may be replaced by it."""
        self._failures: list[int] = []

    @property
    def prompt(self) -> str:
        """What stands before a question: the moment that is looked at closely, if there is one."""
        at_s = self._options.sampling.at_s
        return "> " if at_s is None else f"at {short_timecode(at_s)}> "

    def introduce(self) -> None:
        """Says which video it is about."""
        source = self._source
        say(f"{source.path}: {short_timecode(source.duration_s)}, {source.width}x{source.height}.")

    def run(self, lines: Lines) -> None:
        """Goes through the lines.

        Raises:
            typer.Exit: of those in a pipe all failed, in the same way.
            SomeVideosFailed: some of them failed.
            KeyboardInterrupt: Ctrl-C twice on an empty line, or once anywhere in a pipe.
        """
        given = 0
        while (line := lines.read(self.prompt)) is not None:
            line = line.strip()
            if line == "/quit":
                break
            given += line != ""
            try:
                with lines.unseen():
                    if line.startswith("/"):
                        self._do(line)
                    elif line:
                        self._ask(line)
            except KeyboardInterrupt:
                if not lines.interactive:
                    raise
                say("Stopped.")
        if not self._failures or lines.interactive:
            return  # somebody who types has seen them
        if len(self._failures) == given and len(set(self._failures)) == 1:
            raise typer.Exit(self._failures[0])
        raise SomeVideosFailed(f"{len(self._failures)} of {given} lines failed.")

    def _ask(self, question: str) -> None:
        from dynfocus_cli import pipeline

        video, model, options = self._source.path, self._model, self._options
        stream = AnswerStream() if on_terminal() and not self._as_records else None
        write = None if stream is None else stream.write
        try:
            with display.shown("", display.is_visible(self._quiet), write) as progress:
                answer = result_with_flags(
                    pipeline.ask(video, question, model, options, progress, memory_cache=self._memory_cache)
                )
        except BaseException as error:
            if stream is not None:
                stream.break_off()
            if not isinstance(error, Exception):
                raise
            failure = self._fail(error)
            if self._as_records:
                write_record(error_record(video, *failure, question=question))
            return
        self._answers.append(answer)
        self._show(answer, stream)

    def _show(self, answer: Answer, stream: AnswerStream | None) -> None:
        if self._as_records:
            write_record(answer_record(answer))
        elif stream is not None:
            stream.finish(answer.answer)
        else:
            for notice in answer.evidence.notices:
                say(f"Warning: {one_line(notice)}")
            write_line(one_line(answer.answer))
        if not self._as_records and not self._quiet:
            _show_evidence(answer)
        warnings = answer.evidence.warnings
        for warning in warnings[0 if self._as_records else len(answer.evidence.notices) :]:
            if warning not in self._warned:
                say(f"Warning: {one_line(warning)}")
        self._warned = warnings

    def _fail(self, error: Exception) -> Failure:
        failure = say_failure(error)
        self._failures.append(failure.code)
        return failure

    def _do(self, line: str) -> None:
        """Carries out a command. Whatever is wrong with it is said, and changes nothing."""
        name, _, argument = line.partition(" ")
        do: dict[str, Callable[[str], None]] = {
            "/frames": self._show_frames,
            "/at": self._look_at,
            "/video": self._change_video,
            "/save": self._save,
            "/export": self._export,
            "/help": _show_help,
        }
        try:
            do.get(name, _unknown)(argument.strip() if name in do else name)
        except Exception as error:
            self._fail(error)

    def _show_frames(self, _: str) -> None:
        if not self._answers:
            raise UsageError("There is no answer yet, and so no key frames.")
        from dynfocus_cli.report.terminal import aligned_table

        for row in aligned_table(self._answers[-1].evidence):
            say(row)

    def _look_at(self, time: str) -> None:
        sampling = self._options.sampling
        if time and time != "off":
            sampling = replace(sampling, at_s=parse_time(time))
            check_sampling(self._source, sampling, "/at")
        elif time:
            sampling = replace(sampling, at_s=None)
        self._options = replace(self._options, sampling=sampling)
        if sampling.at_s is None:
            say("No moment is looked at more closely than others; /at TIME names one.")
        else:
            say(f"Looking closely at {short_timecode(sampling.at_s)}; /at off takes it back.")

    def _change_video(self, name: str) -> None:
        """The moment that is looked at closely was one of the old video; other options hold on."""
        if not name:
            raise UsageError("/video needs the name of a file, as in: /video other.mp4")
        sampling = replace(self._options.sampling, at_s=None)
        self._source = source_of(str(_path(name)), sampling, "/at")
        self._options = replace(self._options, sampling=sampling)
        self.introduce()

    def _export(self, name: str) -> None:
        from dynfocus_cli.report.export import write_export

        if not name:
            raise UsageError("/export needs the name of a file, as in: /export page.html")
        if not self._answers:
            raise UsageError("There is no answer to export yet.")
        path = _path(name)
        self._check_free(path)
        self._write(path, lambda: write_export(self._answers[-1], path), "")

    def _save(self, name: str) -> None:
        from dynfocus_cli.cli.transcript import transcript
        from dynfocus_cli.report.export import write_whole

        if not name:
            raise UsageError("/save needs the name of a file, as in: /save notes.md")
        path = _path(name)
        data = transcript(self._answers, path)
        self._check_free(path)
        count = "1 answer" if len(self._answers) == 1 else f"{len(self._answers)} answers"
        self._write(path, lambda: write_whole(path, data), f": {count}")

    def _check_free(self, path: Path) -> None:
        """Raises UsageError for a file that is there, unless it is this chat's own."""
        if os.path.abspath(path) not in self._saved and os.path.lexists(path):
            raise UsageError(f"{path} is there already, and stays as it is: give another name.")

    def _write(self, path: Path, write: Callable[[], object], more: str) -> None:
        replaced = os.path.exists(path)
        write()
        self._saved.add(os.path.abspath(path))
        say(f"{'Replaced' if replaced else 'Wrote'} {path}{more}.")


def _path(name: str) -> Path:
    """As typed, or quoted as for a shell, which is how a file dropped on a terminal arrives."""
    path = os.path.expanduser(name)  # unlike pathlib's, it leaves the home of nobody as it is
    with suppress(ValueError):
        if not os.path.lexists(path) and len(words := shlex.split(name)) == 1:
            path = os.path.expanduser(words[0])
    return Path(path)


def _show_evidence(answer: Answer) -> None:
    from rich.text import Text

    from dynfocus_cli.cli.transcript import evidence_line
    from dynfocus_cli.report.terminal import check_lines, stderr_console

    for line in check_lines(answer):
        say(line)
    console = stderr_console()
    line = evidence_line(answer, console.width if console.is_terminal else None)
    console.print(Text(line, style="dim"), soft_wrap=True)


def _show_help(_: str) -> None:
    width = max(map(len, HELP))
    for form, what in HELP.items():
        say(f"{form:{width}}  {what}")
    say("Anything else is a question, answered on its own: earlier ones are not seen.")


def _unknown(name: str) -> None:
    near = [command for command in COMMANDS if command.startswith(name)]
    near += get_close_matches(name, COMMANDS, n=1)
    if near:
        raise UsageError(f"There is no {name}; did you mean {near[0]}? /help lists all commands.")
    raise UsageError(f"There is no {name}. There are {', '.join(COMMANDS[:-1])} and {COMMANDS[-1]}.")


def source_of(video: str, sampling: SamplingOptions, at: str) -> VideoSource:
    """The one video of a chat; `at` as for `check_sampling`.

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

    mentions = find_mentions("", source.duration_s)
    try:
        plan_sampling(source, sampling, mentions, default_fps=1.0, default_max_frames=1)
    except UsageError as error:
        raise UsageError(with_flags(str(error), {"at_s": at})) from error
