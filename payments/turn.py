"""Work that one at a time does: a PostgreSQL session lock, gone by itself when the process or the connection dies.

It only saves work: nothing would be done twice without it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connection

# The first half of the advisory lock's key: "work on payments".
_LOCK_SPACE = 0x5041594D


@contextmanager
def taken(work: str) -> Iterator[bool]:
    """Try to take the turn at ``work`` for the block; yields whether it was free."""
    key = zlib.crc32(work.encode()) - 2**31  # PostgreSQL takes a signed number of 32 bits
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_SPACE, key])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            _release(key)


def _release(key: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_SPACE, key])
    except (DatabaseError, InterfaceError):
        # The session is gone, and the lock with it. The next user of this thread gets a new connection.
        connection.close()
