"""Invoices in the words of the Greenfield API: amounts as decimal text, instants as Unix seconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.urls import reverse

from alatau_pay.money import divide_down, format_minor
from payments import invoices
from payments.models import Invoice, Payment, PaymentStatus, Quote
from payments.presentation import paid_share, remaining_minor, uri_for
from payments.webhook_payloads import payment_data

TIYN_DECIMALS = 2


def from_unix(seconds: int) -> datetime:
    """The instant ``seconds`` after 1970 in UTC."""
    return datetime.fromtimestamp(min(seconds, 253_402_300_799), tz=UTC)


def checkout_url(invoice: Invoice) -> str:
    """The absolute address of the page that a resident pays on."""
    return settings.SITE_URL + reverse("checkout", args=[invoice.pk])


def invoice_data(invoice: Invoice, *, now: datetime) -> dict[str, Any]:
    """InvoiceData. ``monitoringTime`` repeats ``monitoringExpiration`` for the PHP client, which reads that name."""
    monitoring = int(invoice.monitoring_expires_at.timestamp())
    return {
        "id": invoice.pk,
        "storeId": invoice.store_id,
        "amount": format_minor(invoice.amount_tiyn, TIYN_DECIMALS),
        "paidAmount": format_minor(invoice.paid_tiyn, TIYN_DECIMALS, trim=True),
        "currency": "KZT",
        "type": "Standard",
        "checkoutLink": checkout_url(invoice),
        "createdTime": int(invoice.created_at.timestamp()),
        "expirationTime": int(invoice.expires_at.timestamp()),
        "monitoringExpiration": monitoring,
        "monitoringTime": monitoring,
        "status": invoice.status,
        "additionalStatus": invoice.additional_status,
        "availableStatusesForManualMarking": invoices.markable(invoice),
        "archived": invoice.archived,
        "metadata": invoice.metadata,
        "checkout": {
            **invoice.checkout,
            "speedPolicy": invoice.speed_policy,
            "paymentMethods": _methods(invoice),
        },
        "receipt": invoice.receipt,
    }


def payment_methods_data(invoice: Invoice) -> list[dict[str, Any]]:
    """One element a quote, with its payments. Both generations of clients find their own key names."""
    payments = list(
        invoice.payments.select_related("quote", "transfer__asset__network", "transfer__deposit_address")
    )
    share = paid_share(payments)
    quotes = invoice.quotes.select_related("asset__network", "deposit_address")
    return [_method_data(quote, share, [p for p in payments if p.quote_id == quote.pk]) for quote in quotes]


def _method_data(quote: Quote, share: Fraction, payments: Sequence[Payment]) -> dict[str, Any]:
    asset = quote.asset

    def text(minor: int) -> str:
        return format_minor(minor, asset.decimals, trim=True)

    due_minor = remaining_minor(quote, share)
    paid_minor = sum(payment.amount_minor for payment in payments if payment.status != PaymentStatus.INVALID)
    return {
        "paymentMethodId": asset.payment_method_id,
        "paymentMethod": asset.payment_method_id,
        "currency": asset.symbol,
        "destination": quote.deposit_address.address,
        "paymentLink": uri_for(quote, due_minor) if due_minor else "",
        "rate": format(quote.rate_tenge.normalize(), "f"),
        "paymentMethodPaid": text(paid_minor),
        "totalPaid": text(divide_down(share * quote.amount_minor, 1)),
        "due": text(due_minor),
        "amount": text(quote.amount_minor),
        "paymentMethodFee": "0",
        "networkFee": "0",
        "activated": True,
        # How the rate came about: payments.rate_record gives the shape.
        "additionalData": {"rateRecord": quote.rate_sources},
        "payments": [payment_data(payment) for payment in payments],
    }


def _methods(invoice: Invoice) -> list[str]:
    return [quote.asset.payment_method_id for quote in invoice.quotes.all()]
