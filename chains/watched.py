"""Which keys on the chain are deposit addresses of ours: one indexed query for all of them."""

from __future__ import annotations

from collections.abc import Collection

import psycopg
from django.db import connection

from chains.models import DepositAddress


def find(network_slug: str, keys: Collection[bytes]) -> set[bytes]:
    """Those of ``keys`` that are deposit addresses of the network.

    One query, whose only large parameter is a binary array: about 25 times cheaper than a query each, and nothing about
    addresses is kept in the process. Call it outside a database transaction and after the chain was read: an address is
    committed before anybody is shown it, so what was read before cannot pay an address that is not there yet.
    """
    if not keys:
        return set()
    table = connection.ops.quote_name(DepositAddress._meta.db_table)
    connection.ensure_connection()
    # A plain psycopg cursor binds on the server and in binary (%b); Django's would write the array out as text.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            f"SELECT key FROM {table} WHERE network_id = %(network)s AND key = ANY(%(keys)b)",  # noqa: S608
            {"network": network_slug, "keys": list(keys)},
        )
        return {bytes(row[0]) for row in cursor.fetchall()}


def few(network_slug: str, *, at_most: int) -> frozenset[bytes] | None:
    """All deposit addresses of the network while they are ``at_most`` so many, None when they are more.

    Every one ever shown is among them. One that is given out after the question is not, so ask again after the chain was read.
    """
    keys = DepositAddress.objects.filter(network_id=network_slug).values_list("key", flat=True)[: at_most + 1]
    found = frozenset(bytes(key) for key in keys)
    return found if len(found) <= at_most else None
