"""Threads beside an ingestion's own: numpy, Arrow and OpenSSL let others work while they do.

    with ahead(scan.tables()) as tables, Lane() as lane:    # read in a thread of their own, before they are needed
        for table in tables:
            lane.submit(partial(write, table))              # one after the other, in another thread

What either raises is raised where its work is waited for. Neither outlives its block, and little waits between them.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
_POLLED = 0.05
"""Seconds after which a thread that waits looks whether it is still needed."""


@contextmanager
def ahead(items: Iterable[T], *, most: int = 1) -> Iterator[Iterator[T]]:
    """The items, of which a thread makes `most` before they are asked for. What it raises comes in the place of one."""
    made: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(most)
    left = Event()
    thread = Thread(target=_make, args=(items, made, left), daemon=True)
    thread.start()
    try:
        yield _taken(made)
    finally:
        left.set()
        thread.join()


def _make(items: Iterable[T], made: queue.Queue[tuple[T] | BaseException | None], left: Event) -> None:
    """Puts the items, and None after the last; gives up where they are not needed any more."""

    def put(item: tuple[T] | BaseException | None) -> bool:
        while not left.is_set():
            try:
                made.put(item, timeout=_POLLED)
            except queue.Full:
                continue
            return True
        return False

    try:
        if all(put((item,)) for item in items):
            put(None)
    except BaseException as error:  # boundary: the one who takes the items raises it
        put(error)


def _taken(made: queue.Queue[tuple[T] | BaseException | None]) -> Iterator[T]:
    while (item := made.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item[0]


class Lane:
    """Acts in a thread, one after the other; of `most` that wait, the next waits until one is done."""

    def __init__(self, *, most: int = 1) -> None:
        self._pool, self._most = ThreadPoolExecutor(1), most
        self._waiting: deque[Future[None]] = deque()

    def submit(self, act: Callable[[], None]) -> None:
        """Does it after all before it. Raises what one of these raised."""
        while len(self._waiting) >= self._most:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(act))

    def finish(self) -> None:
        """Waits until all is done. Raises what one of them raised."""
        while self._waiting:
            self._waiting.popleft().result()

    def __enter__(self) -> Lane:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Ends the thread; what has not begun is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)
