"""Lines that somebody types, or that a pipe holds."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dynfocus_cli.cli.errors import say
from dynfocus_cli.cli.output import on_terminal, write_line

try:
    import termios
except ImportError:  # not on Windows
    termios = None  # type: ignore[assignment]


class Lines:
    """Standard input, a line at a time; on a terminal with a prompt, line editing and a history.

    The history is in memory alone: what somebody asked about a video is written nowhere.
    """

    def __init__(self, commands: Sequence[str] = (), warning: str = "Ctrl-C once more ends this.") -> None:
        """
        Args:
            commands: completed by the Tab key at the beginning of a line.
            warning: said at the first Ctrl-C on an empty line; a second one ends it.
        """
        self._warning = warning
        if isinstance(sys.stdin, io.TextIOWrapper):
            # What is no text fails as a question of its own, and costs no other line.
            sys.stdin.reconfigure(errors="surrogateescape")
        self._stdin = sys.stdin
        self.interactive = self._stdin is not None and self._stdin.isatty()
        """Whether somebody types."""
        # Python edits lines only where both are terminals, and would write its prompt into a pipe.
        self._editing = self.interactive and on_terminal()
        if self._editing:
            _complete(commands)

    def read(self, prompt: str) -> str | None:
        """The next line without its end, or None after the last one (Ctrl-D).

        Raises:
            KeyboardInterrupt: Ctrl-C twice on an empty line; on any other it takes the line back.
        """
        if not self.interactive:
            line = "" if self._stdin is None else self._stdin.readline()
            return line.rstrip("\n") if line else None
        is_warned = False
        while True:
            try:
                return self._typed(prompt)
            except EOFError:
                self._end_line()
                return None
            except KeyboardInterrupt:
                self._end_line()
                if self._editing and _line_has_text():
                    is_warned = False
                elif is_warned:
                    raise
                else:
                    is_warned = True
                    say(self._warning)

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What is typed while the block runs is not shown amid what that writes, but at the next prompt."""
        if not self.interactive or termios is None:
            yield
            return
        before = termios.tcgetattr(self._stdin)
        silent = [*before]
        silent[3] &= ~termios.ECHO
        termios.tcsetattr(self._stdin, termios.TCSADRAIN, silent)
        try:
            yield
        finally:
            termios.tcsetattr(self._stdin, termios.TCSADRAIN, before)

    def _typed(self, prompt: str) -> str:
        if self._editing:
            return input(prompt)
        if sys.stderr is not None:
            print(prompt, end="", file=sys.stderr, flush=True)
        line = self._stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    def _end_line(self) -> None:
        if self._editing:
            write_line("")
        elif sys.stderr is not None:
            print(file=sys.stderr, flush=True)


def _complete(commands: Sequence[str]) -> None:
    """Switches line editing on, where this Python has it."""
    try:
        import readline
    except ImportError:
        return

    def complete(word: str, number: int) -> str | None:
        at_start = readline.get_begidx() == 0
        matches = [command for command in commands if at_start and word and command.startswith(word)]
        return f"{matches[number]} " if number < len(matches) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" ")
    editline = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if editline else "tab: complete")


def _line_has_text() -> bool:
    """Whether there was something on the line that was interrupted."""
    try:
        import readline
    except ImportError:
        return False
    return bool(readline.get_line_buffer())
