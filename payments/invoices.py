"""Invoices: making them, and the only writer of their and their payments' status.

``apply`` locks the invoice, reads everything that bears on it, lets ``lifecycle.decide`` say what follows, and writes
status, payments, ledger entries, events and webhooks in that one database transaction.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from merchants import stores
from merchants.models import ExcessPolicy, Store, User, WebhookEventType
from payments import booking, lifecycle, live_channel, telling, terms
from payments.facts import Facts, gather
from payments.invoice_request import InvoiceRequest
from payments.models import HeldDecisionKind, Incident, Invoice, InvoiceStatus, Payment, PaymentStatus
from payments.terms import Terms

logger = logging.getLogger(__name__)

MARKS = (InvoiceStatus.SETTLED, InvoiceStatus.INVALID)


class StoreNotTrading(Exception):
    """The store is archived or its merchant is not approved: it makes no invoices."""


class IdempotencyConflict(Exception):
    """The idempotency key was used before with another request."""


class AttachRefused(Exception):
    """The payment cannot count for that invoice."""


class MarkRefused(Exception):
    """The invoice cannot be marked so now."""


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
        StoreNotTrading, IdempotencyConflict, terms.MethodRefused, compliance.admission.NotAdmitted: nothing was written.
        payments.quoting.RateUnavailable: no price may be quoted now; nothing was written.
    """
    if not stores.is_trading(store):
        raise StoreNotTrading("this store makes no invoices: it is archived, or its merchant is not approved")
    if idempotency_key and (standing := _standing(store, idempotency_key, request)):
        return standing
    offered = terms.of(request, store=store, now=now)
    try:
        with transaction.atomic():
            return _write(
                request,
                offered,
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
        invoice = (
            Invoice.objects.select_for_update(of=("self",), no_key=True)
            .select_related("store")
            .get(pk=invoice_id)
        )
        telling.of_received(invoice, payment, now=now)
        _apply_locked(invoice, now=now, actor=None)
    return invoice


def apply(invoice_id: str, *, now: datetime) -> Invoice:
    """Recompute the invoice from all its payments and write what changed, once.

    Guarantees: status, ledger, events and webhooks change together or not at all; applying again changes nothing.
    """
    with transaction.atomic():
        invoice = (
            Invoice.objects.select_for_update(of=("self",), no_key=True)
            .select_related("store")
            .get(pk=invoice_id)
        )
        _apply_locked(invoice, now=now, actor=None)
    return invoice


def correct_amount(payment: Payment, *, amount_minor: int, now: datetime) -> Invoice:
    """The chain now says that another amount arrived (a reorganisation of a token that takes a fee): book that instead."""
    with transaction.atomic():
        invoice = (
            Invoice.objects.select_for_update(of=("self",), no_key=True)
            .select_related("store")
            .get(pk=payment.invoice_id)
        )
        coin = payment.transfer.asset.asset
        payment.invoice = invoice
        booking.bring_to(
            payment, lifecycle.NOTHING_BOOKED, coin=coin, merchant_id=invoice.store.merchant_id, now=now
        )
        payment.amount_minor = amount_minor
        payment.save(update_fields=["amount_minor"])
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
        invoice = (
            Invoice.objects.select_for_update(of=("self",), no_key=True)
            .select_related("store")
            .get(pk=invoice_id)
        )
        if status not in markable(invoice):
            raise MarkRefused(f"an invoice that is {invoice.status} cannot be marked {status}")
        invoice.marked_status = status
        invoice.save(update_fields=["marked_status"])
        _apply_locked(invoice, now=now, actor=user)
    return invoice


def attach(payment_id: int, *, target_id: str, user: User | None, reason: str, now: datetime) -> Invoice:
    """A person's word: a payment that is held whole counts for ``target_id``, in time, at that invoice's own quote.

    The target may be the payment's own invoice (a late payment accepted at the rate of then) or another one of the same
    merchant that was quoted in the same asset. Both invoices are decided again.

    Raises:
        AttachRefused: no reason, the payment is not held whole, was disposed of, or the target does not fit.
    """
    if not reason.strip():
        raise AttachRefused("a decision has a reason")
    with transaction.atomic():
        source_id = Payment.objects.get(pk=payment_id).invoice_id
        # Sorted: two people who attach crosswise lock the invoices in one order.
        locked = {
            invoice.pk: invoice
            for invoice in Invoice.objects.select_for_update(of=("self",))
            .select_related("store")
            .filter(pk__in={source_id, target_id})
            .order_by("pk")
        }
        payment = (
            Payment.objects.select_for_update(of=("self",)).select_related("transfer").get(pk=payment_id)
        )
        target = locked.get(target_id)
        if payment.invoice_id != source_id or target is None:
            raise AttachRefused("the payment or the invoice is not there any more")
        _move(payment, locked[source_id], target, now=now)
        detail = {"payment": payment.pk, "from": source_id, "to": target_id, "reason": reason}
        for invoice in locked.values():
            telling.of_decision(invoice, "PaymentAttached", detail=detail, actor=user, now=now)
            _apply_locked(invoice, now=now, actor=user)
    return target


def _move(payment: Payment, source: Invoice, target: Invoice, *, now: datetime) -> None:
    if payment.booked_as != str(lifecycle.HELD):
        raise AttachRefused("only a payment that is held whole can be attached")
    if payment.held_decisions.filter(reversed_at__isnull=True).exclude(kind=HeldDecisionKind.LEAVE).exists():
        raise AttachRefused("somebody decided about this payment already")
    if source.store.merchant_id != target.store.merchant_id:
        raise AttachRefused("that invoice is another merchant's")
    quote = target.quotes.filter(asset_id=payment.transfer.asset_id).order_by("-created_at").first()
    if quote is None:
        raise AttachRefused("that invoice was not quoted in this asset")
    payment.invoice, payment.quote, payment.accepted_at = target, quote, now
    payment.save(update_fields=["invoice", "quote", "accepted_at"])


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


def _write(
    request: InvoiceRequest,
    offered: list[Terms],
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
        keeps_excess=store.excess_policy == ExcessPolicy.MERCHANT,
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
    for position, term in sorted(enumerate(offered), key=lambda pair: pair[1].wallet.pk):
        terms.write_quote(invoice, term, position=position, now=now)
    telling.of_change(invoice, WebhookEventType.CREATED, before="", actor=user, now=now)
    return invoice


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
    became_invalid = status == PaymentStatus.INVALID and payment.status != PaymentStatus.INVALID
    became_settled = status == PaymentStatus.SETTLED and payment.status != PaymentStatus.SETTLED
    payment.status, payment.reason = status, reason
    payment.confirmations, payment.value_tiyn = confirmations, value_tiyn
    payment.settled_at = now if became_settled else payment.settled_at
    if status != PaymentStatus.SETTLED:
        payment.settled_at = None
    payment.save(update_fields=["status", "reason", "confirmations", "value_tiyn", "settled_at"])
    if became_invalid:
        telling.of_invalid(invoice, payment, now=now)
    if became_settled:
        telling.of_settled(invoice, payment, now=now)
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
        telling.of_change(invoice, event_type, before=before[0], actor=actor, now=now)
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


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
