"""One pass over a register: its operations with what is known of them, and what they came to.

Every writer prints the totals of the very rows that it wrote, so that an entry posted meanwhile cannot make them differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

from settlements import operation_details
from settlements.models import Payout
from settlements.operation_details import NOTHING_KNOWN, OperationDetails
from settlements.operations import PAYOUT_KINDS, Operation, OperationKind
from settlements.register import Register, Totals

# Of each, an invoice, a quote with its sources and a transfer are in memory together.
DETAILED_AT_ONCE = 250

# Told how many operations are written, now and then.
Progress = Callable[[int], None]


def no_progress(_done: int) -> None:
    """For whoever is not waiting."""


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """An operation as documents list it: its number from 1, and what the merchant was owed after it, in tiyn."""

    number: int
    operation: Operation
    details: OperationDetails
    balance_tiyn: int
    # The payout that the operation set aside or brought back, where its row is known.
    payout: Payout | None = None

    @property
    def is_payout(self) -> bool:
        """A payout moves what is owed but was not earned or taken off: it stands in a column of its own."""
        return self.operation.kind in PAYOUT_KINDS

    @property
    def is_earned(self) -> bool:
        """Neither a payout nor a direct settlement: its gross less fee and VAT is what it added to what is owed."""
        return not self.is_payout and self.operation.kind is not OperationKind.DIRECT


@dataclass(slots=True)
class Reading:
    """``rows`` may be read once; ``totals``, ``days`` and ``balance_tiyn`` are those of what was read so far."""

    register: Register
    progress: Progress = no_progress
    totals: Totals = field(default_factory=Totals)
    days: dict[date, Totals] = field(default_factory=dict)
    count: int = 0
    balance_tiyn: int = 0

    def __post_init__(self) -> None:
        self.balance_tiyn = self.register.opening_tiyn

    def rows(self) -> Iterator[RegisterRow]:
        """The operations in the order of posting, with details fetched for many at once."""
        source = operation_details.current()
        operations = self.register.operations()
        while batch := list(islice(operations, DETAILED_AT_ONCE)):
            known = source.details_of(batch)
            payouts = payouts_of(batch)
            for operation in batch:
                details = known.get(operation.entry_id, NOTHING_KNOWN)
                yield self._row(operation, details, payouts.get(operation.reference))
            self.progress(self.count)

    def _row(self, operation: Operation, details: OperationDetails, payout: Payout | None) -> RegisterRow:
        self.count += 1
        self.balance_tiyn += operation.net_tiyn
        self.totals.add(operation)
        if operation.business_date not in self.days:
            self.days[operation.business_date] = Totals()
        self.days[operation.business_date].add(operation)
        return RegisterRow(self.count, operation, details, self.balance_tiyn, payout)


def payouts_of(operations: Iterable[Operation]) -> dict[str, Payout]:
    """The payouts that ``operations`` are of, by the ledger's reference; one query, and none where there is no payout."""
    numbers = {
        int(number)
        for kind, _, number in (operation.reference.partition(":") for operation in operations)
        if kind == "payout" and number.isdigit()
    }
    if not numbers:
        return {}
    found = Payout.objects.filter(pk__in=numbers).select_related("batch__servicing_bank")
    return {f"payout:{payout.pk}": payout for payout in found}
