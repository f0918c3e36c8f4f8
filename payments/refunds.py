"""Refunds: the only writer of their status.

A store starts one, or a resident asks for money that is held; the resident gives an address; the store approves, and from then
on the ledger owes the coin to the resident; the operator sends it from a wallet that is not here; the watcher sees it leave, and
only that completes it. Every verb locks the invoice, then the payment, then the refund, and keeps what it did in the invoice's
history.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from chains import outgoing
from chains.models import OutgoingTransfer, TransferState
from chains.outgoing import AddressRefused
from merchants.models import User
from payments import (
    held_decisions,
    observations,
    refund_amounts,
    refund_dues,
    refund_fees,
    refund_rows,
    refundable,
    telling,
)
from payments.models import (
    UNSENT,
    HeldDecision,
    Invoice,
    Payment,
    Refund,
    RefundBasis,
    RefundSource,
    RefundStatus,
)
from payments.refund_amounts import AmountRefused, Sum
from payments.refund_rows import IdempotencyConflict, RefundRefused, RequestKey, started_by
from settlements import ledger
from settlements.entries import refund_sent

__all__ = [
    "AddressRefused",
    "IdempotencyConflict",
    "RefundRefused",
    "RequestKey",
    "approve",
    "cancel",
    "complete",
    "drop_request",
    "fall",
    "give_address",
    "of_decision",
    "put_in_batch",
    "request",
    "set_off",
    "start",
    "started_by",
    "take_back",
    "take_out_of_batch",
]

logger = logging.getLogger(__name__)

REASON_LENGTH_MAX = 300
CHANGED_MEANWHILE = "the state of this refund has changed meanwhile: look at it again"


def start(
    payment_id: int,
    *,
    basis: RefundBasis | str,
    user: User | None,
    reason: str,
    now: datetime,
    value_tiyn: int | None = None,
    amount_minor: int | None = None,
    asked: RequestKey | None = None,
) -> Refund:
    """The store gives back money of one payment: a refund whose link the resident opens to give an address.

    ``basis`` Then and Now take ``value_tiyn`` (None: all that is left), Amount takes ``amount_minor`` of the coin, Excess
    gives back the whole held part. The coin's amount is fixed here, at the rate of this moment where the basis is Now. The same
    request under the same key (``asked``) again returns the refund that it started first.

    Raises:
        IdempotencyConflict: another request was made under that key.
        RefundRefused: not within what is left of the payment, not within 365 days, or nothing was received.
        payments.quoting.RateUnavailable: the basis is Now and there is no price.
    """
    basis = RefundBasis(basis)
    tenge = None
    if basis == RefundBasis.NOW:
        symbol = Payment.objects.select_related("transfer__asset").get(pk=payment_id).transfer.asset.symbol
        tenge = observations.prices({symbol}, now=now)[symbol].tenge
    with transaction.atomic():
        invoice, payment = refund_rows.lock_payment(payment_id)
        if asked and (standing := started_by(asked, invoice.pk)):
            return standing
        refund_rows.require_in_time(payment, now)
        if basis == RefundBasis.EXCESS:
            return _start_held(invoice, payment, user=user, reason=reason, now=now, asked=asked)
        credited = refundable.credited(payment)
        try:
            if basis == RefundBasis.THEN:
                what = refund_amounts.at_rate_then(credited, value_tiyn)
            elif tenge is not None:
                unit = payment.transfer.asset.asset.minor_per_unit
                what = refund_amounts.at_rate_now(credited, value_tiyn, tenge=tenge, minor_per_unit=unit)
            else:
                what = refund_amounts.of_amount(credited, amount_minor or 0)
        except AmountRefused as error:
            raise RefundRefused(str(error)) from error
        _require_carried(payment, what)
        return _create(
            invoice,
            payment,
            RefundSource.CREDITED,
            basis,
            what,
            user=user,
            reason=reason,
            now=now,
            asked=asked,
        )


def request(payment_id: int, *, address: str, now: datetime) -> Refund:
    """The resident asks for what is held of a payment, at ``address``; the store has yet to approve.

    Raises:
        RefundRefused: nothing is held, it still counts, somebody decided or asked already, or the payment is too old.
        AddressRefused: not an address that it can be sent to.
    """
    with transaction.atomic():
        invoice, payment = refund_rows.lock_payment(payment_id)
        refund_rows.require_in_time(payment, now)
        refund = _start_held(invoice, payment, user=None, reason="", now=now)
        return _take_address(invoice, refund, address, now=now)


def give_address(refund_id: int, *, address: str, now: datetime) -> Refund:
    """The resident says where the money shall go, or says it anew while nobody has approved.

    Raises:
        RefundRefused: it was approved or called off already.
        AddressRefused: not an address that it can be sent to.
    """
    with transaction.atomic():
        invoice, refund = refund_rows.lock(refund_id)
        _require(refund, RefundStatus.AWAITING_ADDRESS, RefundStatus.AWAITING_APPROVAL)
        return _take_address(invoice, refund, address, now=now)


def approve(refund_id: int, *, user: User, now: datetime, shown_address: str | None = None) -> Refund:
    """The store agrees: from now on the coin is owed to the resident, and the operator may send it.

    Credited money is borne by the merchant, and only as far as the operator owes it tenge at this moment. Where the approver
    was shown an address (``shown_address``), only that one is approved: the resident may give another one at any moment.

    Raises:
        RefundRefused: no address yet, or another than was shown; approved already, called off, or the merchant is owed less
            than it would bear.
    """
    with transaction.atomic():
        invoice, refund = refund_rows.lock(refund_id)
        _require(refund, RefundStatus.AWAITING_APPROVAL)
        assert refund.destination is not None  # the database holds it for this status
        if shown_address is not None and refund.destination.address != shown_address:
            raise RefundRefused(CHANGED_MEANWHILE)
        if refund.due_entry is None:
            refund_dues.post(invoice, refund, user=user, now=now)
        refund.status, refund.approved_by, refund.approved_at = RefundStatus.APPROVED, user, now
        refund.save(update_fields=["status", "approved_by", "approved_at", "due_entry", "held_decision"])
        refund_rows.tell(invoice, refund, "RefundApproved", actor=user, now=now)
        return refund


def cancel(refund_id: int, *, user: User | None, reason: str, now: datetime) -> Refund:
    """Call a refund off that was not sent: what was posted for it is reversed, and held money waits again.

    Raises:
        RefundRefused: it is on its way or was sent, or it is in a batch that may be signed already.
    """
    with transaction.atomic():
        invoice, refund = refund_rows.lock(refund_id)
        _require(refund, *UNSENT)
        if refund.batch_id is not None:
            raise RefundRefused(
                "it is in a batch that may have been signed: the batch has to be discarded first"
            )
        _cancel(invoice, refund, user=user, reason=reason, now=now)
        return refund


def fall(payment: Payment, *, now: datetime) -> None:
    """The booking of ``payment`` changes: refunds of it that were not sent fall with it. Its invoice is locked.

    One that is on its way cannot be called back; it stays, and somebody has to look.
    """
    for refund in refundable.live(payment).select_for_update(of=("self",)).order_by("pk"):
        if refund.status in UNSENT and refund.batch_id is None:
            _cancel(payment.invoice, refund, user=None, reason="the payment is not booked as before", now=now)
        else:
            logger.error("a payment changed whose refund is sent", extra={"refund": refund.pk})


def of_decision(
    invoice: Invoice, decision: HeldDecision, *, address: str, user: User, now: datetime
) -> Refund:
    """The refund of held money that a person just decided to give back; approved where that person gave the address.

    One that the resident asked for is taken up, with its address unless the person gave another: an address that nobody was
    shown has yet to be approved. The rows are locked.

    Raises:
        AddressRefused: not an address that it can be sent to.
    """
    payment = decision.payment
    asked = refundable.of_held(payment)
    refund = asked or _create(
        invoice,
        payment,
        RefundSource.HELD,
        RefundBasis.EXCESS,
        _held_sum(payment),
        user=user,
        reason=decision.reason,
        now=now,
    )
    if address:
        refund = _take_address(invoice, refund, address, now=now)
    refund.due_entry, refund.held_decision = decision.ledger_entry, decision
    if address:
        refund.status, refund.approved_by, refund.approved_at = RefundStatus.APPROVED, user, now
    refund.save(update_fields=["status", "approved_by", "approved_at", "due_entry", "held_decision"])
    return refund


def drop_request(payment: Payment, *, user: User, now: datetime) -> None:
    """The held money was decided otherwise: what the resident asked for is called off. The invoice is locked."""
    refund = refundable.of_held(payment)
    if refund is not None and refund.due_entry is None and refund.status in UNSENT:
        _cancel(payment.invoice, refund, user=user, reason="decided otherwise", now=now)


def set_off(refund_id: int, row: OutgoingTransfer, *, user: User | None, now: datetime) -> Refund:
    """The chain shows ``row``, and it is this refund's money: seen from our wallet, or a person (``user``) says so.

    Raises:
        RefundRefused: another amount, asset or address; a transfer of another refund, or one that is gone; or not approved.
    """
    with transaction.atomic():
        invoice, refund = refund_rows.lock(refund_id)
        _require(refund, RefundStatus.APPROVED, RefundStatus.SENDING)
        if row.state == TransferState.GONE:
            raise RefundRefused("that transfer is not there any more: the chain took it away")
        same = (row.amount_minor, row.asset_id, row.destination_id)
        if same != (refund.amount_minor, refund.payment.transfer.asset_id, refund.destination_id):
            raise RefundRefused("that transfer is of another amount, asset or address than this refund")
        if refund.outgoing_id is not None or Refund.objects.filter(outgoing=row).exists():
            raise RefundRefused("this refund has its transfer already, or the transfer is another refund's")
        refund.outgoing, refund.status = row, RefundStatus.SENDING
        refund.save(update_fields=["outgoing", "status"])
        refund_rows.tell(invoice, refund, "RefundSending", actor=user, now=now, txid=row.txid_hex)
        return refund


def complete(refund_id: int, *, now: datetime) -> Refund | None:
    """Post that the coin left and nothing is owed any more, once its transfer is confirmed; None while it is not.

    Again on a refund that is complete changes nothing.
    """
    with transaction.atomic():
        invoice, refund = refund_rows.lock(refund_id)
        row = refund.outgoing
        if refund.status == RefundStatus.COMPLETED:
            return refund
        if (
            row is None
            or refund.status != RefundStatus.SENDING
            or not outgoing.is_confirmed(row, row.network)
        ):
            return None
        refund.sendings += 1
        refund.sent_entry = ledger.post(
            refund_sent(
                coin=refund.asset.asset, wallet=refund_rows.wallet_of(refund), sent_minor=refund.amount_minor
            ),
            idempotency_key=f"{refund.reference}:sent:{refund.sendings}",
            reference=refund.reference,
            now=now,
        )
        refund.status, refund.completed_at = RefundStatus.COMPLETED, now
        refund.save(update_fields=["status", "completed_at", "sent_entry", "sendings"])
        refund_rows.tell(invoice, refund, "RefundCompleted", now=now, txid=row.txid_hex)
        return refund


def take_back(refund_id: int, *, now: datetime) -> Refund:
    """The chain does not hold its transfer any more: what was posted is reversed, and it is on its way again.

    Where nobody holds the transfer at all (replaced, dropped), it waits for another one.
    """
    with transaction.atomic():
        invoice, refund = refund_rows.lock(refund_id)
        row = refund.outgoing
        if row is None or row.state == TransferState.MINED:
            return refund
        if refund.sent_entry is not None:
            key = f"{refund.reference}:unsent:{refund.sendings}"
            ledger.reverse(refund.sent_entry, idempotency_key=key, now=now)
            refund_fees.take_back(refund, now=now)
        elif row.state == TransferState.SEEN:
            return refund
        refund.sent_entry, refund.completed_at, refund.network_fee = None, None, None
        refund.status = RefundStatus.SENDING
        if row.state == TransferState.GONE:
            refund.outgoing = None
            # One that was seen when the rest of its batch was discarded belongs to no batch that is being sent.
            if refund.batch is None or refund.batch.discarded_at is not None:
                refund.batch, refund.status = None, RefundStatus.APPROVED
        refund.save(
            update_fields=["status", "completed_at", "sent_entry", "network_fee", "outgoing", "batch"]
        )
        refund_rows.tell(invoice, refund, "RefundTakenBack", now=now, txid=row.txid_hex)
        return refund


def put_in_batch(refund_id: int, batch_id: int, *, user: User, now: datetime) -> Refund:
    """It is on its way in a batch that somebody is about to sign.

    Raises:
        RefundRefused: it does not wait to be sent any more, or its payment is not deep enough in the chain.
    """
    with transaction.atomic():
        invoice, refund = refund_rows.lock(refund_id)
        _require(refund, RefundStatus.APPROVED)
        refund_rows.require_buried(refund)
        refund.batch_id, refund.status = batch_id, RefundStatus.SENDING
        refund.save(update_fields=["batch", "status"])
        refund_rows.tell(invoice, refund, "RefundBatched", actor=user, now=now, batch=batch_id)
        return refund


def take_out_of_batch(batch_id: int) -> int:
    """The batch was discarded: those of its refunds that the chain does not show are to be sent again. Returns how many."""
    waiting = Refund.objects.filter(batch=batch_id, outgoing__isnull=True, status=RefundStatus.SENDING)
    return waiting.update(batch=None, status=RefundStatus.APPROVED)


def _start_held(
    invoice: Invoice,
    payment: Payment,
    *,
    user: User | None,
    reason: str,
    now: datetime,
    asked: RequestKey | None = None,
) -> Refund:
    try:
        held_decisions.require_undecided(payment)
    except held_decisions.DecisionRefused as error:
        raise RefundRefused(str(error)) from error
    if refundable.of_held(payment) is not None:
        raise RefundRefused("giving this money back was asked for already")
    refund_rows.require_closed(payment)
    _require_carried(payment, _held_sum(payment))
    return _create(
        invoice,
        payment,
        RefundSource.HELD,
        RefundBasis.EXCESS,
        _held_sum(payment),
        user=user,
        reason=reason,
        now=now,
        asked=asked,
    )


def _require_carried(payment: Payment, what: Sum) -> None:
    """What nobody can send is not promised either; held money that is so little can still be accepted for the store."""
    if what.amount_minor < outgoing.least_minor(payment.transfer.asset.network):
        raise RefundRefused("this is less than the network carries")


def _held_sum(payment: Payment) -> Sum:
    return Sum(payment.held_minor, refundable.value_then(payment, payment.held_minor))


def _create(
    invoice: Invoice,
    payment: Payment,
    source: RefundSource,
    basis: RefundBasis,
    what: Sum,
    *,
    user: User | None,
    reason: str,
    now: datetime,
    asked: RequestKey | None = None,
) -> Refund:
    given = sum(refundable.live(payment).values_list("amount_minor", flat=True))
    if given + what.amount_minor > payment.amount_minor:
        raise RefundRefused("never more goes back than came: other refunds of this payment stand already")
    refund = Refund.objects.create(
        payment=payment,
        source=source,
        basis=basis,
        amount_minor=what.amount_minor,
        value_tiyn=what.value_tiyn,
        status=RefundStatus.AWAITING_ADDRESS,
        reason=reason.strip()[:REASON_LENGTH_MAX],
        requested_by=user,
        requested_at=now,
        idempotency_key=asked.key if asked else None,
        request_sha256=asked.sha256 if asked else None,
    )
    refund_rows.tell(invoice, refund, "RefundStarted", actor=user, now=now)
    telling.of_refund(invoice, refund.pk, now=now)
    return refund


def _take_address(invoice: Invoice, refund: Refund, address: str, *, now: datetime) -> Refund:
    refund.destination = outgoing.watch(refund.asset.network, address, now=now)
    refund.address_given_at, refund.status = now, RefundStatus.AWAITING_APPROVAL
    refund.save(update_fields=["destination", "address_given_at", "status"])
    refund_rows.tell(invoice, refund, "RefundAddressGiven", now=now, address=refund.destination.address)
    return refund


def _cancel(invoice: Invoice, refund: Refund, *, user: User | None, reason: str, now: datetime) -> None:
    refund_dues.reverse(refund, now=now)
    refund.status, refund.cancelled_at, refund.cancelled_by = RefundStatus.CANCELLED, now, user
    refund.cancelled_reason = reason.strip()[:REASON_LENGTH_MAX]
    refund.save(update_fields=["status", "cancelled_at", "cancelled_by", "cancelled_reason"])
    refund_rows.tell(invoice, refund, "RefundCancelled", actor=user, now=now)


def _require(refund: Refund, *statuses: str) -> None:
    if refund.status not in statuses:
        raise RefundRefused(CHANGED_MEANWHILE)
