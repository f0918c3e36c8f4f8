"""One follower a network: a PostgreSQL session lock, gone by itself when the process or the connection dies.

It only saves work. Two watchers at once would write nothing twice, since the cursor moves by compare-and-set.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connection

# The first half of the advisory lock's key: "the watcher of a network".
_LOCK_SPACE = 0x57415443


def _key(network_slug: str) -> int:
    """The second half, as the signed 32-bit number that PostgreSQL takes."""
    number = zlib.crc32(network_slug.encode())
    return number - 2**32 if number >= 2**31 else number


@contextmanager
def held(network_slug: str) -> Iterator[bool]:
    """Try to take the network's lock for the block; yields whether it was free."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_SPACE, _key(network_slug)])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            _release(network_slug)


def is_held(network_slug: str) -> bool:
    """Whether somebody follows the network right now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = %s AND objid::bigint = %s)",
            [_LOCK_SPACE, _key(network_slug) % 2**32],
        )
        return bool(cursor.fetchone()[0])


def _release(network_slug: str) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_SPACE, _key(network_slug)])
    except (DatabaseError, InterfaceError):
        # The session is gone, and the lock with it. The next user of this thread gets a new connection.
        connection.close()
