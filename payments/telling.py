"""Telling what happened to an invoice: its history, the webhooks' outbox, and whoever watches its page.

All in the database transaction of what happened; each event has a key of its own, so it is told once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from merchants import webhooks
from merchants.models import User, WebhookEventType
from payments import live_channel
from payments.models import Invoice, InvoiceEvent, Payment
from payments.webhook_payloads import of_invoice, of_payment


def of_change(invoice: Invoice, event_type: str, *, before: str, actor: User | None, now: datetime) -> None:
    """A move of the invoice itself, whose status was ``before``."""
    detail = {"paid_tiyn": str(invoice.paid_tiyn)}
    _remember(invoice, event_type, before=before, actor=actor, detail=detail, now=now)
    key = f"invoice:{invoice.pk}:{invoice.revision}:{event_type}"
    _record(invoice, event_type, key, of_invoice(invoice, event_type), now=now)


def of_received(invoice: Invoice, payment: Payment, *, now: datetime) -> None:
    """A payment that was just matched; the invoice's row is locked."""
    detail = {
        "txid": payment.transfer.txid_hex,
        "asset": payment.transfer.asset_id,
        "amount_minor": str(payment.amount_minor),
    }
    _remember_anew(invoice, WebhookEventType.RECEIVED_PAYMENT, detail=detail, now=now)
    key = f"payment:{payment.pk}:received"
    _record(invoice, WebhookEventType.RECEIVED_PAYMENT, key, of_payment(invoice, payment), now=now)


def of_settled(invoice: Invoice, payment: Payment, *, now: datetime) -> None:
    """A payment that is settled now. Its number of bookings tells a return after a reorganisation from the first time."""
    key = f"payment:{payment.pk}:settled:{payment.bookings}"
    _record(invoice, WebhookEventType.PAYMENT_SETTLED, key, of_payment(invoice, payment), now=now)


def of_invalid(invoice: Invoice, payment: Payment, *, now: datetime) -> None:
    """A payment that was told of and is not in the chain any more. It may return and leave again, each told once."""
    detail = {"txid": payment.transfer.txid_hex, "reason": payment.reason}
    _remember_anew(invoice, WebhookEventType.PAYMENT_INVALID, detail=detail, now=now)
    key = f"payment:{payment.pk}:invalid:{invoice.revision}"
    _record(invoice, WebhookEventType.PAYMENT_INVALID, key, of_payment(invoice, payment), now=now)


def of_refund(invoice: Invoice, refund_id: int, *, now: datetime) -> None:
    """A refund that was just started; Greenfield's word for its number is that of a pull payment."""
    payload = {"metadata": invoice.metadata, "pullPaymentId": str(refund_id)}
    key = f"refund:{refund_id}:started"
    _record(invoice, WebhookEventType.REFUND, key, payload, now=now)


def of_decision(
    invoice: Invoice, kind: str, *, detail: dict[str, Any], actor: User | None, now: datetime
) -> None:
    """What a person decided about money of this invoice: in its history only, the shop's server has no word for it."""
    _remember_anew(invoice, kind, detail=detail, actor=actor, now=now)


def _remember_anew(
    invoice: Invoice, kind: str, *, detail: dict[str, Any], now: datetime, actor: User | None = None
) -> None:
    """Something that happens beside the invoice's status, under a revision of its own; its page looks again."""
    invoice.revision += 1
    invoice.save(update_fields=["revision"])
    _remember(invoice, kind, before=invoice.status, actor=actor, detail=detail, now=now)
    live_channel.announce(invoice.pk)


def _remember(
    invoice: Invoice, kind: str, *, before: str, actor: User | None, detail: dict[str, Any], now: datetime
) -> None:
    InvoiceEvent.objects.create(
        invoice=invoice,
        revision=invoice.revision,
        at=now,
        kind=kind,
        from_status=before,
        to_status=invoice.status,
        additional_status=invoice.additional_status,
        actor=actor,
        detail=detail,
    )


def _record(invoice: Invoice, event_type: str, key: str, payload: dict[str, Any], *, now: datetime) -> None:
    webhooks.record(
        store=invoice.store,
        event_type=event_type,
        event_key=key,
        invoice_id=invoice.pk,
        payload=payload,
        now=now,
    )
