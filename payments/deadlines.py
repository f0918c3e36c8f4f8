"""Which invoices to look at again because time passed or a block came. Each is applied in its own database transaction."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from chains.models import Network, TransferState
from payments import invoices, turn
from payments.models import Invoice, InvoiceStatus, Payment, PaymentStatus

logger = logging.getLogger(__name__)

BATCH = 500
# Where blocks come faster than invoices can be applied, the next wake-up or beat goes on.
CONFIRM_AGAIN_MAX = 10


def confirm(network_slug: str | None, *, now: datetime) -> int:
    """Apply every invoice with a payment in a block that still waits for confirmations, on one network or (None) on all.

    Returns how many invoices were looked at, 0 when somebody else is at it: every block asks for this, and two at once would
    only wait for each other's rows while the matcher waits for both. Whoever is at it looks again when a block came meanwhile.
    A payment in no block waits for its transfer to change, which matching applies.
    """
    with turn.taken(f"confirm {network_slug}") as is_ours:
        if not is_ours:
            return 0
        count, applied_at = 0, None
        for _ in range(CONFIRM_AGAIN_MAX):
            heights = _heights(network_slug)
            if heights == applied_at:
                break
            count += _apply(_waiting(network_slug), now=now)
            applied_at = heights
        return count


def _heights(network_slug: str | None) -> list[tuple[str, int | None, int | None]]:
    networks = Network.objects.order_by("slug")
    if network_slug is not None:
        networks = networks.filter(slug=network_slug)
    return list(networks.values_list("slug", "cursor_height", "final_height"))


def _waiting(network_slug: str | None) -> list[str]:
    waiting = Payment.objects.filter(status=PaymentStatus.PROCESSING, transfer__state=TransferState.MINED)
    if network_slug is not None:
        waiting = waiting.filter(transfer__network_id=network_slug)
    return list(waiting.order_by("invoice_id").values_list("invoice_id", flat=True).distinct())


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
