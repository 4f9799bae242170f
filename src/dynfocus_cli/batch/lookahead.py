"""The next item is made ready while the current one is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from queue import Queue
from threading import Semaphore, Thread
from typing import TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")


def one_ahead(items: Iterable[Item], prepare: Callable[[Item], Ready]) -> Iterator[tuple[Item, Ready]]:
    """Each item with what `prepare` makes of it, fetched and prepared in another thread ahead of its turn.

    What fetching or preparing raises is raised here, when the item's turn comes. The thread ends with the
    process, since a list of paths on standard input may never end.
    """
    ready: Queue[tuple[Item, Ready] | BaseException | None] = Queue()
    demand = Semaphore(1)

    def produce() -> None:
        try:
            for each in items:
                demand.acquire()
                ready.put((each, prepare(each)))
            ready.put(None)
        except BaseException as error:  # whatever it is, it is the consumer's to see
            ready.put(error)

    Thread(target=produce, name="lookahead", daemon=True).start()
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        demand.release()
        yield item
