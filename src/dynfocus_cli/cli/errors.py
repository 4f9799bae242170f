"""The one mapper from exception to message and exit code."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import typer

from dynfocus_cli.cli.flag_names import with_flags
from dynfocus_cli.cli.output import visible
from dynfocus_cli.errors import DynFocusError, OutOfMemory

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

UNEXPECTED = 1
INTERRUPTED = 130


class Failure(NamedTuple):
    """An exception as the user meets it."""

    code: int
    """Exit code."""
    kind: str
    """Name for scripts: the class in `dynfocus_cli.errors`, or the unexpected exception's own."""
    message: str


def failure_of(error: Exception) -> Failure:
    """What to say of `error`, and which code to exit with."""
    if isinstance(error, DynFocusError):
        return Failure(error.exit_code, type(error).__name__, with_flags(str(error)))
    if _is_out_of_memory(error):
        message = "Out of memory. Try fewer frames (--frames or --max-frames), or --device cpu."
        return Failure(OutOfMemory.exit_code, OutOfMemory.__name__, message)
    kind = type(error).__name__
    what = " ".join(str(error).split())
    said = f"{kind}: {what}".removesuffix(".") if what else kind
    return Failure(UNEXPECTED, kind, f"Unexpected {said}. Set DYNFOCUS_DEBUG=1 to see where it comes from.")


@contextmanager
def reported() -> Iterator[None]:
    """Turn whatever the block raises into a message on stderr and a SystemExit with the contract's code."""
    try:
        yield
    except typer.Exit:
        raise  # a decision already made, for Typer to carry out
    except BrokenPipeError:
        # The reader has seen enough (`| head -1`). That is no failure, and nobody is left to tell.
        _detach_stdout()
        raise SystemExit(0) from None
    except KeyboardInterrupt as interrupt:
        say(" ".join(["Interrupted.", *getattr(interrupt, "__notes__", [])]))
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        raise SystemExit(say_failure(error).code) from None


def say_failure(error: Exception) -> Failure:
    """Says on stderr what went wrong."""
    trace(error)
    failure = failure_of(error)
    say(f"Error: {failure.message}")
    return failure


def leave(end: SystemExit) -> NoReturn:
    """Ends the process, without Python's closing down where a daemon thread is still at work: one that comes
    back from torch into a closing interpreter aborts it, and the exit code is lost."""
    if any(thread.daemon for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # its reader has gone, or there is no stream
                stream.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
    raise end


def say(line: str) -> None:
    """Writes a line to stderr, options named by their flags and control characters made visible; on a
    terminal it is wrapped between words. That it cannot be written is no error."""
    if sys.stderr is None:
        return
    line = with_flags(line)
    with suppress(OSError):
        if sys.stderr.isatty():
            from rich.text import Text

            from dynfocus_cli.report.terminal import stderr_console

            stderr_console().print(Text(visible(line)))
        else:
            print(visible(line), file=sys.stderr, flush=True)


class _Commentary(io.FileIO):
    """A file whose writing may fail."""

    def write(self, data: ReadableBuffer) -> int:
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


def let_stderr_fail() -> None:
    """Has this process go on where stderr cannot be written: its disk is full, or its reader has gone.

    What stands there is commentary. Results go elsewhere, and a log that is full must not cost them.
    """
    with suppress(OSError, ValueError, AttributeError):  # there is none, or one that is no file
        number = sys.stderr.fileno()
        if not sys.stderr.isatty():
            file = io.BufferedWriter(_Commentary(number, "w", closefd=False))
            how = sys.stderr.encoding, sys.stderr.errors
            sys.stderr = io.TextIOWrapper(file, *how, line_buffering=True, write_through=True)


def trace(error: Exception) -> None:
    """The traceback of `error` on stderr, where DYNFOCUS_DEBUG=1 asks for it."""
    if os.environ.get("DYNFOCUS_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)


def _is_out_of_memory(error: Exception) -> bool:
    if "torch" not in sys.modules:  # then it cannot be torch's error, and this does not import it
        return isinstance(error, MemoryError)
    from dynfocus_cli.device import ran_out

    return ran_out(error)


def _detach_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not meet the broken pipe again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass  # a stdout that is no file, as in tests, or none at all
    finally:
        os.close(nowhere)
