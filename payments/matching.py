"""Matching transfers to invoices.

Transfers that changed carry ``pending_match``; that flag is the queue. Each is claimed with SKIP LOCKED in a database
transaction of its own, so several matchers share the work, and its flag falls together with what followed from it.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from chains.models import Transfer
from chains.outgoing_batches import CHANGE_PURPOSE
from payments import invoices
from payments.models import Invoice, Payment, Quote, UnclaimedTransfer

logger = logging.getLogger(__name__)


def match_pending(*, now: datetime) -> int:
    """Match every transfer that is waiting; returns how many were matched.

    A transfer that cannot be matched because of a fault is logged and stays in the queue; the others go on.
    """
    waiting = Transfer.objects.filter(pending_match=True).order_by("id").values_list("pk", flat=True)
    matched = 0
    for transfer_id in list(waiting):
        try:
            matched += _match_one(transfer_id, now=now)
        except Exception:
            # The outermost line for this transfer: whatever is wrong with it must not hold up everybody else's money.
            logger.exception("transfer not matched, it stays in the queue", extra={"transfer": transfer_id})
    return matched


def unclaimed() -> QuerySet[UnclaimedTransfer]:
    """Transfers that were looked at and belong to no invoice; a person has to find out whose they are."""
    # What an own payment gave back as change is nobody's (chains.outgoing_batches).
    unmatched = UnclaimedTransfer.objects.filter(payment__isnull=True, pending_match=False)
    return unmatched.exclude(deposit_address__purpose__startswith=CHANGE_PURPOSE)


@transaction.atomic
def _match_one(transfer_id: int, *, now: datetime) -> bool:
    transfer = (
        Transfer.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        .select_related("deposit_address", "asset__network", "network")
        .filter(pk=transfer_id, pending_match=True)
        .first()
    )
    if transfer is None:
        return False
    invoice = Invoice.objects.filter(pk=transfer.deposit_address.purpose).first()
    if invoice is not None:
        _credit(invoice, transfer, now=now)
    Transfer.objects.filter(pk=transfer_id).update(pending_match=False)
    return True


def _credit(invoice: Invoice, transfer: Transfer, *, now: datetime) -> None:
    payment, is_new = Payment.objects.get_or_create(
        transfer=transfer,
        defaults={
            "invoice": invoice,
            "quote": _quote(invoice, transfer),
            "amount_minor": transfer.amount_minor,
            "value_tiyn": 0,
            "received_at": transfer.received_at,
        },
    )
    if is_new:
        invoices.receive(invoice.pk, payment, now=now)
    elif payment.amount_minor != transfer.amount_minor:
        invoices.correct_amount(payment, amount_minor=transfer.amount_minor, now=now)
    else:
        invoices.apply(payment.invoice_id, now=now)


def _quote(invoice: Invoice, transfer: Transfer) -> Quote | None:
    """The quote that held when the transfer came: the newest one made before it; the first one if none was."""
    quotes = Quote.objects.filter(invoice=invoice, asset=transfer.asset)
    held = quotes.filter(created_at__lte=transfer.received_at).order_by("-created_at").first()
    return held or quotes.order_by("created_at").first()
