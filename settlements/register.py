"""A merchant's register: every entry of the ledger that moved what the operator owes it, day by day, and what they come to.

All figures are the ledger's own, in tiyn; nothing is read from payments. An operation's lines add up to what the account
moved: ``net = gross - fee - vat``, where a reversal, a refund and a payout are negative. So the sum of all nets is the
movement of the payable, and opening balance plus movement is the closing balance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from merchants.models import Merchant
from settlements import balances
from settlements.entries import payable
from settlements.operations import PAYOUT_KINDS, Operation, OperationKind, operations

_NOT_PAID_OUT = PAYOUT_KINDS | {OperationKind.DIRECT}


@dataclass(slots=True)
class Sums:
    """How many operations of a kind there are, and what they come to in tiyn."""

    count: int = 0
    gross_tiyn: int = 0
    fee_tiyn: int = 0
    vat_tiyn: int = 0
    net_tiyn: int = 0
    due_tiyn: int = 0

    def add(self, operation: Operation) -> None:
        """Count ``operation`` in."""
        self.count += 1
        self.gross_tiyn += operation.gross_tiyn
        self.fee_tiyn += operation.fee_tiyn
        self.vat_tiyn += operation.vat_tiyn
        self.net_tiyn += operation.net_tiyn
        self.due_tiyn += operation.due_tiyn


def _no_sums() -> dict[OperationKind, Sums]:
    return {kind: Sums() for kind in OperationKind}


@dataclass(slots=True)
class Totals:
    """The sums by kind, and the lines that documents print. Lines that take away are stated as positive amounts."""

    by_kind: dict[OperationKind, Sums] = field(default_factory=_no_sums)

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> Totals:
        """What ``operations`` come to."""
        totals = cls()
        for operation in operations:
            totals.add(operation)
        return totals

    def add(self, operation: Operation) -> None:
        """Count ``operation`` in."""
        self.by_kind[operation.kind].add(operation)

    @property
    def operation_count(self) -> int:
        """Operations that a payout settles: all but the payouts themselves and direct settlements."""
        return sum(sums.count for kind, sums in self.by_kind.items() if kind not in _NOT_PAID_OUT)

    @property
    def gross_tiyn(self) -> int:
        """Gross sales, before anything is taken off."""
        return self.by_kind[OperationKind.SALE].gross_tiyn

    @property
    def reversed_tiyn(self) -> int:
        """Sales that a chain took back, gross."""
        return -self.by_kind[OperationKind.SALE_REVERSED].gross_tiyn

    @property
    def refunds_tiyn(self) -> int:
        """Given back to residents at the merchant's expense, less refunds undone; gross."""
        return -self.by_kind[OperationKind.REFUND].gross_tiyn

    @property
    def corrections_tiyn(self) -> int:
        """Corrections by two people, before the fee and VAT that they moved; signed."""
        return self.by_kind[OperationKind.CORRECTION].gross_tiyn

    @property
    def fee_tiyn(self) -> int:
        """Fee withheld, less fee given back with reversals, refunds and corrections. Without direct settlement's."""
        return self._withheld("fee_tiyn")

    @property
    def vat_tiyn(self) -> int:
        """The VAT on ``fee_tiyn``."""
        return self._withheld("vat_tiyn")

    @property
    def net_tiyn(self) -> int:
        """What the operations but the payouts added to the payable: gross - reversed - refunds + corrections - fee - VAT."""
        return sum(sums.net_tiyn for kind, sums in self.by_kind.items() if kind not in PAYOUT_KINDS)

    @property
    def payouts_tiyn(self) -> int:
        """Set aside for payouts."""
        return -self.by_kind[OperationKind.PAYOUT].net_tiyn

    @property
    def payouts_back_tiyn(self) -> int:
        """Payouts cancelled or returned: owed again."""
        return self.by_kind[OperationKind.PAYOUT_BACK].net_tiyn

    @property
    def movement_tiyn(self) -> int:
        """What the payable moved by in all."""
        return sum(sums.net_tiyn for sums in self.by_kind.values())

    @property
    def direct_fee_tiyn(self) -> int:
        """Fee of direct settlement: not withheld, owed by the merchant."""
        return self.by_kind[OperationKind.DIRECT].fee_tiyn

    @property
    def direct_vat_tiyn(self) -> int:
        """The VAT on ``direct_fee_tiyn``."""
        return self.by_kind[OperationKind.DIRECT].vat_tiyn

    def _withheld(self, line: str) -> int:
        return sum(
            int(getattr(sums, line))
            for kind, sums in self.by_kind.items()
            if kind is not OperationKind.DIRECT
        )


@dataclass(frozen=True, slots=True)
class Register:
    """The register of a merchant's business days ``first`` to ``last``, both included. Balances are what it is owed, in tiyn."""

    merchant: Merchant
    first: date
    last: date
    opening_tiyn: int
    totals: Totals

    @property
    def closing_tiyn(self) -> int:
        """What the operator owed the merchant at the end of ``last``."""
        return self.opening_tiyn + self.totals.movement_tiyn

    @property
    def entry_count(self) -> int:
        """How many operations ``operations`` yields."""
        return sum(sums.count for sums in self.totals.by_kind.values())

    def operations(self) -> Iterator[Operation]:
        """Every operation in the order of posting, read in pieces by one query: a year takes no more memory than a day."""
        return operations(self.merchant, self.first, self.last)


def compile_register(merchant: Merchant, first: date, last: date) -> Register:
    """The register of ``merchant`` for the business days ``first`` to ``last`` with its totals; operations are read on demand.

    Raises:
        ValueError: the period ends before it begins.
    """
    if last < first:
        raise ValueError("a period ends on or after the day it begins")
    return Register(
        merchant=merchant,
        first=first,
        last=last,
        opening_tiyn=-balances.at_close(payable(merchant.pk), first - timedelta(days=1)),
        totals=Totals.of(operations(merchant, first, last)),
    )
