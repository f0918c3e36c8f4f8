"""Measuring rivals in turns, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

Work = Callable[[], object]
Clock = Callable[[], float]


def cpu_seconds(*works: Work, rounds: int) -> list[float]:
    """The median CPU seconds of this process for each of ``works``, all of them run once a round."""
    return _medians(works, rounds, time.process_time)


def wall_seconds(*works: Work, rounds: int) -> list[float]:
    """The median seconds by the clock for each of ``works``, all of them run once a round."""
    return _medians(works, rounds, time.perf_counter)


def percentile(values: list[float], percent: int) -> float:
    """The smallest value that ``percent`` of all ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _medians(works: tuple[Work, ...], rounds: int, clock: Clock) -> list[float]:
    seconds: list[list[float]] = [[] for _ in works]
    for work in works:
        work()  # once for what only the first call pays
    for _ in range(rounds):
        for taken, work in zip(seconds, works, strict=True):
            gc.collect()  # nobody pays for what the one before left behind
            started = clock()
            work()
            taken.append(clock() - started)
    return [statistics.median(taken) for taken in seconds]
