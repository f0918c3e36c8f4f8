"""Emptying the database between tests that really commit.

The ledger refuses DELETE and TRUNCATE by trigger, and some rows come from migrations (the first fee schedule, the
first rates of VAT) and must be there again for the next test. Only the superuser of the tests' own server may switch
triggers off like this.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.db.backends.postgresql.operations import DatabaseOperations
from psycopg import sql

# Every table but the one that says which migrations have run, with the rows that the migrations wrote.
_first_rows: dict[str, bytes] = {}


def keep_first_rows() -> None:
    """Remember every row that the migrations wrote, table by table."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    with connection.cursor() as cursor:
        for table in set(tables) - {"django_migrations"}:
            _first_rows[table] = _copy_out(cursor, table)


def flush(operations: DatabaseOperations, statements: list[str]) -> None:
    """Empty the tables with the triggers off, then write again the rows that the migrations wrote.

    Django would TRUNCATE, which makes new files for every table and index: half a second, where most tables are empty anyway.
    Like TRUNCATE, the lock waits for whoever still writes.
    """
    tables = [sql.Identifier(table) for table in _first_rows]
    with transaction.atomic(using=operations.connection.alias), operations.connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(tables)))
        cursor.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(table) for table in tables))
        for table, rows in _first_rows.items():
            if rows:
                with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
                    copy.write(rows)


def _copy_out(cursor: object, table: str) -> bytes:
    with cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:  # type: ignore[attr-defined]
        return b"".join(copy)
