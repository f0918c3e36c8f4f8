"""What one process of ``verify_ledger`` does: read a stretch of the ledger and check each entry by itself.

No Django: a process is started fresh and reads by a connection of its own, in the snapshot of the one who started it, so that
all of them see the ledger of one moment while entries go on being posted.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import psycopg

from settlements import seal
from settlements.business_day import business_date
from settlements.sealed_entries import ENTRIES, EntryRow

_ROWS_AT_ONCE = 2000
# PostgreSQL knows days that Python does not ("infinity"): an entry of one is named by ``verification_frame``, not read.
WITHIN_CALENDAR = (
    "entry.business_date >= '0001-01-01' AND entry.business_date < '9999-12-31'"
    " AND entry.posted_at >= '0001-01-02' AND entry.posted_at < '9999-12-31'"
)
_STRETCH = (
    ENTRIES
    + " WHERE (entry.business_date, entry.id) >= (%s, %s) AND (entry.business_date, entry.id) < (%s, %s)"
    + f" AND {WITHIN_CALENDAR}"
    + " ORDER BY entry.business_date, entry.id"
)


class Place(NamedTuple):
    """A place in the ledger's order of sealing: by day, then by id."""

    day: date
    entry_id: int


class Stretch(NamedTuple):
    """Entries from ``start`` to before ``end``."""

    start: Place
    end: Place


@dataclass(slots=True)
class DayPart:
    """What a stretch holds of one day: the leaf hashes in order, one after another, and what each account moved by."""

    day: date
    leaf_hashes: bytearray = field(default_factory=bytearray)
    moved: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))


@dataclass(slots=True)
class StretchRead:
    """What was read and found in a stretch. Findings are sentences."""

    parts: list[DayPart] = field(default_factory=list)
    entry_count: int = 0
    posting_count: int = 0
    findings: list[str] = field(default_factory=list)


class Reader:
    """A connection in the snapshot ``snapshot``, and the accounts' assets by their codes."""

    def __init__(self, address: dict[str, Any], snapshot: str | None) -> None:
        self.connection = connect(address)
        if snapshot is not None:
            # Named by PostgreSQL itself; the statement takes no parameters.
            self.connection.execute(
                psycopg.sql.SQL("SET TRANSACTION SNAPSHOT {}").format(psycopg.sql.Literal(snapshot))
            )
        rows = self.connection.execute("SELECT code, asset_code FROM settlements_account")
        self.asset_of: dict[str, str] = dict(rows.fetchall())

    def read(self, stretch: Stretch) -> StretchRead:
        """Read and check the entries of ``stretch``."""
        result = StretchRead()
        part: DayPart | None = None
        for row in self._rows(stretch):
            if part is None or part.day != row.business_date:
                part = DayPart(row.business_date)
                result.parts.append(part)
            result.entry_count += 1
            try:
                leaf = row.leaf_entry
                signed = [(code, _signed(side, amount)) for code, side, amount in leaf.lines]
            except ValueError:
                result.findings.append(f"{_named(row)} has a line that cannot be read")
                part.leaf_hashes += seal.NO_SEAL
                continue
            part.leaf_hashes += seal.leaf_hash(seal.leaf_bytes(leaf))
            result.posting_count += len(leaf.lines)
            result.findings += self._wrong_with(row, signed, part.moved)
        return result

    def _wrong_with(
        self, row: EntryRow, lines: list[tuple[str, int]], moved: dict[str, int]
    ) -> Iterator[str]:
        """What is wrong with one entry; what its lines move is added to ``moved``."""
        by_asset: dict[str, int] = defaultdict(int)
        for code, signed in lines:
            moved[code] += signed
            by_asset[self.asset_of.get(code, "?")] += signed
        if any(by_asset.values()):
            yield f"{_named(row)} does not balance in {', '.join(a for a, net in by_asset.items() if net)}"
        if len(lines) != row.posting_count:
            yield f"{_named(row)} states {row.posting_count} postings and has {len(lines)}"
        if hashlib.sha256(f"{row.recipe}\n{row.lines}".encode()).digest() != row.content_sha256:
            yield f"{_named(row)} is not what was posted: its recipe or its lines were changed"
        if not row.repeats_truly:
            yield f"{_named(row)} has a posting in another asset than its account's, or of another day than its own"
        if business_date(row.posted_at) != row.business_date:
            yield f"{_named(row)} counts on {row.business_date} but was posted on {business_date(row.posted_at)}"

    def _rows(self, stretch: Stretch) -> Iterator[EntryRow]:
        with self.connection.cursor(name="entries", binary=True) as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            cursor.execute(_STRETCH, [*stretch.start, *stretch.end])
            yield from map(EntryRow._make, cursor)


def connect(address: dict[str, Any]) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection whose database transaction sees one moment and changes nothing."""
    options = f"{address.get('options', '')} -c timezone=UTC".strip()
    connection = psycopg.connect(**{**address, "options": options})
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


def _signed(side: str, amount: str) -> int:
    """Debits positive, credits negative. ValueError for what is no whole number: a column of numbers also holds NaN."""
    return int(amount) if side == "D" else -int(amount)


def _named(row: EntryRow) -> str:
    return f"entry {row.id} ({row.idempotency_key})"


_reader: Reader | None = None


def start(address: dict[str, Any], snapshot: str) -> None:
    """Prepare this process, which was started to read stretches."""
    global _reader
    _reader = Reader(address, snapshot)


def read(stretch: Stretch) -> StretchRead:
    """Read a stretch in this process."""
    assert _reader is not None
    return _reader.read(stretch)
