"""What a register shows of a merchant's operations besides the ledger's figures: their invoices, rates and transfers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.conf import settings

from chains.models import NetworkKind
from payments import rate_record
from payments.models import Payment, RateObservation, Refund
from payments.rate_paths import DOLLAR, TENGE
from settlements.operation_details import OperationDetails
from settlements.operations import Operation

# The recipes whose tenge were worked out by the invoice's quote; others went by the rate of their own moment.
_BY_QUOTE = {"payment_settled", "payment_settled_reversed"}
_PAYMENT_FIELDS = (
    "pk",
    "invoice_id",
    "invoice__order_id",
    "invoice__store__name",
    "transfer__asset__symbol",
    "transfer__network__name",
    "transfer__network__kind",
    "transfer__txid",
    "transfer__received_at",
    "quote__rate_tenge",
    "quote__rate_sources",
)
_REFUND_FIELDS = ("pk", "payment_id", "outgoing__txid")


class Details:
    """Implements ``settlements.operation_details.DetailsSource``."""

    def details_of(self, operations: Sequence[Operation]) -> dict[int, OperationDetails]:
        """Details by entry: three queries for any number of operations."""
        refunds = _rows(Refund, _REFUND_FIELDS, _numbers(operations, "refund"))
        wanted = _numbers(operations, "payment") | {refund["payment_id"] for refund in refunds.values()}
        payments = _rows(Payment, _PAYMENT_FIELDS, wanted)
        official = _official_rates(operations)
        found: dict[int, OperationDetails] = {}
        for operation in operations:
            kind, _, number = operation.reference.partition(":")
            refund = refunds.get(int(number)) if kind == "refund" and number.isdigit() else None
            payment_id = refund["payment_id"] if refund else int(number) if number.isdigit() else 0
            payment = payments.get(payment_id) if kind in ("payment", "refund") else None
            if payment is not None:
                found[operation.entry_id] = _details(operation, payment, refund, official)
        return found


def _details(
    operation: Operation,
    payment: dict[str, Any],
    refund: dict[str, Any] | None,
    official: Callable[[date], Decimal | None],
) -> OperationDetails:
    by_quote = operation.recipe in _BY_QUOTE and payment["quote__rate_tenge"] is not None
    record = rate_record.read(payment["quote__rate_sources"]) if by_quote else None
    txid = refund["outgoing__txid"] if refund else payment["transfer__txid"]
    return OperationDetails(
        happened_at=None if refund else payment["transfer__received_at"],
        invoice_id=payment["invoice_id"],
        order_id=payment["invoice__order_id"],
        store_name=payment["invoice__store__name"],
        coin_symbol=payment["transfer__asset__symbol"],
        network_name=payment["transfer__network__name"],
        txid=_txid_text(txid, payment["transfer__network__kind"]),
        rate_tenge=payment["quote__rate_tenge"] if by_quote else _effective_rate(operation),
        rate_sources=record.summary if record else "",
        official_rate=record.official.price
        if record and record.official
        else official(operation.business_date),
    )


def _effective_rate(operation: Operation) -> Decimal | None:
    """Tenge for one coin as the entry itself shows it, to the tiyn; half up. None where no coin moved."""
    if operation.coin_minor == 0:
        return None
    units = Fraction(operation.coin_minor, 10**operation.coin_decimals)
    tiyn = Fraction(operation.gross_tiyn) / units
    return Decimal(int(tiyn + Fraction(1, 2))).scaleb(-2)


def _txid_text(txid: bytes | memoryview | None, network_kind: str) -> str:
    if txid is None:
        return ""
    return ("0x" if network_kind == NetworkKind.EVM else "") + bytes(txid).hex()


def _numbers(operations: Iterable[Operation], kind: str) -> set[int]:
    parts = (operation.reference.partition(":") for operation in operations)
    return {int(number) for name, _, number in parts if name == kind and number.isdigit()}


def _rows(model: Any, fields: Sequence[str], numbers: set[int]) -> dict[int, dict[str, Any]]:
    if not numbers:
        return {}
    return {row["pk"]: row for row in model.objects.filter(pk__in=numbers).values(*fields)}


def _official_rates(operations: Sequence[Operation]) -> Callable[[date], Decimal | None]:
    """The official dollar rate of a day, for the days of ``operations``: one query, a row a day."""
    if not operations:
        return lambda _day: None
    days = [operation.business_date for operation in operations]
    # An official rate holds through weekends and holidays; an older one says nothing of a day.
    holds = timedelta(days=settings.RATE_OFFICIAL_DAYS_MAX)
    rows = list(
        RateObservation.objects.filter(
            base=DOLLAR,
            quote=TENGE,
            rate_date__isnull=False,
            requested_date__gte=min(days) - holds,
            requested_date__lte=max(days),
        )
        .order_by("requested_date", "fetched_at")
        .values_list("requested_date", "price")
    )
    known = [requested for requested, _price in rows if requested is not None]

    def of(day: date) -> Decimal | None:
        position = bisect_right(known, day)
        return rows[position - 1][1] if position and day - known[position - 1] <= holds else None

    return of
