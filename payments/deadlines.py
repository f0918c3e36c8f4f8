"""Which invoices to look at again because time passed or a block came. Each is applied in its own database transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from payments import invoices
from payments.models import Invoice, InvoiceStatus, Payment, PaymentStatus

logger = logging.getLogger(__name__)

BATCH = 500


def confirm(network_slug: str | None, *, now: datetime) -> int:
    """Apply every invoice with a payment that still waits for confirmations, on one network or (None) on all.

    Returns how many invoices were looked at.
    """
    waiting = Payment.objects.filter(status=PaymentStatus.PROCESSING)
    if network_slug is not None:
        waiting = waiting.filter(transfer__network_id=network_slug)
    return _apply(
        list(waiting.order_by("invoice_id").values_list("invoice_id", flat=True).distinct()), now=now
    )


def decide_due(*, now: datetime) -> int:
    """Apply invoices past their expiry or monitoring deadline, oldest first; returns how many."""
    due = Invoice.objects.filter(
        Q(status=InvoiceStatus.NEW, expires_at__lte=now)
        | Q(status=InvoiceStatus.PROCESSING, monitoring_expires_at__lte=now)
    ).order_by("expires_at")
    return _apply(list(due.values_list("pk", flat=True)[:BATCH]), now=now)


def _apply(invoice_ids: Iterable[str], *, now: datetime) -> int:
    count = 0
    for invoice_id in invoice_ids:
        try:
            invoices.apply(invoice_id, now=now)
            count += 1
        except Exception:
            # The outermost line for this invoice: the others' deadlines do not wait for whatever is wrong with it.
            logger.exception("invoice not decided, it is looked at again", extra={"invoice": invoice_id})
    return count
