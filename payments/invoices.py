"""Invoices: making them, and the only writer of their and their payments' status.

``apply`` locks the invoice, reads everything that bears on it, lets ``lifecycle.decide`` say what follows, and writes
status, payments, ledger entries, events and webhooks in that one database transaction.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from chains import addresses
from chains.models import OnChainAsset, Wallet
from compliance import admission
from merchants import stores, webhooks
from merchants.models import Store, User, WebhookEventType
from payments import booking, lifecycle, live_channel, observations
from payments.facts import Facts, gather
from payments.invoice_request import InvoiceRequest
from payments.models import Incident, Invoice, InvoiceEvent, InvoiceStatus, Payment, PaymentStatus, Quote
from payments.quoting import Price, amount_due_minor
from payments.webhook_payloads import of_invoice, of_payment

logger = logging.getLogger(__name__)

MARKS = (InvoiceStatus.SETTLED, InvoiceStatus.INVALID)


class StoreNotTrading(Exception):
    """The store is archived or its merchant is not approved: it makes no invoices."""


class IdempotencyConflict(Exception):
    """The idempotency key was used before with another request."""


class MethodRefused(Exception):
    """A payment method was asked for that the store does not accept or the city does not admit."""


class MarkRefused(Exception):
    """The invoice cannot be marked so now."""


@dataclass(frozen=True, slots=True)
class Terms:
    """One asset that a new invoice can be paid with: its row, its price, and the wallet that receives it."""

    asset: OnChainAsset
    price: Price
    wallet: Wallet


def create(
    request: InvoiceRequest,
    *,
    store: Store,
    source: str,
    now: datetime,
    idempotency_key: str | None = None,
    user: User | None = None,
) -> Invoice:
    """A new invoice with a quote and a deposit address for each asset, all committed before it is returned.

    The same key and request again returns the invoice that was made first.

    Raises:
        StoreNotTrading, IdempotencyConflict, MethodRefused, compliance.admission.NotAdmitted: nothing was written.
        payments.quoting.RateUnavailable: no price may be quoted now; nothing was written.
    """
    if not stores.is_trading(store):
        raise StoreNotTrading("this store makes no invoices: it is archived, or its merchant is not approved")
    if idempotency_key and (standing := _standing(store, idempotency_key, request)):
        return standing
    terms = _terms(request, store=store, now=now)
    try:
        with transaction.atomic():
            return _write(
                request,
                terms,
                store=store,
                source=source,
                idempotency_key=idempotency_key,
                user=user,
                now=now,
            )
    except IntegrityError:
        # Two requests with one key raced: the loser answers with the winner's invoice.
        if idempotency_key and (standing := _standing(store, idempotency_key, request)):
            return standing
        raise


def receive(invoice_id: str, payment: Payment, *, now: datetime) -> Invoice:
    """Tell of a payment that was just matched, then apply; in the matcher's database transaction."""
    with transaction.atomic():
        invoice = Invoice.objects.select_for_update().select_related("store").get(pk=invoice_id)
        _tell_received(invoice, payment, now=now)
        _apply_locked(invoice, now=now, actor=None)
    return invoice


def apply(invoice_id: str, *, now: datetime) -> Invoice:
    """Recompute the invoice from all its payments and write what changed, once.

    Guarantees: status, ledger, events and webhooks change together or not at all; applying again changes nothing.
    """
    with transaction.atomic():
        invoice = Invoice.objects.select_for_update().select_related("store").get(pk=invoice_id)
        _apply_locked(invoice, now=now, actor=None)
    return invoice


def mark(invoice_id: str, *, status: str, user: User | None, now: datetime) -> Invoice:
    """A person's word: the invoice counts as Settled or Invalid whatever its payments say.

    Raises:
        MarkRefused: the status is neither, or the invoice stands so already without a person's word.
    """
    if status not in MARKS:
        raise MarkRefused("an invoice can be marked Settled or Invalid")
    with transaction.atomic():
        invoice = Invoice.objects.select_for_update().select_related("store").get(pk=invoice_id)
        if status not in markable(invoice):
            raise MarkRefused(f"an invoice that is {invoice.status} cannot be marked {status}")
        invoice.marked_status = status
        invoice.save(update_fields=["marked_status"])
        _apply_locked(invoice, now=now, actor=user)
    return invoice


def markable(invoice: Invoice) -> list[str]:
    """The statuses that a person may give this invoice now."""
    if invoice.marked_status:
        return [str(status) for status in MARKS if status != invoice.marked_status]
    if invoice.status == InvoiceStatus.SETTLED:
        return []
    if invoice.status == InvoiceStatus.INVALID:
        return [str(InvoiceStatus.SETTLED)]
    return [str(status) for status in MARKS]


