"""An answer on the terminal while it is made."""

from __future__ import annotations

from dynfocus_cli.cli.output import write_line, write_piece


class Streamed:
    """What of one answer is written already."""

    def __init__(self) -> None:
        self._text = ""

    def write(self, text: str) -> None:
        """More of it."""
        self._text += text
        write_piece(text)

    def break_off(self) -> None:
        """The line's end, where one was begun."""
        if self._text:
            write_line("")

    def finish(self, answer: str) -> None:
        """The line's end; what was written before the answer was begun anew stands above."""
        if self._text.endswith(answer):
            write_line("")
        else:
            write_line(f"\n{answer}" if self._text else answer)
