"""Recipes: the journal entries that this program can make, as pure functions from figures to balanced lines.

Amounts are smallest units. An entry balances per asset; where it crosses from a coin to tenge, the exchange-position
accounts of both assets carry the two sides, so nothing is normalised away.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from alatau_pay.assets import KZT, Asset
from alatau_pay.money import divide_half_up

DEBIT = "D"
CREDIT = "C"
BASIS_POINTS = 10_000


class EntryRefused(ValueError):
    """The figures cannot make a balanced entry."""


@dataclass(frozen=True, slots=True)
class AccountName:
    """Which account: its kind, its asset and, for what is owed to one, the merchant."""

    kind: str
    asset: Asset
    merchant_id: str = ""

    @property
    def code(self) -> str:
        """The account's unique code: "payable:KZT:<merchant>"."""
        return ":".join(filter(None, (self.kind, self.asset.code, self.merchant_id)))


@dataclass(frozen=True, slots=True)
class Line:
    """One posting: ``amount_minor`` > 0 smallest units of the account's asset on ``side``."""

    account: AccountName
    side: str
    amount_minor: int

    def __post_init__(self) -> None:
        if isinstance(self.amount_minor, bool) or not isinstance(self.amount_minor, int):
            raise EntryRefused("a posting's amount is an integer")
        if self.amount_minor <= 0:
            raise EntryRefused("a posting's amount is positive; its side says the direction")
        if self.side not in (DEBIT, CREDIT):
            raise EntryRefused(f"no such side: {self.side!r}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A balanced set of lines under a recipe's name.

    Raises:
        EntryRefused: an asset does not balance, or there is nothing to post.
    """

    recipe: str
    lines: tuple[Line, ...]
    description: str = ""

    def __post_init__(self) -> None:
        sums: defaultdict[str, int] = defaultdict(int)
        for line in self.lines:
            sums[line.account.asset.code] += line.amount_minor if line.side == DEBIT else -line.amount_minor
        if len(self.lines) < 2:
            raise EntryRefused("an entry has at least two lines")
        if unbalanced := [code for code, total in sums.items() if total]:
            raise EntryRefused(f"{self.recipe} does not balance in {', '.join(unbalanced)}")

    @property
    def content_sha256(self) -> bytes:
        """A digest of the recipe and the lines: tells a repeated command from another one under the same key."""
        rows = [f"{line.account.code} {line.side} {line.amount_minor}" for line in self.lines]
        return hashlib.sha256("\n".join([self.recipe, *rows]).encode()).digest()


@dataclass(frozen=True, slots=True)
class Fee:
    """What the platform keeps of a payment, in tiyn: its fee, and the VAT on it."""

    fee_tiyn: int
    vat_tiyn: int


def fee_of(gross_tiyn: int, *, fee_basis_points: int, vat_basis_points: int) -> Fee:
    """The fee of a payment and the VAT on the fee, each rounded half up to a tiyn."""
    fee_tiyn = divide_half_up(gross_tiyn * fee_basis_points, BASIS_POINTS)
    return Fee(fee_tiyn=fee_tiyn, vat_tiyn=divide_half_up(fee_tiyn * vat_basis_points, BASIS_POINTS))


def payment_settled(
    *, merchant_id: str, coin: Asset, received_minor: int, credited_minor: int, gross_tiyn: int, fee: Fee
) -> Entry:
    """A confirmed payment that counts: the merchant is owed ``gross_tiyn`` less fee and VAT.

    ``credited_minor`` of the ``received_minor`` became the operator's against tenge; the rest, an excess, is held for the
    resident. The merchant gets what is left after fee and VAT, so no rounding loses a tiyn.
    """
    if not 0 < credited_minor <= received_minor:
        raise EntryRefused("what is credited lies between nothing and what was received")
    return Entry(
        "payment_settled",
        _lines(
            (AccountName("reserve", coin), DEBIT, received_minor),
            (AccountName("position", coin), CREDIT, credited_minor),
            (AccountName("held", coin), CREDIT, received_minor - credited_minor),
            (AccountName("position", KZT), DEBIT, gross_tiyn),
            (AccountName("payable", KZT, merchant_id), CREDIT, gross_tiyn - fee.fee_tiyn - fee.vat_tiyn),
            (AccountName("fee_income", KZT), CREDIT, fee.fee_tiyn),
            (AccountName("vat_payable", KZT), CREDIT, fee.vat_tiyn),
        ),
    )


def payment_held(*, coin: Asset, received_minor: int) -> Entry:
    """Confirmed money that no invoice may take (late, partial, excess): the operator has it and owes it back."""
    return Entry(
        "payment_held",
        _lines(
            (AccountName("reserve", coin), DEBIT, received_minor),
            (AccountName("held", coin), CREDIT, received_minor),
        ),
    )


def held_accepted(*, merchant_id: str, coin: Asset, accepted_minor: int, gross_tiyn: int, fee: Fee) -> Entry:
    """Held money that a person accepted for the merchant, at the tenge value that it had at that moment."""
    return Entry(
        "held_accepted",
        _lines(
            (AccountName("held", coin), DEBIT, accepted_minor),
            (AccountName("position", coin), CREDIT, accepted_minor),
            (AccountName("position", KZT), DEBIT, gross_tiyn),
            (AccountName("payable", KZT, merchant_id), CREDIT, gross_tiyn - fee.fee_tiyn - fee.vat_tiyn),
            (AccountName("fee_income", KZT), CREDIT, fee.fee_tiyn),
            (AccountName("vat_payable", KZT), CREDIT, fee.vat_tiyn),
        ),
    )


def held_refund_due(*, coin: Asset, refunded_minor: int) -> Entry:
    """Held money that a person decided to give back: owed to the resident until it is sent."""
    return Entry(
        "held_refund_due",
        _lines(
            (AccountName("held", coin), DEBIT, refunded_minor),
            (AccountName("refund", coin), CREDIT, refunded_minor),
        ),
    )


def reversal(recipe: str, lines: Iterable[Line]) -> Entry:
    """The entry that undoes ``lines``: the same accounts and amounts on the other side."""
    swapped = tuple(
        Line(line.account, CREDIT if line.side == DEBIT else DEBIT, line.amount_minor) for line in lines
    )
    return Entry(f"{recipe}_reversed", swapped)


def _lines(*rows: tuple[AccountName, str, int]) -> tuple[Line, ...]:
    """The lines of ``rows`` without those that move nothing; a negative amount raises EntryRefused."""
    return tuple(Line(account, side, amount) for account, side, amount in rows if amount != 0)
