"""The page for a resident whose payment came short, late, twice or with too much: pay the rest, or ask for the money back."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from payments import held, refund_form, refundable, refunds, reopening, visits
from payments.held_views import WHY
from payments.models import Invoice, InvoiceStatus, Payment
from payments.page_language import language_of
from payments.quoting import RateUnavailable
from payments.refund_wording import refusal, state_words

CLOSED = (InvoiceStatus.EXPIRED, InvoiceStatus.INVALID, InvoiceStatus.SETTLED)


@never_cache
@require_http_methods(["GET", "POST"])
def late(request: HttpRequest, invoice_id: str) -> HttpResponse:
    """What of the invoice's money is held, and what its sender may do; a POST does it. The invoice's link is the key."""
    invoice = get_object_or_404(Invoice.objects.select_related("store__merchant"), pk=invoice_id)
    language = language_of(request, default=invoice.language)
    with translation.override(language):
        typed: dict[str, Any] = {}
        if request.method == "POST":
            done = _do(request, invoice, typed)
            if done:
                return redirect(f"{done}?lang={language}")
        context = {
            "invoice": invoice,
            "shop": invoice.store,
            "language": language,
            "store": None,
            "messages": [],
            "rows": [_row(payment, typed) for payment in _held_payments(invoice)],
            "offer": reopening.offer(invoice, now=timezone.now()),
            "error": typed.get("error", ""),
        }
        response = render(request, "payments/late.html", context, status=422 if typed else 200)
    response["Content-Language"] = language
    return response


def _do(request: HttpRequest, invoice: Invoice, typed: dict[str, Any]) -> str:
    """The address to go on to, or "" with the reason in ``typed``."""
    if not visits.allowed(f"late:{invoice.pk}"):
        typed["error"] = _("Too many tries. Please wait a few minutes.")
        return ""
    if request.POST.get("do") == "pay":
        return _reopen(invoice, typed)
    return _ask_back(request, invoice, typed)


def _reopen(invoice: Invoice, typed: dict[str, Any]) -> str:
    try:
        reopening.reopen(invoice.pk, now=timezone.now())
    except reopening.ReopeningRefused as error:
        typed["error"] = refusal(error)
        return ""
    except RateUnavailable:
        typed["error"] = _("There is no reliable exchange rate at the moment. Please try again in a minute.")
        return ""
    return reverse("checkout", args=[invoice.pk])


def _ask_back(request: HttpRequest, invoice: Invoice, typed: dict[str, Any]) -> str:
    number = request.POST.get("payment", "")
    payment = next((each for each in _held_payments(invoice) if str(each.pk) == number), None)
    form = refund_form.AddressForm(request.POST)
    if payment is None:
        typed["error"] = refusal(refunds.RefundRefused("nothing of this payment is held"))
        return ""
    typed["payment"], typed["form"] = payment.pk, form
    if not form.is_valid():
        return ""
    try:
        refund = refunds.request(payment.pk, address=form.cleaned_data["address"], now=timezone.now())
    except refunds.AddressRefused as error:
        form.add_error("address", refusal(error))
        return ""
    except refunds.RefundRefused as error:
        form.add_error(None, refusal(error))
        return ""
    return reverse("refund", args=[refund.link_id])


def _held_payments(invoice: Invoice) -> list[Payment]:
    payments = invoice.payments.filter(held_minor__gt=0).select_related("quote", "transfer__asset__network")
    return list(payments.order_by("received_at", "id"))


def _row(payment: Payment, typed: dict[str, Any]) -> dict[str, Any]:
    """One payment with money held: why, and where its refund stands. The refund's own link is not shown here."""
    refund = refundable.of_held(payment)
    return {
        "payment": payment,
        "number": str(payment.pk),
        "asset": payment.transfer.asset,
        "why": WHY[held.describe(payment)],
        "refund_words": state_words(refund.status) if refund else "",
        "may_ask": refundable.held_minor(payment) > 0
        and payment.invoice.status in CLOSED
        and refundable.in_time(payment, timezone.now()),
        "form": typed.get("form") if typed.get("payment") == payment.pk else None,
    }
