"""Money that was received but belongs to no merchant yet: late, partial, too much, twice, or in an asset never asked for.

It stands in the ledger as held for the resident. A person decides about it, once, with a reason: accept it for the merchant
at the rate of then or of now, give it back, or leave it; letting it count for an invoice is ``invoices.attach``. The rows are
written by ``held_decisions``; ``booking`` undoes a decision when the chain takes the payment away.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from alatau_pay.money import divide_down
from chains import outgoing
from merchants.models import Store, User
from payments import held_decisions, observations, refund_rows, refundable, refunds
from payments.held_decisions import DecisionRefused
from payments.models import HeldDecision, HeldDecisionKind, Invoice, Payment
from settlements import fees, ledger
from settlements.entries import held_accepted, held_refund_due
from settlements.entry import Entry

TIYN_PER_TENGE = 100
AT_THEN, AT_NOW = "then", "now"

__all__ = [
    "AT_NOW",
    "AT_THEN",
    "DecisionRefused",
    "accept",
    "describe",
    "leave",
    "refund",
    "value_of",
    "waiting",
]


def waiting(store: Store | None = None) -> QuerySet[Payment]:
    """Payments with money held that nobody has decided about, oldest first: of one store, or of all."""
    standing = HeldDecision.objects.filter(payment=OuterRef("pk"), reversed_at__isnull=True)
    payments = Payment.objects.filter(~Exists(standing), held_minor__gt=0)
    if store is not None:
        payments = payments.filter(invoice__store=store)
    return payments.select_related(
        "invoice__store", "transfer__asset__network", "transfer__deposit_address"
    ).order_by("received_at", "id")


def accept(payment_id: int, *, user: User, reason: str, now: datetime, rate: str = AT_NOW) -> HeldDecision:
    """Credit the merchant with the held money, less fee and VAT, at the rate of now or (``AT_THEN``) of the quote.

    The value is rounded down to a tiyn; the rounding, less than a tiyn, stays with the operator's position. What the resident
    may have asked for back is called off.

    Raises:
        DecisionRefused: see there, also when the money is worth less than a tiyn, or was never quoted and ``rate`` is of then.
        payments.quoting.RateUnavailable: no price may be used now.
    """
    if rate not in (AT_THEN, AT_NOW):
        raise DecisionRefused("held money is accepted at the rate of then or of now")
    tenge = _tenge_now(payment_id, now=now) if rate == AT_NOW else None
    with transaction.atomic():
        invoice, payment = held_decisions.lock(payment_id, reason=reason)
        value_tiyn = (
            refundable.value_then(payment, payment.held_minor) if tenge is None else value_of(payment, tenge)
        )
        if value_tiyn == 0:
            raise DecisionRefused("what is held is worth less than a tiyn, or has no rate of then")
        refunds.drop_request(payment, user=user, now=now)
        entry = _accepted(invoice, payment, value_tiyn, now=now)
        return held_decisions.write(
            invoice,
            payment,
            HeldDecisionKind.ACCEPT,
            entry,
            user=user,
            reason=reason,
            now=now,
            value_tiyn=value_tiyn,
        )


def refund(payment_id: int, *, address: str, user: User, reason: str, now: datetime) -> HeldDecision:
    """Owe the held money to the resident, and make the refund by which it is sent (``HeldDecision.refund``).

    ``address`` is where the resident wants it, of the network that the payment came on; empty while it is not known: then
    the refund's link asks the resident for it, or it is where the resident asked for it already, which is yet to be approved.

    Raises:
        DecisionRefused: see there, also when the address is none that it can be sent to, the payment is too old, or its
            invoice can still be paid.
    """
    with transaction.atomic():
        invoice, payment = held_decisions.lock(payment_id, reason=reason)
        try:
            refund_rows.require_in_time(payment, now)
            refund_rows.require_closed(payment)
            if address:
                address = outgoing.watch(payment.transfer.asset.network, address, now=now).address
            entry = held_refund_due(coin=payment.transfer.asset.asset, refunded_minor=payment.held_minor)
            decision = held_decisions.write(
                invoice,
                payment,
                HeldDecisionKind.REFUND,
                entry,
                user=user,
                reason=reason,
                now=now,
                address=address,
            )
            refunds.of_decision(invoice, decision, address=address, user=user, now=now)
        except (refunds.RefundRefused, refunds.AddressRefused) as error:
            raise DecisionRefused(str(error)) from error
        return decision


def leave(payment_id: int, *, user: User, reason: str, now: datetime) -> HeldDecision:
    """Leave the money held, and off the list of what waits; it can still be decided about later.

    Raises:
        DecisionRefused: see there.
    """
    with transaction.atomic():
        invoice, payment = held_decisions.lock(payment_id, reason=reason)
        return held_decisions.write(
            invoice, payment, HeldDecisionKind.LEAVE, None, user=user, reason=reason, now=now
        )


def value_of(payment: Payment, tenge: Decimal) -> int:
    """Tiyn that the held part of ``payment`` is worth at ``tenge`` a unit, rounded down."""
    units = Fraction(payment.held_minor, payment.transfer.asset.asset.minor_per_unit)
    return divide_down(units * Fraction(tenge) * TIYN_PER_TENGE, 1)


def describe(payment: Payment) -> str:
    """Why the money is held: "late", "partial", "excess", "duplicate" or "unknown asset"."""
    if payment.quote_id is None:
        return "unknown asset"
    if payment.booked_as != "held":
        return "excess"
    if payment.received_at > payment.invoice.expires_at:
        return "late"
    return "duplicate" if payment.invoice.status == "Settled" else "partial"


def _tenge_now(payment_id: int, *, now: datetime) -> Decimal:
    payment = Payment.objects.select_related("transfer__asset").get(pk=payment_id)
    symbol = payment.transfer.asset.symbol
    return observations.prices({symbol}, now=now)[symbol].tenge


def _accepted(invoice: Invoice, payment: Payment, value_tiyn: int, *, now: datetime) -> Entry:
    merchant_id = invoice.store.merchant_id
    return held_accepted(
        merchant_id=merchant_id,
        coin=payment.transfer.asset.asset,
        accepted_minor=payment.held_minor,
        gross_tiyn=value_tiyn,
        fee=fees.fee_for(
            merchant_id=merchant_id,
            asset_code=payment.transfer.asset_id,
            gross_tiyn=value_tiyn,
            on=ledger.business_date(now),
        ),
    )
