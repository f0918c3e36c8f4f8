"""Python's collector of reference cycles, put to rest where there is nothing for it to find."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """No cycles are collected meanwhile; also a decorator.

    What a node says of a hundred blocks is tens of thousands of new objects and no cycle. Every few hundred of them would set the
    collector looking through them, and once more when it may run again while they are still held. Cycles that other threads
    make meanwhile wait until the end.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
