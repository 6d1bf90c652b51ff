"""Episodes on two processes, whichever skill they are of."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Final, TypeVar

A = TypeVar("A")
E = TypeVar("E")

WORKERS: Final = 2

_episode: Callable[[int], Any] | None = None  # of this worker process


def _start(make: Callable[[Any], Callable[[int], Any]], asked: Any) -> None:
    global _episode  # a worker process answers one question
    _episode = make(asked)


def _work(number: int) -> Any:
    assert _episode is not None  # _start ran
    return _episode(number)


def spread(
    make: Callable[[A], Callable[[int], E]], asked: A, count: int, at_once: int
) -> Iterator[E]:
    """Run episodes 0 to ``count``, in order of their numbers.

    Args:
        make: makes, once in each worker, what runs an episode; a function of a module.
        asked: its argument.
        count: how many.
        at_once: how many a worker is handed at a time.
    """
    with ProcessPoolExecutor(
        WORKERS, get_context("spawn"), initializer=_start, initargs=(make, asked)
    ) as pool:
        yield from pool.map(_work, range(count), chunksize=at_once)
