"""Ctrl-C: put off while something is written, and raised where libraries would swallow it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Puts Ctrl-C off until the block is done, so that no line is left half written; a second one breaks
    through, where a reader keeps the block waiting for ever.

    Raises:
        KeyboardInterrupt: after the block, where it came within.
    """
    count = 0

    def handle(*_: object) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt

    with _handling(handle):
        yield
    if count:
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Lets no other library swallow Ctrl-C or make another error of it: transformers reports one that comes
    while it imports a module as a missing module, and C code may drop one.

    Raises:
        KeyboardInterrupt: where it came within, at the latest after the block.
    """
    came = False

    def handle(*_: object) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    try:
        with _handling(handle):
            yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    if came:
        raise KeyboardInterrupt


@contextmanager
def _handling(handle: Callable[..., None]) -> Iterator[None]:
    """Has Ctrl-C call `handle` while the block runs; not in other threads, or where others handle it."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
