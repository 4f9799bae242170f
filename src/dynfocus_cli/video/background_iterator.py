"""A generator that runs ahead of its consumer, in a thread."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from queue import Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")

_POLL_S = 0.05
"""How long a full queue may keep the thread from seeing that it is to stop."""

INTERRUPTED_S = 0.5
"""How long an interrupt waits for the thread."""


class BackgroundIterator(Generic[Item]):
    """The items of a generator, produced in a thread of their own that begins at once.

    At most `capacity` finished items wait. What the generator raises is raised by `__next__`, after the items
    before. Leaving the context stops the thread, which closes the generator.
    """

    def __init__(self, items: Generator[Item], capacity: int) -> None:
        self._items = items
        self._queue: Queue[tuple[Item] | BaseException] = Queue(capacity)
        self._stopped = Event()
        self._thread = Thread(target=self._produce, name="decode", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        # An interrupt does not wait for the item at work, which may take seconds: the thread is a daemon.
        self._thread.join(INTERRUPTED_S if kind is KeyboardInterrupt else None)

    def __next__(self) -> Item:
        message = self._queue.get()
        if isinstance(message, BaseException):
            self._queue.put(message)  # each further call raises it again
            raise message
        return message[0]

    def _produce(self) -> None:
        end: BaseException = StopIteration()
        try:
            with closing(self._items):
                for item in self._items:
                    self._put((item,))
                    if self._stopped.is_set():
                        break
        except BaseException as error:  # whatever it is, the consumer handles it
            end = error
        self._put(end)

    def _put(self, message: tuple[Item] | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                return self._queue.put(message, timeout=_POLL_S)
            except Full:
                continue
