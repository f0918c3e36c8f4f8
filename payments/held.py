"""Money that was received but belongs to no merchant yet: late, partial, too much, twice, or in an asset never asked for.

It stands in the ledger as held for the resident. A person decides about it, once, with a reason: accept it for the merchant
at the current rate, give it back, or leave it; letting it count for an invoice is ``invoices.attach``. The only writer of
HeldDecision rows, besides ``booking``, which reverses a decision when the chain takes the payment away.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from alatau_pay.money import divide_down
from chains import receivers
from chains.models import Network, NetworkKind
from merchants.models import Store, User
from payments import observations, telling
from payments.models import HeldDecision, HeldDecisionKind, Invoice, Payment
from settlements import fees, ledger
from settlements.entries import held_accepted, held_refund_due
from settlements.entry import Entry
from settlements.models import JournalEntry

TIYN_PER_TENGE = 100


class DecisionRefused(Exception):
    """The decision does not fit: nothing is held, somebody decided already, or its reason is missing."""


def waiting(store: Store | None = None) -> QuerySet[Payment]:
    """Payments with money held that nobody has decided about, oldest first: of one store, or of all."""
    standing = HeldDecision.objects.filter(payment=OuterRef("pk"), reversed_at__isnull=True)
    payments = Payment.objects.filter(~Exists(standing), held_minor__gt=0)
    if store is not None:
        payments = payments.filter(invoice__store=store)
    return payments.select_related(
        "invoice__store", "transfer__asset__network", "transfer__deposit_address"
    ).order_by("received_at", "id")


def accept(payment_id: int, *, user: User, reason: str, now: datetime) -> HeldDecision:
    """Credit the merchant with the held money at the current rate, less fee and VAT.

    The value is rounded down to a tiyn; the rounding, less than a tiyn, stays with the operator's position.

    Raises:
        DecisionRefused: see there, also when the money is worth less than a tiyn.
        payments.quoting.RateUnavailable: no price may be used now.
    """
    payment = Payment.objects.select_related("transfer__asset").get(pk=payment_id)
    symbol = payment.transfer.asset.symbol
    tenge = observations.prices({symbol}, now=now)[symbol].tenge
    with transaction.atomic():
        invoice, payment = _lock(payment_id, reason)
        value_tiyn = value_of(payment, tenge)
        if value_tiyn == 0:
            raise DecisionRefused("what is held is worth less than a tiyn")
        merchant_id = invoice.store.merchant_id
        entry = held_accepted(
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
        return _decide(
            invoice, payment, HeldDecisionKind.ACCEPT, entry, user, reason, now, value_tiyn=value_tiyn
        )


def refund(payment_id: int, *, address: str, user: User, reason: str, now: datetime) -> HeldDecision:
    """Owe the held money to the resident: it moves from "held" to "refunds due" until it is sent.

    ``address`` is where the resident wants it, of the network that the payment came on, or empty while it is not known.

    Raises:
        DecisionRefused: see there, also when the address is not one of that network.
    """
    with transaction.atomic():
        invoice, payment = _lock(payment_id, reason)
        address = _receiver(payment.transfer.asset.network, address) if address else ""
        entry = held_refund_due(coin=payment.transfer.asset.asset, refunded_minor=payment.held_minor)
        return _decide(invoice, payment, HeldDecisionKind.REFUND, entry, user, reason, now, address=address)


def leave(payment_id: int, *, user: User, reason: str, now: datetime) -> HeldDecision:
    """Leave the money held, and off the list of what waits; it can still be decided about later.

    Raises:
        DecisionRefused: see there.
    """
    with transaction.atomic():
        invoice, payment = _lock(payment_id, reason)
        return _decide(invoice, payment, HeldDecisionKind.LEAVE, None, user, reason, now)


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


def _receiver(network: Network, address: str) -> str:
    try:
        if network.kind == NetworkKind.BITCOIN:
            return receivers.read_bitcoin(address, network.bitcoin_chain)
        return receivers.read_evm(address)
    except receivers.AddressRefused as error:
        raise DecisionRefused(str(error)) from error


def _lock(payment_id: int, reason: str) -> tuple[Invoice, Payment]:
    if not reason.strip():
        raise DecisionRefused("a decision has a reason")
    invoice_id = Payment.objects.values_list("invoice_id", flat=True).get(pk=payment_id)
    invoice = Invoice.objects.select_for_update(of=("self",)).select_related("store").get(pk=invoice_id)
    payment = (
        Payment.objects.select_for_update(of=("self",))
        .select_related("transfer__asset__network")
        .get(pk=payment_id)
    )
    if payment.invoice_id != invoice_id:
        raise DecisionRefused("the payment was attached to another invoice at this moment")
    if payment.held_minor == 0:
        raise DecisionRefused("nothing of this payment is held")
    standing = payment.held_decisions.filter(reversed_at__isnull=True).first()
    if standing is not None and standing.kind != HeldDecisionKind.LEAVE:
        raise DecisionRefused("somebody decided about this payment already")
    return invoice, payment


def _decide(
    invoice: Invoice,
    payment: Payment,
    kind: HeldDecisionKind,
    entry: Entry | None,
    user: User,
    reason: str,
    now: datetime,
    *,
    value_tiyn: int | None = None,
    address: str = "",
) -> HeldDecision:
    payment.held_decisions.filter(reversed_at__isnull=True).update(reversed_at=now)
    number = payment.held_decisions.count() + 1
    posted: JournalEntry | None = None
    if entry is not None:
        posted = ledger.post(
            entry,
            idempotency_key=f"payment:{payment.pk}:held-decision:{number}",
            reference=f"payment:{payment.pk}",
            now=now,
        )
    decision = HeldDecision.objects.create(
        payment=payment,
        kind=kind,
        amount_minor=payment.held_minor,
        value_tiyn=value_tiyn,
        refund_address=address,
        reason=reason.strip(),
        actor=user,
        decided_at=now,
        ledger_entry=posted,
    )
    detail = {"payment": payment.pk, "amount_minor": str(payment.held_minor), "reason": decision.reason}
    telling.of_decision(invoice, f"HeldMoney{kind}", detail=detail, actor=user, now=now)
    return decision
