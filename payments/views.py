"""The checkout page: what a resident's phone shows. No log-in, no cookie; an unguessable identifier is the only key."""

from __future__ import annotations

import re

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone, translation
from django.views.decorators.http import require_safe

from payments import qr
from payments.checkout_page import page_context
from payments.models import Invoice, Quote
from payments.page_language import language_of
from payments.presentation import present, status_of, uri_for

_AMOUNT_MINOR = re.compile(r"^[1-9][0-9]{0,77}$", re.ASCII)


@require_safe
def checkout(request: HttpRequest, invoice_id: str) -> HttpResponse:
    """The page a resident pays on, in the invoice's language or the one asked for by ``?lang=``."""
    invoice = get_object_or_404(Invoice.objects.select_related("store__merchant"), pk=invoice_id)
    language = language_of(request, default=invoice.language)
    with translation.override(language):
        shown = present(invoice, now=timezone.now())
        context = page_context(shown, asset_code=request.GET.get("asset", ""))
        response = render(request, "payments/checkout.html", context | {"language": language})
    response["Content-Language"] = language
    response["Cache-Control"] = "no-store"
    return response


@require_safe
def checkout_status(request: HttpRequest, invoice_id: str) -> HttpResponse:
    """The public state as JSON, for pages that the live server does not reach."""
    invoice = get_object_or_404(Invoice, pk=invoice_id)
    return JsonResponse(status_of(invoice, timezone.now()), headers={"Cache-Control": "no-store"})


@require_safe
def checkout_qr(request: HttpRequest, invoice_id: str, quote_id: int) -> HttpResponse:
    """The QR picture of a quote's payment URI, for the amount ``?due=`` (smallest units) or the quote's whole amount.

    The address says everything that the picture shows, so it may be kept for ever.
    """
    quotes = Quote.objects.select_related("asset__network", "deposit_address")
    quote = get_object_or_404(quotes, pk=quote_id, invoice_id=invoice_id)
    amount_minor = _due_minor(request.GET.get("due"), quote)
    return HttpResponse(
        qr.png(uri_for(quote, amount_minor)),
        content_type="image/png",
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


def _due_minor(text: str | None, quote: Quote) -> int:
    if text is None:
        return quote.amount_minor
    if not _AMOUNT_MINOR.match(text) or int(text) > quote.amount_minor:
        raise Http404("no such amount is due")
    return int(text)
