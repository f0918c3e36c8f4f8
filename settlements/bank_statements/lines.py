"""What a bank statement says, whatever its format, and the small things that every reader reads. Amounts are tiyn.

A reader takes a whole file or refuses it: half a statement is worse than none. What looks wrong but can be read is a Doubt,
for a person to see.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256

from alatau_pay.money import AmountError, format_minor, parse_minor

# A quadrillion tenge: more than all money of Kazakhstan, and its tiyn still fit a column of 64 bits.
DIGITS_MAX = 15
CURRENCIES = frozenset({"", "KZT", "398", "ТЕНГЕ"})

_GROUPED = re.compile(r"[\s'’]", re.UNICODE)
_RETURN = re.compile(r"возврат|возвращ|қайтар|\breturn|\brefund", re.IGNORECASE)
_DAY_FORMATS = ("%d.%m.%Y", "%Y-%m-%d")


class StatementRefused(ValueError):
    """The file is no statement, or a part of it cannot be understood; the message says which."""


class Direction(StrEnum):
    """As the operator sees it: money that came in, or went out."""

    IN = "in"
    OUT = "out"


class DoubtKind(StrEnum):
    """What a person should see before believing a statement."""

    BALANCE = "balance"
    TURNOVER = "turnover"
    ENCODING = "encoding"
    NOT_BOOKED = "not booked"
    NOT_SPLIT = "not split"
    EMPTY_SUM = "empty sum"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something wrong with a statement; ``detail`` has the figures or names the line."""

    kind: DoubtKind
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One movement on the operator's account. ``raw`` is what the file said, key by key.

    ``reference`` is the reference that went with a payment from end to end; ``is_return`` marks money that the bank, or the
    purpose, calls returned.
    """

    account_iban: str
    direction: Direction
    amount_tiyn: int
    booked_on: date
    document_number: str = ""
    reference: str = ""
    purpose: str = ""
    counterparty_name: str = ""
    counterparty_business_id: str = ""
    counterparty_iban: str = ""
    counterparty_bic: str = ""
    knp: str = ""
    is_return: bool = False
    raw: tuple[tuple[str, str], ...] = ()

    def identity(self) -> tuple[str, ...]:
        """What two lines have in common when they are one movement: two exports may differ in anything else."""
        return (
            self.account_iban,
            self.booked_on.isoformat(),
            self.direction,
            str(self.amount_tiyn),
            self.document_number,
            self.counterparty_iban or self.counterparty_business_id or plain(self.counterparty_name),
            plain(self.purpose),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalance:
    """What a statement says about an account over some days; None where it does not say."""

    account_iban: str
    first_day: date | None = None
    last_day: date | None = None
    opening_tiyn: int | None = None
    incoming_tiyn: int | None = None
    outgoing_tiyn: int | None = None
    closing_tiyn: int | None = None


@dataclass(frozen=True, slots=True)
class StatementFile:
    """A file that was read: its lines in its order, its balances, and what is doubtful about it."""

    lines: tuple[StatementLine, ...]
    balances: tuple[AccountBalance, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def identities(self) -> list[bytes]:
        """A SHA-256 for each line: the same for one movement in two files, different for two equal movements in one.

        Equal lines of a day are told apart by their count, so that a later export with one more of them adds just that one.
        """
        seen: Counter[tuple[str, ...]] = Counter()
        hashes = []
        for line in self.lines:
            identity = line.identity()
            hashes.append(sha256("\x1f".join((*identity, str(seen[identity]))).encode()).digest())
            seen[identity] += 1
        return hashes


def with_checks(
    lines: Iterable[StatementLine], balances: Iterable[AccountBalance], doubts: Iterable[Doubt]
) -> StatementFile:
    """The file, with a doubt for each account whose sums do not add up."""
    lines, balances = tuple(lines), tuple(balances)
    found = [*doubts]
    for balance in balances:
        found += _balance_doubt(balance)
    for account_iban in sorted({balance.account_iban for balance in balances}):
        found += _turnover_doubts(account_iban, lines, balances)
        found += _movement_doubts(account_iban, lines, balances)
    return StatementFile(lines, balances, tuple(found))


def amount_of(text: str) -> int:
    """Tiyn of "152000.50", "152 000,50" or "1,234,567.80".

    Raises:
        StatementRefused: anything else, and a number that two countries would read differently ("1,234").
    """
    digits = _GROUPED.sub("", text)
    if "," in digits and "." in digits:
        grouping = "," if digits.rfind(",") < digits.rfind(".") else "."
        digits = digits.replace(grouping, "")
    try:
        amount_tiyn = parse_minor(digits.replace(",", "."), 2)
    except AmountError as error:
        raise StatementRefused(f"{text[:40]!r} is no amount") from error
    if abs(amount_tiyn) >= 10 ** (DIGITS_MAX + 2):
        raise StatementRefused(f"{text[:40]!r} is too much for an amount")
    return amount_tiyn


def day_of(text: str) -> date:
    """The day of "23.11.2026", "2026-11-23", or of either with a time after it.

    Raises:
        StatementRefused: anything else.
    """
    day = re.split(r"[ T]", text.strip(), maxsplit=1)[0]
    for day_format in _DAY_FORMATS:
        try:
            return datetime.strptime(day, day_format).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue  # the next format
    raise StatementRefused(f"{text!r} is no day")


def compact(text: str) -> str:
    """An IBAN, BIC or number as it is compared: upper case, without blanks."""
    return "".join(text.split()).upper()


def plain(text: str) -> str:
    """A text as it is compared: folded case, single blanks."""
    return " ".join(text.casefold().split())


def speaks_of_return(text: str) -> bool:
    """True where a purpose says in Russian, Kazakh or English that money is given back."""
    return _RETURN.search(text) is not None


def _balance_doubt(balance: AccountBalance) -> list[Doubt]:
    opening, incoming = balance.opening_tiyn, balance.incoming_tiyn
    outgoing, closing = balance.outgoing_tiyn, balance.closing_tiyn
    if opening is None or incoming is None or outgoing is None or closing is None:
        return []
    if opening + incoming - outgoing == closing:
        return []
    figures = f"{_tenge(opening)} + {_tenge(incoming)} − {_tenge(outgoing)} ≠ {_tenge(closing)}"
    return [Doubt(DoubtKind.BALANCE, f"{balance.account_iban}: {figures}")]


def _turnover_doubts(
    account_iban: str, lines: tuple[StatementLine, ...], balances: tuple[AccountBalance, ...]
) -> list[Doubt]:
    doubts = []
    of_account = [balance for balance in balances if balance.account_iban == account_iban]
    for direction in Direction:
        stated = [
            balance.incoming_tiyn if direction == Direction.IN else balance.outgoing_tiyn
            for balance in of_account
        ]
        known = [amount for amount in stated if amount is not None]
        listed = _listed(account_iban, direction, lines)
        if len(known) == len(stated) and sum(known) != listed:
            figures = f"{_tenge(listed)} ≠ {_tenge(sum(known))}"
            doubts.append(Doubt(DoubtKind.TURNOVER, f"{account_iban} {direction}: {figures}"))
    return doubts


def _movement_doubts(
    account_iban: str, lines: tuple[StatementLine, ...], balances: tuple[AccountBalance, ...]
) -> list[Doubt]:
    """Where a turnover is not stated, the lines themselves lead from the opening balances to the closing ones."""
    of_account = [balance for balance in balances if balance.account_iban == account_iban]
    if all(None not in (balance.incoming_tiyn, balance.outgoing_tiyn) for balance in of_account):
        return []
    openings = [balance.opening_tiyn for balance in of_account if balance.opening_tiyn is not None]
    closings = [balance.closing_tiyn for balance in of_account if balance.closing_tiyn is not None]
    if not len(openings) == len(closings) == len(of_account):
        return []
    as_whole = AccountBalance(
        account_iban=account_iban,
        opening_tiyn=sum(openings),
        incoming_tiyn=_listed(account_iban, Direction.IN, lines),
        outgoing_tiyn=_listed(account_iban, Direction.OUT, lines),
        closing_tiyn=sum(closings),
    )
    return _balance_doubt(as_whole)


def _listed(account_iban: str, direction: Direction, lines: tuple[StatementLine, ...]) -> int:
    """Tiyn of all lines of the account that go this way."""
    return sum(
        line.amount_tiyn for line in lines if (line.account_iban, line.direction) == (account_iban, direction)
    )


def _tenge(amount_tiyn: int) -> str:
    return format_minor(amount_tiyn, 2)
