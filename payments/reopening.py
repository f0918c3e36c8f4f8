"""Opening an expired invoice again for what is still due, at a fresh price: for a resident who paid short or late.

The store's monitoring time says how long it allows this. What came late counts from then on at the fresh quote, so neither the
store nor the resident gains by having waited; what came in time keeps its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from django.db import transaction

from alatau_pay.assets import KZT
from alatau_pay.money import divide_up, format_minor
from compliance.admission import NotAdmitted
from merchants import stores
from payments import invoices, refundable, telling, terms
from payments.facts import invoice_fact
from payments.held_decisions import standing
from payments.invoice_request import parse_request
from payments.models import HeldDecisionKind, Invoice, InvoiceStatus, Payment, PaymentStatus, Quote
from payments.quoting import RateUnavailable, amount_due_minor
from payments.terms import MethodRefused, Terms

# A monitoring time that ends soon must not be drawn out for ever, one payment time after another.
REOPENINGS_MAX = 5
EVENT = "InvoiceReopened"


class ReopeningRefused(Exception):
    """The invoice cannot be opened again. The message is for a person."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What opening again would mean at this moment: tiyn that would still be due (0: what came is enough for the store)."""

    due_tiyn: int


def offer(invoice: Invoice, *, now: datetime) -> Offer | None:
    """What a resident can be offered; None where the invoice cannot be opened again, or has no price now."""
    try:
        payments = _counted(invoice, now=now)
        offered = _terms(invoice, payments, now=now)
    except (ReopeningRefused, RateUnavailable):
        return None
    fresh = {term.asset.pk: _amount(invoice, term) for term in offered}
    share = sum((_share(invoice, payment, fresh) for payment in payments), Fraction(0))
    if share * invoice.amount_tiyn >= invoice_fact(invoice).enough_tiyn:
        return Offer(0)
    return Offer(divide_up((1 - share) * invoice.amount_tiyn, 1))


def reopen(invoice_id: str, *, now: datetime) -> Invoice:
    """Open the invoice for the store's usual time, with a fresh quote in each of its assets, and decide it anew.

    Raises:
        ReopeningRefused: not expired, nothing counts, too late, too often, or its money goes back.
        payments.quoting.RateUnavailable: no price may be quoted now.
    """
    standing_invoice = Invoice.objects.select_related("store__merchant").get(pk=invoice_id)
    offered = _terms(standing_invoice, _counted(standing_invoice, now=now), now=now)
    with transaction.atomic():
        invoice = (
            Invoice.objects.select_for_update(of=("self",))
            .select_related("store__merchant")
            .get(pk=invoice_id)
        )
        payments = _counted(invoice, now=now)
        expired_at = invoice.expires_at
        invoice.expires_at = now + timedelta(minutes=invoice.store.invoice_minutes)
        invoice.monitoring_expires_at = max(invoice.monitoring_expires_at, invoice.expires_at)
        invoice.save(update_fields=["expires_at", "monitoring_expires_at"])
        quotes = {}
        # In the order of their ids, as when an invoice is made.
        for position, term in sorted(enumerate(offered), key=lambda pair: pair[1].wallet.pk):
            quotes[term.asset.pk] = terms.write_quote(invoice, term, position=position, now=now)
        for payment in payments:
            if _is_late(payment, expired_at):
                _value_anew(payment, quotes, now=now)
        detail = {"until": invoice.expires_at.isoformat()}
        telling.of_decision(invoice, EVENT, detail=detail, actor=None, now=now)
        return invoices.apply(invoice.pk, now=now)


def _counted(invoice: Invoice, *, now: datetime) -> list[Payment]:
    """The payments that would count, where the invoice may be opened at all.

    Raises:
        ReopeningRefused: see ``reopen``.
    """
    if invoice.status != InvoiceStatus.EXPIRED or invoice.marked_status:
        raise ReopeningRefused("only an invoice whose time is over can be opened again")
    if now >= invoice.monitoring_expires_at or not stores.is_trading(invoice.store):
        raise ReopeningRefused("the store does not wait for this invoice any more")
    if invoice.events.filter(kind=EVENT).count() >= REOPENINGS_MAX:
        raise ReopeningRefused("this invoice was opened too often")
    payments = list(
        invoice.payments.exclude(status=PaymentStatus.INVALID)
        .filter(quote__isnull=False)
        .select_related("quote", "transfer__asset")
        .order_by("received_at", "id")
    )
    if not payments:
        raise ReopeningRefused("nothing that counts has been paid")
    for payment in payments:
        decision = standing(payment)
        if refundable.live(payment).exists() or (
            decision is not None and decision.kind != HeldDecisionKind.LEAVE
        ):
            raise ReopeningRefused("its money goes back, or was decided about already")
    return payments


def _terms(invoice: Invoice, payments: list[Payment], *, now: datetime) -> list[Terms]:
    """Fresh terms in the assets that the invoice was quoted in, as far as its store and the city still take them."""
    accepted = invoice.store.accepted_assets
    quoted = list(invoice.quotes.order_by("position").values_list("asset_id", flat=True))
    codes = [code for code in dict.fromkeys(quoted) if code in accepted]
    if not codes:
        raise ReopeningRefused("none of its assets can be paid with at the moment")
    request = parse_request(
        {"amount": format_minor(invoice.amount_tiyn, KZT.decimals), "checkout": {"paymentMethods": codes}}
    )
    try:
        offered = terms.of(request, store=invoice.store, now=now)
    except (MethodRefused, NotAdmitted) as error:
        raise ReopeningRefused("none of its assets can be paid with at the moment") from error
    missing = {payment.transfer.asset_id for payment in payments if _is_late(payment, invoice.expires_at)} - {
        term.asset.pk for term in offered
    }
    if missing:
        raise ReopeningRefused("none of its assets can be paid with at the moment")
    return offered


def _is_late(payment: Payment, expires_at: datetime) -> bool:
    return payment.accepted_at is None and payment.received_at > expires_at


def _share(invoice: Invoice, payment: Payment, fresh: dict[str, int]) -> Fraction:
    """The part of the invoice that ``payment`` would pay: late money at the fresh amounts due, other money at its quote's."""
    assert payment.quote is not None  # only such are counted
    late = _is_late(payment, invoice.expires_at)
    quoted = fresh[payment.transfer.asset_id] if late else payment.quote.amount_minor
    return Fraction(payment.amount_minor, quoted)


def _amount(invoice: Invoice, term: Terms) -> int:
    asset = term.asset
    return amount_due_minor(
        invoice.amount_tiyn, term.price.tenge, decimals=asset.decimals, quote_decimals=asset.quote_decimals
    )


def _value_anew(payment: Payment, quotes: dict[str, Quote], *, now: datetime) -> None:
    payment.quote, payment.accepted_at = quotes[payment.transfer.asset_id], now
    payment.save(update_fields=["quote", "accepted_at"])
