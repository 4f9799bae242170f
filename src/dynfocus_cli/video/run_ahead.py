"""Producing and consuming at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")

_POLL_S = 0.05
"""How long a producer that waits for room may take to see that nobody wants more."""


@dataclass(frozen=True, slots=True)
class _Produced(Generic[Item]):
    item: Item


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None


def run_ahead(items: Iterator[Item], most: int) -> Iterator[Item]:
    """The items, produced in a thread of their own that is at most `most` finished ones ahead.

    What producing raises is raised here, after the items before it. Closing the iterator stops the thread;
    where `items` can be closed, that happens in the thread that used it.
    """
    waiting: Queue[_Produced[Item] | _Ended] = Queue(most)
    unwanted = Event()

    def put(message: _Produced[Item] | _Ended) -> None:
        while not unwanted.is_set():
            try:
                return waiting.put(message, timeout=_POLL_S)
            except Full:
                continue

    def produce() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                put(_Produced(item))
                if unwanted.is_set():
                    break
        except BaseException as raised:  # whatever it is, it is the consumer's to see
            error = raised
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
            put(_Ended(error))

    thread = Thread(target=produce, name="decode", daemon=True)
    thread.start()
    try:
        while isinstance(message := waiting.get(), _Produced):
            yield message.item
        if message.error is not None:
            raise message.error
    finally:
        unwanted.set()
        thread.join()