def _standing(store: Store, idempotency_key: str, request: InvoiceRequest) -> Invoice | None:
    invoice = Invoice.objects.filter(store=store, idempotency_key=idempotency_key).first()
    if invoice is not None and bytes(invoice.request_sha256) != request.sha256:
        raise IdempotencyConflict("this idempotency key was used for another request")
    return invoice


def _terms(request: InvoiceRequest, *, store: Store, now: datetime) -> list[Terms]:
    codes = _asset_codes(request, store)
    codes = admission.admitted_for(request.amount_tiyn, asset_codes=codes, now=now)
    assets = OnChainAsset.objects.select_related("network").filter(
        code__in=codes, network__enabled=True, network__halted_at__isnull=True
    )
    by_code = {asset.code: asset for asset in assets}
    wallets = {
        wallet.network_id: wallet
        for wallet in Wallet.objects.filter(active=True, owner="", network__in={a.network_id for a in assets})
    }
    payable = [by_code[code] for code in codes if code in by_code and by_code[code].network_id in wallets]
    if not payable:
        raise MethodRefused("no network for the accepted assets is open at the moment")
    prices = observations.prices({asset.symbol for asset in payable}, now=now)
    return [Terms(asset, prices[asset.symbol], wallets[asset.network_id]) for asset in payable]


def _asset_codes(request: InvoiceRequest, store: Store) -> list[str]:
    if request.payment_methods is None:
        return list(store.accepted_assets)
    # Greenfield's name of a method, or the bare asset code that its 1.x clients send.
    asked = [method.removesuffix("-CHAIN") for method in request.payment_methods]
    if unknown := [code for code in asked if code not in store.accepted_assets]:
        raise MethodRefused(f"this store does not accept {', '.join(unknown)}")
    return asked


def _write(
    request: InvoiceRequest,
    terms: list[Terms],
    *,
    store: Store,
    source: str,
    idempotency_key: str | None,
    user: User | None,
    now: datetime,
) -> Invoice:
    expires_at = now + timedelta(minutes=_or(request.expiration_minutes, store.invoice_minutes))
    invoice = Invoice.objects.create(
        store=store,
        amount_tiyn=request.amount_tiyn,
        tolerance_basis_points=_or(request.tolerance_basis_points, store.tolerance_basis_points),
        speed_policy=request.speed_policy or store.speed_policy,
        source=source,
        order_id=request.order_id,
        description=request.description,
        metadata=request.metadata,
        checkout=request.checkout,
        receipt=request.receipt,
        search_terms="\n".join(request.search_terms),
        language=request.language or store.language,
        redirect_url=request.redirect_url,
        redirect_automatically=request.redirect_automatically,
        idempotency_key=idempotency_key,
        request_sha256=request.sha256,
        created_by=user,
        created_at=now,
        expires_at=expires_at,
        monitoring_expires_at=expires_at
        + timedelta(minutes=_or(request.monitoring_minutes, store.monitoring_minutes)),
    )
    # In the order of their ids, so that two invoices that need the same wallets never wait for each other in a circle.
    for position, term in sorted(enumerate(terms), key=lambda pair: pair[1].wallet.pk):
        _quote(invoice, term, position=position, now=now)
    _tell(invoice, WebhookEventType.CREATED, before="", actor=user, now=now)
    return invoice


def _quote(invoice: Invoice, term: Terms, *, position: int, now: datetime) -> None:
    address = addresses.allocate(wallet=term.wallet, purpose=invoice.pk, now=now)
    Quote.objects.create(
        invoice=invoice,
        asset=term.asset,
        deposit_address=address,
        amount_minor=amount_due_minor(
            invoice.amount_tiyn,
            term.price.tenge,
            decimals=term.asset.decimals,
            quote_decimals=term.asset.quote_decimals,
        ),
        rate_tenge=term.price.tenge,
        rate_sources=[
            {
                "source": row.source,
                "pair": f"{row.base}/{row.quote}",
                "price": str(row.price),
                "observed_at": row.observed_at.isoformat(),
            }
            for row in term.price.observations
        ],
        position=position,
        created_at=now,
        expires_at=invoice.expires_at,
    )


def _apply_locked(invoice: Invoice, *, now: datetime, actor: User | None) -> None:
    facts = gather(invoice)
    decision = lifecycle.decide(facts.invoice, facts.payments, now=now, observed_until=facts.observed_until)
    touched = _write_payments(invoice, facts, decision, now=now)
    _write_status(invoice, decision, now=now, actor=actor)
    if touched or invoice.status != facts.invoice.status:
        live_channel.announce(invoice.pk)


def _write_payments(invoice: Invoice, facts: Facts, decision: lifecycle.Decision, *, now: datetime) -> bool:
    touched = False
    for row, value_tiyn, target in zip(facts.rows, decision.values_tiyn, decision.bookings, strict=True):
        touched |= _write_payment(
            invoice, row.payment, row.status, row.reason, row.confirmations, value_tiyn, now=now
        )
        booking.bring_to(row.payment, target, coin=row.coin, merchant_id=invoice.store.merchant_id, now=now)
    return touched


