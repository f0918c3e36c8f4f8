"""Refunds in the API, compatible with Greenfield's ``POST …/invoices/{id}/refund``, which answers with a pull payment's data.

A shop's server starts a refund and gets the link for its buyer. Approving one is a person's business, on the dashboard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alatau_pay.api_errors import ApiError, BodyRefused
from alatau_pay.assets import KZT
from alatau_pay.money import AmountError, format_minor, parse_minor
from merchants.api_keys import require
from payments import refund_form, refundable, refunds
from payments.api import MODIFY, VIEW, find_invoice, idempotency_key
from payments.models import Invoice, Payment, Refund, RefundBasis
from payments.quoting import RateUnavailable

# Greenfield's names of how much goes back.
VARIANTS = {
    "RateThen": RefundBasis.THEN,
    "CurrentRate": RefundBasis.NOW,
    "OverpaidAmount": RefundBasis.EXCESS,
    "Custom": RefundBasis.AMOUNT,
}
TEXT_LENGTH_MAX = 300


class InvoiceRefunds(APIView):
    """The refunds of one invoice, and starting one."""

    def get(self, request: Request, store_id: str, invoice_id: str) -> Response:
        """200 with a list, the newest first; with the secret links for a key that may start refunds itself."""
        invoice = find_invoice(require(request, VIEW, store_id), invoice_id)
        rows = Refund.objects.filter(payment__invoice=invoice).select_related(
            "payment__transfer__asset__network", "destination", "outgoing__asset__network"
        )
        holder: Any = request.user  # a KeyHolder: ``require`` let it pass
        may_link = MODIFY in holder.permissions
        return Response([refund_data(refund) | ({} if may_link else {"viewLink": None}) for refund in rows])

    def post(self, request: Request, store_id: str, invoice_id: str) -> Response:
        """200 with the refund; the header Idempotency-Key makes repeating safe.

        Body: refundVariant, paymentMethodId, customAmount, customCurrency, description, paymentId.
        """
        invoice = find_invoice(require(request, MODIFY, store_id), invoice_id)
        if not isinstance(request.data, dict):
            raise BodyRefused([("", "must be a JSON object")])
        asked = _asked(request)
        try:
            refund = _started_once(invoice, request.data, asked=asked, now=timezone.now())
        except refunds.IdempotencyConflict as error:
            raise ApiError("idempotency-conflict", str(error), 409) from error
        return Response(refund_data(refund))


def refund_data(refund: Refund) -> dict[str, Any]:
    """A refund as Greenfield's PullPaymentData, with our own status, address and txid beside it."""
    asset = refund.asset
    return {
        "id": str(refund.pk),
        "name": f"Refund {refund.payment.invoice_id}",
        "description": refund.reason,
        "currency": asset.symbol,
        "amount": format_minor(refund.amount_minor, asset.decimals, trim=True),
        "paymentMethodId": asset.payment_method_id,
        "autoApproveClaims": False,
        "archived": refund.cancelled_at is not None,
        "viewLink": settings.SITE_URL + reverse("refund", args=[refund.link_id]),
        "startsAt": int(refund.requested_at.timestamp()),
        "expiresAt": None,
        "paymentId": str(refund.payment_id),
        "status": refund.status,
        "destination": refund.destination.address if refund.destination else None,
        "transactionId": refund.outgoing.txid_hex if refund.outgoing else None,
    }


def _asked(request: Request) -> refunds.RequestKey | None:
    key = idempotency_key(request)
    # Numbers are exact decimals, which JSON's writer does not know.
    return refunds.RequestKey.of(key, json.dumps(request.data, sort_keys=True, default=str)) if key else None


def _started_once(
    invoice: Invoice, body: dict[str, Any], *, asked: refunds.RequestKey | None, now: datetime
) -> Refund:
    if asked is None:
        return _start(invoice, body, asked=None, now=now)
    # Before the payment is looked for: the first request may have left nothing to give back.
    if standing := refunds.started_by(asked, invoice.pk):
        return standing
    try:
        return _start(invoice, body, asked=asked, now=now)
    except (ApiError, BodyRefused):
        # The first request may have ended in between.
        if standing := refunds.started_by(asked, invoice.pk):
            return standing
        raise


def _start(
    invoice: Invoice, body: dict[str, Any], *, asked: refunds.RequestKey | None, now: datetime
) -> Refund:
    variant = body.get("refundVariant")
    if variant not in VARIANTS:
        raise BodyRefused([("refundVariant", f"must be one of {', '.join(VARIANTS)}")])
    if body.get("subtractPercentage") not in (None, 0, "0"):
        raise BodyRefused([("subtractPercentage", "is not supported: state a customAmount")])
    basis = VARIANTS[variant]
    payment = _payment(invoice, body, basis)
    amounts = _custom(body, payment) if basis == RefundBasis.AMOUNT else {"basis": basis}
    try:
        return refunds.start(
            payment.pk, user=None, reason=_text(body, "description"), now=now, asked=asked, **amounts
        )
    except refunds.RefundRefused as error:
        raise BodyRefused([("refundVariant", str(error))]) from error
    except RateUnavailable as error:
        raise ApiError("rate-unavailable", str(error), 503) from error


def _payment(invoice: Invoice, body: dict[str, Any], basis: RefundBasis) -> Payment:
    """The one payment that the body means; where several could be meant it has to say which."""
    payments: Sequence[Payment] = refund_form.payments_of(invoice.pk)
    if basis == RefundBasis.EXCESS:
        payments = [payment for payment in payments if refundable.held_minor(payment)]
    else:
        payments = [payment for payment in payments if refundable.credited(payment).left.amount_minor]
    # Greenfield's name since 2.0, the one before, and the bare asset code of 1.x clients.
    method = body.get("payoutMethodId") or body.get("paymentMethodId") or body.get("paymentMethod")
    if method is not None:
        code = str(method).removesuffix("-CHAIN")
        payments = [payment for payment in payments if payment.transfer.asset_id == code]
    if (number := body.get("paymentId")) is not None:
        payments = [payment for payment in payments if str(payment.pk) == str(number)]
    if not payments:
        raise ApiError(
            "non-refundable", "No payment of this invoice has anything of this kind to give back", 400
        )
    if len(payments) > 1:
        numbers = ", ".join(str(payment.pk) for payment in payments)
        raise BodyRefused([("paymentId", f"several payments could be meant, name one of {numbers}")])
    return payments[0]


def _custom(body: dict[str, Any], payment: Payment) -> dict[str, Any]:
    """``customAmount`` in tenge (at the rate of then) or in the payment's own coin."""
    asset, currency = payment.transfer.asset, body.get("customCurrency")
    if currency not in (KZT.code, asset.symbol, asset.code):
        raise BodyRefused([("customCurrency", f"must be {KZT.code} or {asset.symbol}")])
    decimals = KZT.decimals if currency == KZT.code else asset.decimals
    try:
        minor = parse_minor(body.get("customAmount"), decimals)
    except AmountError as error:
        raise BodyRefused([("customAmount", str(error))]) from error
    if currency == KZT.code:
        return {"basis": RefundBasis.THEN, "value_tiyn": minor}
    return {"basis": RefundBasis.AMOUNT, "amount_minor": minor}


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX or "\x00" in value:
        raise BodyRefused([(name, f"must be text of at most {TEXT_LENGTH_MAX} characters")])
    return value
