"""The lines that add up: from the opening balance over sales, reversals, refunds, fee and VAT to the closing balance."""

from __future__ import annotations

from dataclasses import dataclass

from settlements.operations import OperationKind
from settlements.register import Totals


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """A line of the summary: the key of its words, a signed amount in tiyn, how many operations, whether it is a sum."""

    key: str
    amount_tiyn: int
    count: int | None = None
    is_sum: bool = False


def summary(opening_tiyn: int, totals: Totals) -> list[SummaryLine]:
    """The lines of a period. Each sum is the opening balance and the signed lines above it, the period's own or all.

    Lines that are usual to nobody (corrections, reversals, payouts that came back) are left out where nothing happened.
    """
    counts = {kind: sums.count for kind, sums in totals.by_kind.items()}
    lines = [
        SummaryLine("opening", opening_tiyn, is_sum=True),
        SummaryLine("gross", totals.gross_tiyn, counts[OperationKind.SALE]),
        SummaryLine("reversed", -totals.reversed_tiyn, counts[OperationKind.SALE_REVERSED]),
        SummaryLine("refunds", -totals.refunds_tiyn, counts[OperationKind.REFUND]),
        SummaryLine("corrections", totals.corrections_tiyn, counts[OperationKind.CORRECTION]),
        SummaryLine("fee", -totals.fee_tiyn),
        SummaryLine("vat", -totals.vat_tiyn),
        SummaryLine("net", totals.net_tiyn, is_sum=True),
        SummaryLine("payouts", -totals.payouts_tiyn, counts[OperationKind.PAYOUT]),
        SummaryLine("payouts_back", totals.payouts_back_tiyn, counts[OperationKind.PAYOUT_BACK]),
        SummaryLine("closing", opening_tiyn + totals.movement_tiyn, is_sum=True),
    ]
    seldom = {"reversed", "corrections", "payouts_back"}
    return [line for line in lines if line.key not in seldom or line.count]


def beside(totals: Totals) -> list[SummaryLine]:
    """What is owed by the merchant besides: the fee of direct settlement and its VAT; nothing where there was none."""
    count = totals.by_kind[OperationKind.DIRECT].count
    if not count:
        return []
    return [
        SummaryLine("direct_fee", totals.direct_fee_tiyn, count),
        SummaryLine("direct_vat", totals.direct_vat_tiyn),
    ]
