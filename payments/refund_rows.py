"""Rows of a refund, locked in one order by whoever changes them, and what is told of a change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from merchants.models import User
from payments import refundable, telling
from payments.models import Invoice, Payment, Refund


class RefundRefused(Exception):
    """This cannot be done with the refund now. The message is for a person."""


class IdempotencyConflict(Exception):
    """The idempotency key started a refund of this invoice before, by another request."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes starting a refund again harmless: an idempotency key, and the digest of what was asked under it."""

    key: str
    sha256: bytes

    @classmethod
    def of(cls, key: str, request: str) -> Self:
        """The key of a request that is told apart by the text ``request``."""
        return cls(key, hashlib.sha256(request.encode()).digest())


def started_by(asked: RequestKey, invoice_id: str) -> Refund | None:
    """The refund of one of the invoice's payments that this very request started before.

    Raises:
        IdempotencyConflict: another request under the same key did.
    """
    refund = (
        Refund.objects.filter(payment__invoice=invoice_id, idempotency_key=asked.key)
        .select_related("payment__transfer__asset__network", "destination", "outgoing")
        .first()
    )
    if refund is not None and bytes(refund.request_sha256 or b"") != asked.sha256:
        raise IdempotencyConflict("this idempotency key was used for another request")
    return refund


def lock_payment(payment_id: int) -> tuple[Invoice, Payment]:
    """A payment and its invoice, both locked to the end of the database transaction: the invoice first.

    Raises:
        RefundRefused: the payment was moved to another invoice meanwhile.
    """
    invoice_id = Payment.objects.values_list("invoice_id", flat=True).get(pk=payment_id)
    invoice = (
        Invoice.objects.select_for_update(of=("self",)).select_related("store__merchant").get(pk=invoice_id)
    )
    payment = (
        Payment.objects.select_for_update(of=("self",))
        .select_related("transfer__asset__network", "transfer__deposit_address", "quote", "invoice")
        .get(pk=payment_id)
    )
    if payment.invoice_id != invoice_id:
        raise RefundRefused("the payment was attached to another invoice at this moment")
    # One row, one object: what is written to the invoice is then known wherever it is reached from.
    payment.invoice = invoice
    return invoice, payment


def lock(refund_id: int) -> tuple[Invoice, Refund]:
    """A refund and its invoice, locked after its payment.

    Raises:
        RefundRefused: as ``lock_payment``.
    """
    payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
    invoice, payment = lock_payment(payment_id)
    refund = (
        Refund.objects.select_for_update(of=("self",))
        .select_related(
            "destination",
            "outgoing__network",
            "outgoing__asset__network",
            "due_entry",
            "held_decision",
            "sent_entry",
            "network_fee",
        )
        .get(pk=refund_id)
    )
    refund.payment = payment
    return invoice, refund


def require_in_time(payment: Payment, now: datetime) -> None:
    """Return when the payment is young enough for money of it to go back.

    Raises:
        RefundRefused: it is not.
    """
    if not refundable.in_time(payment, now):
        raise RefundRefused("money goes back within 365 days of its payment")


def require_closed(payment: Payment) -> None:
    """Return when held money of ``payment`` does not count for an invoice that its sender is still paying.

    Raises:
        RefundRefused: it does.
    """
    if refundable.counts_still(payment):
        raise RefundRefused("the invoice can still be paid: what was sent for it counts")


def require_buried(refund: Refund) -> None:
    """Return when the payment of ``refund`` can hardly be undone any more.

    Raises:
        RefundRefused: it can.
    """
    if not refundable.is_buried(refund.payment):
        raise RefundRefused(f"the payment of refund {refund.pk} is not deep enough in the chain yet")


def tell(
    invoice: Invoice, refund: Refund, kind: str, *, now: datetime, actor: User | None = None, **more: Any
) -> None:
    """Keep what happened to a refund in the history of its invoice, which is locked. The link's secret is not in it."""
    detail = {
        "refund": refund.pk,
        "amount_minor": str(refund.amount_minor),
        "asset": refund.asset.code,
        **more,
    }
    telling.of_decision(invoice, kind, detail=detail, actor=actor, now=now)


def wallet_of(refund: Refund) -> str:
    """The ledger's word for the wallet that it left: as the chain shows it, else the one that its payment came to."""
    row = refund.outgoing
    if row is not None and row.wallet_id is not None:
        return f"w{row.wallet_id}"
    return f"w{refund.payment.transfer.deposit_address.wallet_id}"
