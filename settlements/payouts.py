"""Tenge on its way to a merchant's bank account: reserved in the ledger, put into a batch, approved by a second person, paid.

The only writer of the statuses of Payout and PayoutBatch. A move locks the batch, then its payouts; it writes the entry, the
event and the row in one database transaction. A move that was made already is returned as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction

from merchants.models import User
from settlements import business_calendar, ledger
from settlements.entries import payout_cancelled, payout_completed, payout_returned
from settlements.models import Payout, PayoutBatch, PayoutStatus, ServicingBank
from settlements.payout_checks import (
    APPROVE,
    PREPARE,
    REASON_LENGTH_MAX,
    is_elsewhere,
    reason_of,
    require,
    require_bank,
    require_paid_out,
    require_payee,
    require_to_be_paid,
    said_by,
)
from settlements.payout_checks import NothingToPay as NothingToPay
from settlements.payout_checks import NotPaidOut as NotPaidOut
from settlements.payout_checks import PayoutRefused as PayoutRefused
from settlements.payout_locks import lock_batch, lock_payouts, lock_with_batch, next_batch_number
from settlements.payout_reservation import payee_of, post, record
from settlements.payout_reservation import prepare as prepare
from settlements.payout_reservation import prepare_due as prepare_due

UNPAID = (PayoutStatus.AWAITING_PAYMENT, PayoutStatus.IN_PROGRESS)
APPROVED = (*UNPAID, PayoutStatus.COMPLETED)


def readdress(*, now: datetime) -> list[Payout]:
    """Give payouts that nobody has approved the account that their merchant is paid to by now; returns those that changed.

    A batch that holds one is taken apart: who approves has to see what goes out.
    """
    changed = []
    waiting = Payout.objects.filter(status=PayoutStatus.AWAITING_APPROVAL).select_related("merchant")
    for stale in [row for row in waiting if is_elsewhere(row)]:
        with transaction.atomic():
            row = lock_with_batch(stale)
            if row.status != PayoutStatus.AWAITING_APPROVAL or not is_elsewhere(row):
                continue
            reason = f"the account changed from {row.iban} to {row.merchant.iban}"
            _leave_batch(row, actor=None, reason=reason, now=now)
            payee = payee_of(row.merchant)
            for name, value in payee.items():
                setattr(row, name, value)
            row.save(update_fields=[*payee])
            record(row, from_status=row.status, actor=None, reason=reason, now=now)
            changed.append(row)
    return changed


def batch(payouts: Iterable[Payout], *, bank: ServicingBank, actor: User, now: datetime) -> PayoutBatch:
    """Put payouts that await approval into one batch for ``bank``; all of them, or none.

    Raises:
        PermissionDenied: ``actor`` may not prepare batches.
        PayoutRefused: there is none, one is in a batch or moved on, its merchant is suspended or has another account by now,
            or the bank's КНП is not in force on the day of value.
    """
    require(actor, PREPARE)
    asked = {payout.pk for payout in payouts}
    with transaction.atomic():
        number = next_batch_number()
        # Those in a batch are left out here, not locked: whoever holds their batch may be waiting for them.
        free = Payout.objects.filter(batch=None, status=PayoutStatus.AWAITING_APPROVAL)
        rows = lock_payouts(free.filter(pk__in=asked))
        if not rows or len(rows) < len(asked):
            raise PayoutRefused("a batch holds payouts that await approval and are in no other batch")
        for row in rows:
            require_payee(row)
        value_date = _value_date(now)
        require_bank(bank, value_date)
        made = PayoutBatch.objects.create(
            number=number,
            servicing_bank=bank,
            value_date=value_date,
            payout_count=len(rows),
            total_tiyn=sum(row.amount_tiyn for row in rows),
            prepared_by=actor,
            prepared_at=now,
        )
        for row in rows:
            row.batch = made
            row.save(update_fields=["batch"])
            record(row, from_status=row.status, actor=actor, reason=f"batch №{number}", now=now)
    return made


def approve(batch: PayoutBatch, *, actor: User, now: datetime) -> PayoutBatch:
    """A second person agrees: the file may be taken. A day of value that is past moves on to a business day.

    Raises:
        PermissionDenied: ``actor`` may not approve batches, prepared this one, or prepared one of its payouts.
        PayoutRefused: it was taken apart, a merchant is suspended or has another account by now, or the КНП is not in force.
    """
    require(actor, APPROVE)
    with transaction.atomic():
        locked, rows = lock_batch(batch)
        if actor.pk == locked.prepared_by_id or actor.pk in {row.prepared_by_id for row in rows}:
            raise PermissionDenied("nobody approves what they prepared")
        if locked.status in APPROVED:
            return locked
        if locked.status != PayoutStatus.AWAITING_APPROVAL:
            raise PayoutRefused(f"batch №{locked.number} was taken apart")
        for row in rows:
            require_payee(row)
        locked.value_date = max(locked.value_date, _value_date(now))
        require_bank(locked.servicing_bank, locked.value_date)
        locked.status, locked.approved_by, locked.approved_at = PayoutStatus.AWAITING_PAYMENT, actor, now
        locked.save(update_fields=["status", "approved_by", "approved_at", "value_date"])
        for row in rows:
            _move(row, PayoutStatus.AWAITING_PAYMENT, actor=actor, now=now)
    return locked


def take_file(batch: PayoutBatch, *, actor: User, now: datetime) -> PayoutBatch:
    """Note that ``actor`` takes the bank's file of an approved batch; only the first time is kept.

    A day of value that is past by the first time moves on to a business day. From then on the file is the same bytes.

    Raises:
        PermissionDenied: ``actor`` may not prepare batches.
        PayoutRefused: the batch is not approved, or was cancelled; or the bank does not have it yet, and it pays a merchant
            that is suspended by now, or a payout that ended already; or the КНП is not in force by the first time.
    """
    require(actor, PREPARE)
    with transaction.atomic():
        locked, rows = lock_batch(batch)
        if locked.status not in APPROVED:
            raise PayoutRefused("the file of a batch is made when a second person has approved it")
        if locked.status == PayoutStatus.AWAITING_PAYMENT or locked.file_taken_at is None:
            for row in rows:
                require_to_be_paid(row)
        if locked.file_taken_at is None:
            if locked.sent_at is None:
                locked.value_date = max(locked.value_date, _value_date(now))
                require_bank(locked.servicing_bank, locked.value_date)
            locked.file_taken_by, locked.file_taken_at = actor, now
            locked.save(update_fields=["file_taken_by", "file_taken_at", "value_date"])
    return locked


def send(batch: PayoutBatch, *, actor: User, now: datetime) -> PayoutBatch:
    """The file is with the bank: its payouts are in progress. Where nobody took the file, a day of value that is past moves on.

    Raises:
        PermissionDenied: ``actor`` may not prepare batches.
        PayoutRefused: the batch is not approved, was cancelled, or pays a merchant that is suspended by now, though nobody
            has taken the file. Once it was taken, what the bank has is a fact to be written down.
    """
    require(actor, PREPARE)
    with transaction.atomic():
        locked, rows = lock_batch(batch)
        if locked.status in (PayoutStatus.IN_PROGRESS, PayoutStatus.COMPLETED):
            return locked
        if locked.status != PayoutStatus.AWAITING_PAYMENT:
            raise PayoutRefused("a batch goes to the bank when a second person has approved it")
        waiting = [row for row in rows if row.status == PayoutStatus.AWAITING_PAYMENT]
        if locked.file_taken_at is None:
            for row in waiting:
                require_paid_out(row.merchant)
            locked.value_date = max(locked.value_date, _value_date(now))
        locked.status, locked.sent_by, locked.sent_at = PayoutStatus.IN_PROGRESS, actor, now
        locked.save(update_fields=["status", "sent_by", "sent_at", "value_date"])
        for row in waiting:
            _move(row, PayoutStatus.IN_PROGRESS, actor=actor, now=now)
    return locked


def complete(
    payout: Payout, *, bank_reference: str, now: datetime, actor: User | None = None, reason: str = ""
) -> Payout:
    """The bank paid: its statement says so, or a person (``actor``) does, with a reason.

    Raises:
        PayoutRefused: the payout was not approved, or is cancelled; a person gave no reason.
        PermissionDenied: the person may not prepare batches.
    """
    reason = said_by(actor, reason)
    with transaction.atomic():
        row = lock_with_batch(payout)
        if row.status == PayoutStatus.COMPLETED:
            return row
        if row.status not in APPROVED:
            raise PayoutRefused(f"payout {row} is {row.status}: it cannot have been paid")
        post(row, "completed", payout_completed(amount_tiyn=row.amount_tiyn), now=now)
        row.completed_at, row.bank_reference = now, bank_reference
        _move(row, PayoutStatus.COMPLETED, actor=actor, reason=reason, now=now)
    return row


def return_(payout: Payout, *, reason: str, now: datetime, actor: User | None = None) -> Payout:
    """The bank sent the tenge back, or did not pay what it was given: owed to the merchant again.

    Raises:
        PayoutRefused: no reason; the payout was never approved, or was cancelled.
        PermissionDenied: the person may not prepare batches.
    """
    reason = reason_of(said_by(actor, reason))
    with transaction.atomic():
        row = lock_with_batch(payout)
        if row.returned_at is not None:
            return row
        if row.status not in APPROVED:
            raise PayoutRefused(f"payout {row} is {row.status}: nothing can have come back")
        row.returned_at = now
        if row.status == PayoutStatus.COMPLETED:
            entry = payout_returned(merchant_id=row.merchant_id, amount_tiyn=row.amount_tiyn)
            post(row, "returned", entry, now=now)
            _move(row, PayoutStatus.CANCELLED, actor=actor, reason=reason, now=now)
        else:
            _give_back(row, actor=actor, reason=reason, now=now)
    return row


def cancel(payout: Payout, *, actor: User, reason: str, now: datetime) -> Payout:
    """Give up a payout that nobody has approved: owed to the merchant again. A batch that holds it is taken apart.

    Raises:
        PermissionDenied: ``actor`` may not prepare batches.
        PayoutRefused: no reason, or it was approved: its batch may be cancelled while the bank does not have it, and what
            the bank has is paid or returned.
    """
    require(actor, PREPARE)
    reason = reason_of(reason)
    with transaction.atomic():
        row = lock_with_batch(payout)
        if row.status == PayoutStatus.CANCELLED:
            return row
        if row.status != PayoutStatus.AWAITING_APPROVAL:
            raise PayoutRefused(
                f"payout {row} is {row.status}: cancel its batch, or record what the bank did"
            )
        _leave_batch(row, actor=actor, reason=reason, now=now)
        _give_back(row, actor=actor, reason=reason, now=now)
    return row


def take_apart(batch: PayoutBatch, *, actor: User, reason: str, now: datetime) -> PayoutBatch:
    """Let the payouts of a batch that nobody has approved wait for another one. Raises as ``cancel_batch``."""
    require(actor, PREPARE)
    reason = reason_of(reason)
    with transaction.atomic():
        locked, rows = lock_batch(batch)
        if locked.status == PayoutStatus.CANCELLED:
            return locked
        if locked.status != PayoutStatus.AWAITING_APPROVAL:
            raise PayoutRefused(f"batch №{locked.number} was approved: it may be cancelled with its payouts")
        _dissolve(locked, rows, actor=actor, reason=reason, now=now)
    return locked


def cancel_batch(batch: PayoutBatch, *, actor: User, reason: str, now: datetime) -> PayoutBatch:
    """Give up a batch and its payouts while the bank does not have it: owed to the merchants again.

    Raises:
        PermissionDenied: ``actor`` may not prepare batches.
        PayoutRefused: no reason, or the bank has it.
    """
    require(actor, PREPARE)
    reason = reason_of(reason)
    with transaction.atomic():
        locked, rows = lock_batch(batch)
        if locked.status == PayoutStatus.CANCELLED:
            return locked
        if locked.status not in (PayoutStatus.AWAITING_APPROVAL, PayoutStatus.AWAITING_PAYMENT):
            raise PayoutRefused(f"batch №{locked.number} is with the bank: record what the bank did")
        locked.status, locked.reason = PayoutStatus.CANCELLED, reason
        locked.save(update_fields=["status", "reason"])
        for row in rows:
            if row.status in (PayoutStatus.AWAITING_APPROVAL, PayoutStatus.AWAITING_PAYMENT):
                _give_back(row, actor=actor, reason=reason, now=now)
    return locked


def _move(
    payout: Payout, status: PayoutStatus, *, actor: User | None, now: datetime, reason: str = ""
) -> None:
    """The locked payout's move, with its event."""
    from_status, payout.status = payout.status, status
    payout.reason = reason or payout.reason
    payout.save(update_fields=["status", "reason", "returned_at", "completed_at", "bank_reference"])
    record(payout, from_status=from_status, actor=actor, reason=reason, now=now)
    if status in (PayoutStatus.COMPLETED, PayoutStatus.CANCELLED):
        _close_batch(payout)


