"""Proving the days one after another: what each account holds by then, the day's seal, and the chain of seals."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg

from settlements import seal
from settlements.models import AccountKind
from settlements.verification_reader import DayPart, StretchRead

FINDINGS_PER_DAY_MAX = 10

# What was taken in and is owed can be used up, but never more than was there.
NEVER_IN_DEBIT = (AccountKind.HELD, AccountKind.REFUND, AccountKind.SCREENED, AccountKind.PAYOUT)
NEVER_IN_CREDIT = (AccountKind.RESERVE,)
_RESERVE_OVERDRAWN = re.compile(
    rf"{AccountKind.RESERVE}:[A-Z0-9.]+ is overdrawn: [0-9]+ more went out than came in"
)


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


def is_reserve_overdrawn(finding: str) -> bool:
    """Whether a finding says no more than that coins left that the books did not know of: no row was changed."""
    return _RESERVE_OVERDRAWN.fullmatch(finding) is not None


@dataclass(frozen=True, slots=True)
class _Sealed:
    day: date
    entry_count: int
    root: bytes
    seal: bytes


class DayProver:
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
        stated = _closing_balances(self.reading)
        previous: _Sealed | None = None
        for part, sealed in _side_by_side(_whole_days(readings, self.proof), self.seals):
            for code, net in part.moved.items():
                self.held[code] += net
            if sealed is None:
                self._pass_open_day(part)
                continue
            self.proof.sealed_days += 1
            self.proof.findings += self._wrong_leaves(part, sealed)
            self.proof.findings += _wrong_chain(sealed, previous)
            self.proof.findings += self._wrong_balances(part, next(stated))
            previous = sealed
        self.proof.findings += self._overdrawn()
        self.proof.remarks += self._debtors()
        if previous is not None:
            self.proof.last_day, self.proof.last_seal = previous.day, previous.seal

    def _wrong_balances(self, part: DayPart, stated: dict[str, int | Decimal]) -> Iterator[str]:
        """Closing balances of the day that are not what the postings make them, for exactly the accounts that moved."""
        true = {code: self.held[code] for code in part.moved}
        for code in sorted(code for code in stated | true if stated.get(code) != true.get(code)):
            yield (
                f"{part.day}: closing balance of {code} is {stated.get(code, 'missing')},"
                f" its postings make {true.get(code, 'none that day')}"
            )

    def _pass_open_day(self, part: DayPart) -> None:
        self.proof.open_days += 1
        if self.seals and part.day < self.seals[-1].day:
            self.proof.findings.append(f"{part.day}: entries on a day that was passed over by the seals")

    def _wrong_leaves(self, part: DayPart, sealed: _Sealed) -> Iterator[str]:
        """Which entries of the day are not as they were sealed."""
        now, kept = bytes(part.leaf_hashes), self._kept_hashes(sealed.day)
        if len(kept) != sealed.entry_count * seal.HASH_BYTES:
            yield f"{sealed.day}: the seal states {sealed.entry_count} entries, its leaf hashes are of another number"
        if seal.root_of(seal.split_hashes(now)) == sealed.root:
            if kept != now:
                yield f"{sealed.day}: the kept leaf hashes were changed; its entries and its seal are sound"
            return
        if seal.root_of(seal.split_hashes(kept)) != sealed.root:
            yield f"{sealed.day}: the root of the seal was changed, or its leaf hashes were"
        yield from self._differences(sealed.day, seal.split_hashes(now), seal.split_hashes(kept))

    def _differences(self, day: date, now: list[bytes], kept: list[bytes]) -> Iterator[str]:
        names = self.reading.execute(
            "SELECT id, idempotency_key FROM settlements_journalentry WHERE business_date = %s ORDER BY id",
            [day],
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


def _side_by_side(
    parts: Iterable[DayPart], seals: Iterable[_Sealed]
) -> Iterator[tuple[DayPart, _Sealed | None]]:
    """Each day with its seal, None for one that has none; days without entries are sealed as well."""
    waiting = deque(seals)
    for part in parts:
        while waiting and waiting[0].day < part.day:
            sealed = waiting.popleft()
            yield DayPart(sealed.day), sealed
        yield part, waiting.popleft() if waiting and waiting[0].day == part.day else None
    for sealed in waiting:
        yield DayPart(sealed.day), sealed


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


def _closing_balances(reading: psycopg.Connection[tuple[Any, ...]]) -> Iterator[dict[str, int | Decimal]]:
    """The stated closing balances by account code: one dict for each sealed day, the oldest first."""
    with reading.cursor(name="closing") as cursor:
        cursor.execute(
            "SELECT sealed.day_id, coalesce(account.code, '?'), closing.balance_minor FROM settlements_dayseal sealed"
            " LEFT JOIN settlements_closingbalance closing ON closing.day_id = sealed.day_id"
            " LEFT JOIN settlements_account account ON account.id = closing.account_id ORDER BY sealed.day_id"
        )
        for _day, rows in groupby(cursor, key=itemgetter(0)):
            yield {code: _whole(balance) for _day, code, balance in rows if balance is not None}


def _whole(balance: Decimal) -> int | Decimal:
    """The balance as an integer; a column of numbers also holds NaN, which no sum of postings is."""
    return int(balance) if balance.is_finite() else balance
