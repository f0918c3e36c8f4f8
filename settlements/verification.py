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

from settlements import verification_reader
from settlements.verification_days import FINDINGS_PER_DAY_MAX, DayProver, Proof
from settlements.verification_reader import Place, Reader, Stretch, StretchRead

# Entries in a stretch: some seconds of work, and the unit of progress.
STRETCH_ENTRIES = 20_000

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
        proof.findings += _lost_postings(reading, proof.posting_count)
        proof.findings += _crooked_reversals(reading)
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
    starts = reading.execute(
        "SELECT business_date, id FROM (SELECT business_date, id, row_number() OVER (ORDER BY business_date, id) AS number"
        " FROM settlements_journalentry) numbered WHERE (number - 1) %% %s = 0 ORDER BY business_date, id",
        [size],
    ).fetchall()
    [(total,)] = reading.execute("SELECT count(*) FROM settlements_journalentry").fetchall()
    places = [*(Place(*start) for start in starts), Place(date.max, 0)]
    return [Stretch(start, end) for start, end in pairwise(places)], total


def _lost_postings(reading: psycopg.Connection[tuple[Any, ...]], seen: int) -> Iterator[str]:
    [(count,)] = reading.execute("SELECT count(*) FROM settlements_posting").fetchall()
    if count == seen:
        return
    lost = reading.execute(
        "SELECT entry_id, count(*) FROM settlements_posting line WHERE NOT EXISTS"
        " (SELECT 1 FROM settlements_journalentry entry WHERE entry.id = line.entry_id)"
        " GROUP BY entry_id ORDER BY entry_id LIMIT %s",
        [FINDINGS_PER_DAY_MAX],
    )
    for entry_id, lines in lost:
        yield f"entry {entry_id} is gone, {lines} of its postings are still there"


def _crooked_reversals(reading: psycopg.Connection[tuple[Any, ...]]) -> Iterator[str]:
    """Reversals that do not undo their entry line by line."""
    rows = reading.execute(
        """
        WITH line AS (
            SELECT entry.id, entry.reverses_id, posting.account_id, posting.amount_minor, posting.side,
                   row_number() OVER (PARTITION BY entry.id ORDER BY posting.id) AS number
              FROM settlements_journalentry entry JOIN settlements_posting posting ON posting.entry_id = entry.id
             WHERE entry.reverses_id IS NOT NULL
                OR entry.id IN (SELECT reverses_id FROM settlements_journalentry WHERE reverses_id IS NOT NULL))
        SELECT DISTINCT coalesce(undoing.id, undone.back_id) AS id
          FROM (SELECT * FROM line WHERE reverses_id IS NOT NULL) undoing
          FULL JOIN (SELECT line.*, back.id AS back_id FROM line
                       JOIN settlements_journalentry back ON back.reverses_id = line.id) undone
            ON undone.back_id = undoing.id AND undone.number = undoing.number
         WHERE undoing.id IS NULL OR undone.id IS NULL OR undone.account_id <> undoing.account_id
            OR undone.amount_minor <> undoing.amount_minor OR undone.side = undoing.side
         ORDER BY id
        """
    )
    for (entry_id,) in rows:
        yield f"entry {entry_id} is a reversal, but does not undo its entry line by line"


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
    """Where the database is, for connections without Django."""
    known = connection.get_connection_params()
    return {key: known[key] for key in ("host", "port", "user", "password", "dbname") if known.get(key)}