def _close_batch(payout: Payout) -> None:
    """The batch of the payout that ended last is completed; one that was cancelled stays so."""
    ended = [PayoutStatus.COMPLETED, PayoutStatus.CANCELLED]
    others = Payout.objects.filter(batch=payout.batch_id).exclude(status__in=ended)
    if payout.batch_id is not None and not others.exists():
        running = PayoutBatch.objects.filter(
            pk=payout.batch_id, status__in=[PayoutStatus.AWAITING_PAYMENT, PayoutStatus.IN_PROGRESS]
        )
        running.update(status=PayoutStatus.COMPLETED)


def _give_back(payout: Payout, *, actor: User | None, reason: str, now: datetime) -> None:
    """Cancel a locked payout that never completed: its reservation is undone."""
    entry = payout_cancelled(merchant_id=payout.merchant_id, amount_tiyn=payout.amount_tiyn)
    post(payout, "cancelled", entry, now=now)
    _move(payout, PayoutStatus.CANCELLED, actor=actor, reason=reason, now=now)


def _dissolve(
    locked: PayoutBatch, rows: list[Payout], *, actor: User | None, reason: str, now: datetime
) -> None:
    """Take an unapproved batch apart; its payouts await approval as before."""
    locked.status, locked.reason = PayoutStatus.CANCELLED, reason
    locked.save(update_fields=["status", "reason"])
    for row in rows:
        row.batch = None
        row.save(update_fields=["batch"])
        said = f"batch №{locked.number} was taken apart: {reason}"[:REASON_LENGTH_MAX]
        record(row, from_status=row.status, actor=actor, reason=said, now=now)


def _leave_batch(payout: Payout, *, actor: User | None, reason: str, now: datetime) -> None:
    """Take the batch of a locked payout apart, if it is in one."""
    if payout.batch is not None:
        _dissolve(*lock_batch(payout.batch), actor=actor, reason=reason, now=now)
        payout.batch = None


def _value_date(now: datetime) -> date:
    """The business day on which a bank that is told at ``now`` pays."""
    return business_calendar.current().on_or_after(ledger.business_date(now))