def _write_payment(
    invoice: Invoice,
    payment: Payment,
    status: str,
    reason: str,
    confirmations: int,
    value_tiyn: int,
    *,
    now: datetime,
) -> bool:
    before = (payment.status, payment.reason, payment.confirmations, payment.value_tiyn)
    if before == (status, reason, confirmations, value_tiyn):
        return False
    became_settled = status == PaymentStatus.SETTLED and payment.status != PaymentStatus.SETTLED
    payment.status, payment.reason = status, reason
    payment.confirmations, payment.value_tiyn = confirmations, value_tiyn
    payment.settled_at = now if became_settled else payment.settled_at
    if status != PaymentStatus.SETTLED:
        payment.settled_at = None
    payment.save(update_fields=["status", "reason", "confirmations", "value_tiyn", "settled_at"])
    if became_settled:
        # The number of bookings tells a payment that returned after a reorganisation from its first settlement.
        key = f"payment:{payment.pk}:settled:{payment.bookings}"
        _record(invoice, WebhookEventType.PAYMENT_SETTLED, key, of_payment(invoice, payment), now=now)
    return True


def _write_status(
    invoice: Invoice, decision: lifecycle.Decision, *, now: datetime, actor: User | None
) -> None:
    before = (invoice.status, invoice.additional_status)
    after = (decision.status, decision.additional_status)
    if before == after and invoice.paid_tiyn == decision.paid_tiyn:
        return
    invoice.status, invoice.additional_status = after
    invoice.paid_tiyn = decision.paid_tiyn
    if decision.status == InvoiceStatus.SETTLED and invoice.settled_at is None:
        invoice.settled_at = now
    if before != after:
        invoice.revision += 1
    invoice.save(update_fields=["status", "additional_status", "paid_tiyn", "settled_at", "revision"])
    for event_type in lifecycle.events(before, after):
        _tell(invoice, event_type, before=before[0], actor=actor, now=now)
    _watch_for_loss(invoice, before=before[0], now=now)


def _watch_for_loss(invoice: Invoice, *, before: str, now: datetime) -> None:
    """A settled invoice that became Invalid without a person's word is an incident, until its payment returns."""
    if (
        before == InvoiceStatus.SETTLED
        and invoice.status == InvoiceStatus.INVALID
        and not invoice.marked_status
    ):
        description = "A settled invoice lost its payment: the chain no longer holds it."
        Incident.objects.create(invoice=invoice, opened_at=now, description=description)
        logger.error("settled invoice lost its payment", extra={"invoice": invoice.pk})
    elif before == InvoiceStatus.INVALID and invoice.status == InvoiceStatus.SETTLED:
        Incident.objects.filter(invoice=invoice, closed_at__isnull=True).update(
            closed_at=now, resolution="The payment is in the chain again."
        )


def _tell(invoice: Invoice, event_type: str, *, before: str, actor: User | None, now: datetime) -> None:
    """One event: a row of the invoice's history, and the outbox."""
    InvoiceEvent.objects.create(
        invoice=invoice,
        revision=invoice.revision,
        at=now,
        kind=event_type,
        from_status=before,
        to_status=invoice.status,
        additional_status=invoice.additional_status,
        actor=actor,
        detail={"paid_tiyn": str(invoice.paid_tiyn)},
    )
    key = f"invoice:{invoice.pk}:{invoice.revision}:{event_type}"
    _record(invoice, event_type, key, of_invoice(invoice, event_type), now=now)


def _tell_received(invoice: Invoice, payment: Payment, *, now: datetime) -> None:
    invoice.revision += 1
    invoice.save(update_fields=["revision"])
    InvoiceEvent.objects.create(
        invoice=invoice,
        revision=invoice.revision,
        at=now,
        kind=WebhookEventType.RECEIVED_PAYMENT,
        from_status=invoice.status,
        to_status=invoice.status,
        additional_status=invoice.additional_status,
        detail={
            "txid": payment.transfer.txid_hex,
            "asset": payment.transfer.asset_id,
            "amount_minor": str(payment.amount_minor),
        },
    )
    key = f"payment:{payment.pk}:received"
    _record(invoice, WebhookEventType.RECEIVED_PAYMENT, key, of_payment(invoice, payment), now=now)
    live_channel.announce(invoice.pk)


def _record(invoice: Invoice, event_type: str, key: str, payload: dict[str, Any], *, now: datetime) -> None:
    webhooks.record(
        store=invoice.store,
        event_type=event_type,
        event_key=key,
        invoice_id=invoice.pk,
        payload=payload,
        now=now,
    )


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
