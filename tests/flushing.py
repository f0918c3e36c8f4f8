"""Emptying the database between tests that really commit.

The ledger refuses DELETE and TRUNCATE by trigger, and some rows come from migrations (the first fee schedule, the
first rates of VAT) and must be there again for the next test. Only the superuser of the tests' own server may switch
triggers off like this.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.db.backends.postgresql.operations import DatabaseOperations
from psycopg import sql

_first_rows: dict[str, bytes] = {}


def keep_first_rows() -> None:
    """Remember every row that the migrations wrote, table by table."""
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True, include_views=False):
            if table != "django_migrations":
                rows = _copy_out(cursor, table)
                if rows:
                    _first_rows[table] = rows


def flush(operations: DatabaseOperations, statements: list[str]) -> None:
    """What Django does to empty the tables, with the triggers off, followed by the rows that the migrations wrote."""
    with transaction.atomic(using=operations.connection.alias), operations.connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
        for table, rows in _first_rows.items():
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
                copy.write(rows)


def _copy_out(cursor: object, table: str) -> bytes:
    with cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:  # type: ignore[attr-defined]
        return b"".join(copy)
