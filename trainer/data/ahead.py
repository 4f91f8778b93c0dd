"""Work done ahead of where it is needed, by threads: pictures are decoded while the network computes.

Law: results come in the order of what they were made from, and are what they would be without threads; an
error comes where its result would have.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def made_ahead(
    make: Callable[[T], R], items: Iterable[T], *, workers: int = 1, depth: int = 2
) -> Generator[R, None, None]:
    """Yield what is made of each item, made by other threads before it is asked for.

    Args:
        make: Called in another thread; must depend on nothing but its item.
        items: In order; taken one by one as there is room.
        workers: Threads.
        depth: Results that are made ahead at most, from 1; they lie in memory until they are asked for.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, "ahead") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
