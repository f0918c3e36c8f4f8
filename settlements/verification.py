"""Proving the ledger anew: every entry, every day's seal, every closing balance, and what must hold of the accounts.

Nothing that the database keeps is believed: balances, digests, trees and seals are worked out from the rows again, so that a
row changed by somebody who may switch the triggers off is found. What one who can rewrite every seal up to today changes is
found by a seal noted elsewhere (``expected``).
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import pairwise
from typing import Any

import psycopg
from django.db import connection

from settlements import verification_frame, verification_reader
from settlements.verification_days import DayProver, Proof
from settlements.verification_reader import WITHIN_CALENDAR, Place, Reader, Stretch, StretchRead

# Entries in a stretch: some seconds of work, and the unit of progress.
STRETCH_ENTRIES = 20_000
# What Django's connection is made of besides libpq's own words.
_DJANGOS_OWN = frozenset({"context", "cursor_factory", "prepare_threshold", "isolation_level"})

_STARTS = f"""
SELECT business_date, id
  FROM (SELECT business_date, id, row_number() OVER (ORDER BY business_date, id) AS number
          FROM settlements_journalentry entry WHERE {WITHIN_CALENDAR}) numbered
 WHERE (number - 1) %% %s = 0 ORDER BY business_date, id
"""  # noqa: S608 - composed of constants
_TOTAL = f"SELECT count(*) FROM settlements_journalentry entry WHERE {WITHIN_CALENDAR}"  # noqa: S608 - the same

Progress = Callable[[int, int], None]


def verify(
    *,
    processes: int,
    progress: Progress | None = None,
    expected: dict[date, bytes] | None = None,
    stretch_entries: int = STRETCH_ENTRIES,
) -> Proof:
    """Read the whole ledger of one moment with ``processes`` processes and prove it. Changes nothing, blocks nobody.

    ``expected``: seals that were noted elsewhere, by their days. ``progress`` is told entries read and entries in all, after
    each stretch of ``stretch_entries``.
    """
    address = _address()
    with contextlib.closing(verification_reader.connect(address)) as reading:
        [(snapshot,)] = reading.execute("SELECT pg_export_snapshot()").fetchall()
        stretches, total = _stretches(reading, stretch_entries)
        proof = Proof()
        with _readings(address, snapshot, stretches, processes) as readings:
            DayProver(reading, proof).prove(_told(readings, progress, total))
        proof.findings += verification_frame.findings(reading, posting_count=proof.posting_count)
        proof.findings += _unexpected_seals(reading, expected or {})
    return proof


@contextlib.contextmanager
def _readings(
    address: dict[str, Any], snapshot: str, stretches: list[Stretch], processes: int
) -> Iterator[Iterator[StretchRead]]:
    """The stretches read, in their order: here, or by processes of their own."""
    if processes == 1:
        reader = Reader(address, snapshot)
        with contextlib.closing(reader.connection):
            yield map(reader.read, stretches)
        return
    # Started fresh rather than forked: a fork would share the parent's connections.
    with multiprocessing.get_context("spawn").Pool(
        processes, verification_reader.start, (address, snapshot)
    ) as pool:
        yield pool.imap(verification_reader.read, stretches)


def _told(readings: Iterable[StretchRead], progress: Progress | None, total: int) -> Iterator[StretchRead]:
    done = 0
    for result in readings:
        done += result.entry_count
        if progress is not None:
            progress(done, total)
        yield result


def _stretches(reading: psycopg.Connection[tuple[Any, ...]], size: int) -> tuple[list[Stretch], int]:
    """The ledger in stretches of equal size, and how many entries it has."""
    starts = reading.execute(_STARTS, [size]).fetchall()
    [(total,)] = reading.execute(_TOTAL).fetchall()
    places = [*(Place(*start) for start in starts), Place(date.max, 0)]
    return [Stretch(start, end) for start, end in pairwise(places)], total


def _unexpected_seals(
    reading: psycopg.Connection[tuple[Any, ...]], expected: dict[date, bytes]
) -> Iterator[str]:
    for day, noted in sorted(expected.items()):
        row = reading.execute(
            "SELECT seal FROM settlements_dayseal WHERE day_id = %s", [day], binary=True
        ).fetchone()
        if row is None:
            yield f"{day}: a seal was noted elsewhere, here is none"
        elif bytes(row[0]) != noted:
            yield f"{day}: the seal is not the one that was noted elsewhere; the days up to it were written anew"


def _address() -> dict[str, Any]:
    """Where the database is and how it is reached (TLS included), for connections without Django."""
    known = connection.get_connection_params()
    return {key: value for key, value in known.items() if key not in _DJANGOS_OWN and value not in (None, "")}
