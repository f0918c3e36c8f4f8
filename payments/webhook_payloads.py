"""The parts of a webhook's body that depend on the event, in the words of the Greenfield API."""

from __future__ import annotations

from typing import Any

from alatau_pay.money import format_minor
from merchants.models import WebhookEventType
from payments.models import AdditionalStatus, Invoice, Payment, PaymentStatus


def of_invoice(invoice: Invoice, event_type: str) -> dict[str, Any]:
    """What an event of the invoice itself adds to the body."""
    extra: dict[str, Any] = {"metadata": invoice.metadata}
    marked = invoice.additional_status == AdditionalStatus.MARKED
    over = invoice.additional_status == AdditionalStatus.PAID_OVER
    if event_type == WebhookEventType.SETTLED:
        extra |= {"manuallyMarked": marked, "overPaid": over}
    elif event_type == WebhookEventType.PROCESSING:
        extra |= {"overPaid": over}
    elif event_type == WebhookEventType.INVALID:
        extra |= {"manuallyMarked": marked}
    elif event_type == WebhookEventType.EXPIRED:
        extra |= {"partiallyPaid": invoice.additional_status == AdditionalStatus.PAID_PARTIAL}
    return extra


def of_payment(invoice: Invoice, payment: Payment) -> dict[str, Any]:
    """What an event of one payment adds to the body."""
    return {
        "metadata": invoice.metadata,
        "afterExpiration": payment.received_at > invoice.expires_at,
        "paymentMethodId": payment.transfer.asset.payment_method_id,
        "payment": payment_data(payment),
    }


def payment_data(payment: Payment) -> dict[str, Any]:
    """A payment as the API shows it. ``id`` is "<txid>-<index>"; ``value`` is decimal text of the asset."""
    transfer = payment.transfer
    return {
        "id": f"{transfer.txid_hex}-{transfer.index}",
        "receivedDate": int(payment.received_at.timestamp()),
        "value": format_minor(payment.amount_minor, transfer.asset.decimals, trim=True),
        "fee": "0",
        "status": "Invalid" if payment.status == PaymentStatus.INVALID else payment.status,
        "destination": transfer.deposit_address.address,
    }
