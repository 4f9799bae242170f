"""Producing and consuming at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from queue import Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")

_POLL_S = 0.05
"""How long a producer that waits for room may take to see that nobody wants more."""

INTERRUPTED_S = 0.5
"""How long an interrupt waits for the producer."""


@dataclass(frozen=True, slots=True)
class _Produced(Generic[Item]):
    item: Item


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None


class RunAhead(Generic[Item]):
    """The items of a generator, produced in a thread of their own that begins at once.

    At most `most` finished items wait. What producing raises is raised by `__next__`, after the items before.
    Leaving the context stops the thread, which closes the generator that it alone has used.
    """

    def __init__(self, items: Iterator[Item], most: int) -> None:
        self._items = items
        self._waiting: Queue[_Produced[Item] | _Ended] = Queue(most)
        self._unwanted = Event()
        self._thread = Thread(target=self._produce, name="decode", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unwanted.set()
        # An interrupt does not wait for the item at work, which may take seconds: the thread is a daemon.
        self._thread.join(INTERRUPTED_S if kind is KeyboardInterrupt else None)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        message = self._waiting.get()
        if isinstance(message, _Produced):
            return message.item
        self._waiting.put(message)  # asked again, it has ended again
        raise StopIteration if message.error is None else message.error

    def _produce(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                self._put(_Produced(item))
                if self._unwanted.is_set():
                    break
        except BaseException as raised:  # whatever it is, it is the consumer's to see
            error = raised
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
            self._put(_Ended(error))

    def _put(self, message: _Produced[Item] | _Ended) -> None:
        while not self._unwanted.is_set():
            try:
                return self._waiting.put(message, timeout=_POLL_S)
            except Full:
                continue
