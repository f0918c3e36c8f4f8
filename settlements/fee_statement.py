"""The operator's fee for a month, as the fee invoice and the act state it: read from the ledger, by rate of VAT.

The rate is that of the day on which an operation counts; a reversal gives back at the rate of the day that it undoes. So a
month may have lines of two rates: 12 % for what was taken back of December 2025, 16 % for January 2026.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from merchants.models import Merchant
from settlements.fees import FeeUnknown
from settlements.models import VatRate
from settlements.operations import Operation, OperationKind, operations


@dataclass(slots=True)
class FeeLine:
    """The fee at one rate of VAT (hundredths of a per cent), withheld and due; tiyn. ``operation_count`` bore a fee."""

    vat_basis_points: int
    operation_count: int = 0
    fee_tiyn: int = 0
    vat_tiyn: int = 0

    @property
    def total_tiyn(self) -> int:
        """Fee and VAT."""
        return self.fee_tiyn + self.vat_tiyn


@dataclass(slots=True)
class FeeStatement:
    """The fee of a merchant's calendar month. ``due_tiyn`` of it was not withheld (direct settlement) and is to be paid."""

    merchant: Merchant
    first: date
    last: date
    lines: list[FeeLine] = field(default_factory=list)
    due_tiyn: int = 0

    @property
    def number(self) -> str:
        """The number of the month's documents, "2026-11/260140900012": there is one of each kind a merchant and month."""
        return f"{self.first:%Y-%m}/{self.merchant.business_id}"

    @property
    def fee_tiyn(self) -> int:
        """The fee without VAT."""
        return sum(line.fee_tiyn for line in self.lines)

    @property
    def vat_tiyn(self) -> int:
        """The VAT on it."""
        return sum(line.vat_tiyn for line in self.lines)

    @property
    def total_tiyn(self) -> int:
        """Fee and VAT."""
        return self.fee_tiyn + self.vat_tiyn

    @property
    def withheld_tiyn(self) -> int:
        """What was taken off the proceeds already."""
        return self.total_tiyn - self.due_tiyn


def compile_fee_statement(merchant: Merchant, month: date) -> FeeStatement:
    """The fee for the calendar month in Almaty that ``month`` lies in. A month without operations has one line of zeros.

    Raises:
        settlements.fees.FeeUnknown: no rate of VAT is entered for a day that is needed.
    """
    first = month.replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    rate_of = _rates()
    statement = FeeStatement(merchant, first, last)
    lines = _by_rate(operations(merchant, first, last), rate_of, statement)
    if not lines:
        lines[rate_of(last)] = FeeLine(rate_of(last))
    statement.lines = [lines[rate] for rate in sorted(lines, reverse=True)]
    return statement


def _by_rate(
    found: Iterable[Operation], rate_of: Callable[[date], int], statement: FeeStatement
) -> dict[int, FeeLine]:
    lines: dict[int, FeeLine] = {}
    for operation in found:
        if operation.kind is OperationKind.DIRECT:
            # Not what the debt moved by: a payment of an earlier month's fee is no part of this month's.
            statement.due_tiyn += operation.fee_tiyn + operation.vat_tiyn
        if operation.fee_tiyn == 0 and operation.vat_tiyn == 0:
            continue
        rate = rate_of(operation.reversed_date or operation.business_date)
        line = lines.setdefault(rate, FeeLine(rate))
        line.operation_count += 1
        line.fee_tiyn += operation.fee_tiyn
        line.vat_tiyn += operation.vat_tiyn
    return lines


def _rates() -> Callable[[date], int]:
    """The rate of VAT (hundredths of a per cent) of a day, from the dated rows."""
    rows = list(VatRate.objects.order_by("valid_from").values_list("valid_from", "rate_basis_points"))
    starts = [valid_from for valid_from, _rate in rows]

    def of(day: date) -> int:
        position = bisect_right(starts, day)
        if position == 0:
            raise FeeUnknown(f"no VAT rate holds on {day}")
        return rows[position - 1][1]

    return of
