"""What of a payment may still go back, read from its booking, the decisions about it and the refunds that it has."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.db.models import Sum as SumOf

from chains import confirmations
from payments.held_decisions import standing
from payments.lifecycle import Booking
from payments.models import HeldDecisionKind, InvoiceStatus, Payment, Refund, RefundSource, RefundStatus
from payments.refund_amounts import Credited, Sum

# Counted from the moment the payment came; held by the database as well (migration 0007).
PERIOD = timedelta(days=365)
# An invoice's statuses in which what was sent for it counts, and more can come.
OPEN = (InvoiceStatus.NEW, InvoiceStatus.PROCESSING)


def credited(payment: Payment) -> Credited:
    """What the merchant was credited with for ``payment``, held money that was accepted included, and what goes back of it."""
    booking = Booking.parse(payment.booked_as)
    amount_minor, value_tiyn = booking.credited_minor, booking.credited_tiyn
    decision = standing(payment)
    if decision is not None and decision.kind == HeldDecisionKind.ACCEPT:
        amount_minor += decision.amount_minor
        value_tiyn += decision.value_tiyn or 0
    return Credited(amount_minor, value_tiyn, _given(payment))


def held_minor(payment: Payment) -> int:
    """Smallest units that are held of ``payment`` and that nobody accepted, gave back, or is giving back."""
    decision = standing(payment)
    if decision is not None and decision.kind != HeldDecisionKind.LEAVE:
        return 0
    return 0 if of_held(payment) else payment.held_minor


def of_held(payment: Payment) -> Refund | None:
    """The refund of its held money that stands, in whatever state; the database lets there be one."""
    return live(payment).filter(source=RefundSource.HELD).first()


def live(payment: Payment) -> QuerySet[Refund]:
    """The refunds of ``payment`` that were not called off."""
    return payment.refunds.exclude(status=RefundStatus.CANCELLED)


def in_time(payment: Payment, now: datetime) -> bool:
    """Whether money of ``payment`` may go back at all, by its age."""
    return now <= payment.received_at + PERIOD


def is_buried(payment: Payment) -> bool:
    """Whether ``payment`` lies as deep as its network's low speed asks, however early its store took it for paid.

    What is sent back does not return when its payment is double-spent.
    """
    network = payment.transfer.asset.network
    return confirmations.enough(payment.transfer, network, network.confirmations_low_speed)


def counts_still(payment: Payment) -> bool:
    """Whether ``payment`` counts for an invoice that can still be paid: its sender was told so, and pays the rest alone."""
    return payment.quote_id is not None and payment.invoice.status in OPEN


def value_then(payment: Payment, amount_minor: int) -> int:
    """Tiyn that ``amount_minor`` of the payment was worth at its quote, rounded down; 0 where its asset was never quoted."""
    if payment.quote is None:
        return 0
    return payment.invoice.amount_tiyn * amount_minor // payment.quote.amount_minor


def _given(payment: Payment) -> Sum:
    refunds = live(payment).filter(source=RefundSource.CREDITED)
    given = refunds.aggregate(amount=SumOf("amount_minor"), value=SumOf("value_tiyn"))
    return Sum(int(given["amount"] or 0), given["value"] or 0)
