"""Proving the ledger anew: every entry, every day's seal, every closing balance, and what must hold of the accounts.

Nothing that the database keeps is believed: balances, digests, trees and seals are worked out from the rows again, so that a
row changed by somebody who may switch the triggers off is found. What one who can rewrite every seal up to today changes is
found by a seal noted elsewhere (``expected``).
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import psycopg
from django.db import connection

from settlements import seal, verification_reader
from settlements.models import AccountKind
from settlements.verification_reader import DayPart, Place, Reader, Stretch, StretchRead

# Entries in a stretch: some seconds of work, and the unit of progress.
STRETCH_ENTRIES = 20_000
FINDINGS_PER_DAY_MAX = 10

# What was taken in and is owed can be used up, but never more than was there.
NEVER_IN_DEBIT = (AccountKind.HELD, AccountKind.REFUND, AccountKind.SCREENED, AccountKind.PAYOUT)
NEVER_IN_CREDIT = (AccountKind.RESERVE,)

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Proof:
    """What was read, and what was found wrong, in sentences; sound without findings. ``remarks`` are no findings."""

    entry_count: int = 0
    posting_count: int = 0
    sealed_days: int = 0
    open_days: int = 0
    last_day: date | None = None
    last_seal: bytes = seal.NO_SEAL
    findings: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """What this proved, in one line."""
        read = f"{self.entry_count:,} entries with {self.posting_count:,} postings"
        if self.findings:
            return f"{read}: NOT proved, {len(self.findings)} findings"
        sealed = f"{self.sealed_days:,} sealed days and {self.open_days:,} not sealed"
        last = f"; seal of {self.last_day}: {self.last_seal.hex()}" if self.last_day else ""
        return (
            f"{read} in {sealed}: every entry balances and is what was posted, every sealed day and closing balance is what"
            f" its entries make it, no account is overdrawn{last}"
        )


@dataclass(frozen=True, slots=True)
class _Sealed:
    day: date
    entry_count: int
    root: bytes
    seal: bytes


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
            _Proving(reading, proof).prove(_told(readings, progress, total))
        proof.findings += _lost_postings(reading, proof.posting_count)
        proof.findings += _crooked_reversals(reading)
        proof.findings += _unexpected_seals(reading, expected or {})
    return proof


class _Proving:
    """The days in their order: what each account holds by then, and the chain of seals."""

    def __init__(self, reading: psycopg.Connection[tuple[Any, ...]], proof: Proof) -> None:
        self.reading = reading
        self.proof = proof
        self.held: defaultdict[str, int] = defaultdict(int)
        rows = reading.execute(
            "SELECT day_id, entry_count, root, seal FROM settlements_dayseal ORDER BY day_id", binary=True
        )
        self.seals = [_Sealed(*row) for row in rows]

    def prove(self, readings: Iterable[StretchRead]) -> None:
        """Go through all days that have entries or a seal."""
        closing = _closing_balances(self.reading)
        due = iter(self.seals)
        sealed = next(due, None)
        previous: _Sealed | None = None
        for part in _whole_days(readings, self.proof):
            # Days without entries are sealed as well.
            while sealed is not None and sealed.day < part.day:
                self._prove_day(DayPart(sealed.day), sealed, previous, next(closing, None))
                previous, sealed = sealed, next(due, None)
            if sealed is not None and sealed.day == part.day:
                self._prove_day(part, sealed, previous, next(closing, None))
                previous, sealed = sealed, next(due, None)
            else:
                self._pass_open_day(part)
        while sealed is not None:
            self._prove_day(DayPart(sealed.day), sealed, previous, next(closing, None))
            previous, sealed = sealed, next(due, None)
        self.proof.findings += self._overdrawn()
        self.proof.remarks += self._debtors()
        if previous is not None:
            self.proof.last_day, self.proof.last_seal = previous.day, previous.seal

    def _prove_day(
        self,
        part: DayPart,
        sealed: _Sealed,
        previous: _Sealed | None,
        closing: tuple[date, dict[str, int]] | None,
    ) -> None:
        self.proof.sealed_days += 1
        for code, net in part.moved.items():
            self.held[code] += net
        self.proof.findings += self._wrong_leaves(part, sealed)
        self.proof.findings += _wrong_chain(sealed, previous)
        stated = closing[1] if closing else {}
        true = {code: self.held[code] for code in part.moved}
        for code in sorted({code for code in stated | true if stated.get(code) != true.get(code)}):
            self.proof.findings.append(
                f"{sealed.day}: closing balance of {code} is {stated.get(code, 'missing')},"
                f" its postings make {true.get(code, 'none that day')}"
            )

    def _pass_open_day(self, part: DayPart) -> None:
        self.proof.open_days += 1
        if self.seals and part.day < self.seals[-1].day:
            self.proof.findings.append(f"{part.day}: entries on a day that was passed over by the seals")
        for code, net in part.moved.items():
            self.held[code] += net

    def _wrong_leaves(self, part: DayPart, sealed: _Sealed) -> Iterator[str]:
        """Which entries of the day are not as they were sealed."""
        now = bytes(part.leaf_hashes)
        if seal.root_of(seal.split_hashes(now)) == sealed.root and len(now) // seal.HASH_BYTES == sealed.entry_count:
            kept = self._kept_hashes(sealed.day)
            if kept != now:
                yield f"{sealed.day}: the kept leaf hashes were changed; its entries and its seal are sound"
            return
        kept = self._kept_hashes(sealed.day)
        if seal.root_of(seal.split_hashes(kept)) != sealed.root:
            yield f"{sealed.day}: the root of the seal was changed, or its leaf hashes were"
        yield from self._differences(sealed.day, seal.split_hashes(now), seal.split_hashes(kept))

    def _differences(self, day: date, now: list[bytes], kept: list[bytes]) -> Iterator[str]:
        names = self.reading.execute(
            "SELECT id, idempotency_key FROM settlements_journalentry WHERE business_date = %s ORDER BY id", [day]
        ).fetchall()
        known, present = set(kept), set(now)
        what = "changed" if len(now) == len(kept) else "inserted or changed"
        strange = [index for index, leaf in enumerate(now) if leaf not in known]
        for index in strange[:FINDINGS_PER_DAY_MAX]:
            yield f"{day}: entry {names[index][0]} ({names[index][1]}) was {what} after the day was sealed"
        missing = [index for index, leaf in enumerate(kept) if leaf not in present]
        if len(now) < len(kept):
            places = ", ".join(str(index + 1) for index in missing[:FINDINGS_PER_DAY_MAX])
            yield f"{day}: sealed with {len(kept)} entries, has {len(now)}; missing: the one sealed at place {places}"
        if not strange and not missing and now != kept:
            yield f"{day}: its entries stand in another order than they were sealed in"

    def _kept_hashes(self, day: date) -> bytes:
        rows = self.reading.execute(
            "SELECT leaf_hashes FROM settlements_dayseal WHERE day_id = %s", [day], binary=True
        )
        [(kept,)] = rows.fetchall()
        return bytes(kept)

    def _overdrawn(self) -> Iterator[str]:
        by_kind: defaultdict[tuple[str, str], int] = defaultdict(int)
        for code, balance in self.held.items():
            kind, _colon, rest = code.partition(":")
            by_kind[kind, rest.partition(":")[0]] += balance
        for (kind, asset), balance in sorted(by_kind.items()):
            if kind in NEVER_IN_DEBIT and balance > 0:
                yield f"{kind}:{asset} is overdrawn: {balance} more went out than came in"
            if kind in NEVER_IN_CREDIT and balance < 0:
                yield f"{kind}:{asset} is overdrawn: {-balance} more went out than came in"

    def _debtors(self) -> Iterator[str]:
        for code, balance in sorted(self.held.items()):
            if code.startswith(f"{AccountKind.PAYABLE}:") and balance > 0:
                yield f"{code}: the merchant owes the operator {balance} tiyn"


def _wrong_chain(sealed: _Sealed, previous: _Sealed | None) -> Iterator[str]:
    if previous is not None and sealed.day != previous.day + timedelta(days=1):
        yield f"{sealed.day}: the day before has no seal"
    before = previous.seal if previous else seal.NO_SEAL
    if seal.seal_of(previous=before, day=sealed.day, root=sealed.root) != sealed.seal:
        yield f"{sealed.day}: the seal does not follow from the day's root and the seal of the day before"


def _whole_days(readings: Iterable[StretchRead], proof: Proof) -> Iterator[DayPart]:
    """The days, each put together from the stretches that hold parts of it; counts and findings go to ``proof``."""
    whole: DayPart | None = None
    for result in readings:
        proof.entry_count += result.entry_count
        proof.posting_count += result.posting_count
        proof.findings += result.findings
        for part in result.parts:
            if whole is not None and whole.day == part.day:
                whole.leaf_hashes += part.leaf_hashes
                for code, net in part.moved.items():
                    whole.moved[code] += net
                continue
            if whole is not None:
                yield whole
            whole = part
    if whole is not None:
        yield whole


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


def _told(
    readings: Iterable[StretchRead], progress: Progress | None, total: int
) -> Iterator[StretchRead]:
    done = 0
    for result in readings:
        done += result.entry_count
        if progress is not None:
            progress(done, total)
        yield result


def _stretches(
    reading: psycopg.Connection[tuple[Any, ...]], size: int
) -> tuple[list[Stretch], int]:
    """The ledger in stretches of equal size, and how many entries it has."""
    starts = reading.execute(
        "SELECT business_date, id FROM (SELECT business_date, id, row_number() OVER (ORDER BY business_date, id) AS number"
        " FROM settlements_journalentry) numbered WHERE (number - 1) %% %s = 0 ORDER BY business_date, id",
        [size],
    ).fetchall()
    [(total,)] = reading.execute("SELECT count(*) FROM settlements_journalentry").fetchall()
    places = [*(Place(*start) for start in starts), Place(date.max, 0)]
    return [Stretch(start, end) for start, end in pairwise(places)], total


def _closing_balances(
    reading: psycopg.Connection[tuple[Any, ...]],
) -> Iterator[tuple[date, dict[str, int]]]:
    """The stated closing balances of each sealed day, by account code; a day without any comes empty."""
    with reading.cursor(name="closing") as cursor:
        cursor.execute(
            "SELECT sealed.day_id, account.code, closing.balance_minor FROM settlements_dayseal sealed"
            " LEFT JOIN settlements_closingbalance closing ON closing.day_id = sealed.day_id"
            " LEFT JOIN settlements_account account ON account.id = closing.account_id ORDER BY sealed.day_id"
        )
        day, stated = None, {}
        for row_day, code, balance in cursor:
            if day is not None and row_day != day:
                yield day, stated
                stated = {}
            day = row_day
            if balance is not None:
                stated[code or "?"] = int(balance)
        if day is not None:
            yield day, stated


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
