"""From what the chain shows of outgoing transfers to refunds that are on their way, sent, or taken back.

Rows of ``chains`` carry ``pending``; that flag is the queue, claimed with SKIP LOCKED as in ``matching``. A transfer that
leaves a wallet of the operator's, or is the very one that was prepared, belongs by itself to the refund of the same address,
asset and amount that was approved first; any other waits for an officer to say that it is ours.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When

from chains import outgoing
from chains.models import OutgoingTransfer, TransferState
from merchants.models import User
from payments import refund_fees, refunds
from payments.models import Refund, RefundStatus

logger = logging.getLogger(__name__)

OPEN = (RefundStatus.APPROVED, RefundStatus.SENDING)


def follow(*, now: datetime) -> int:
    """Look at every outgoing transfer that changed and at every refund on its way; returns how many refunds were completed."""
    for outgoing_id in list(
        OutgoingTransfer.objects.filter(pending=True).order_by("id").values_list("pk", flat=True)
    ):
        try:
            _look(outgoing_id, now=now)
        except Exception:
            # The outermost line for this transfer: the others' refunds do not wait for whatever is wrong with it.
            logger.exception("outgoing transfer not followed", extra={"outgoing": outgoing_id})
    completed = _complete(now=now)
    refund_fees.post_due(now=now)
    return completed


def unexplained() -> QuerySet[OutgoingTransfer]:
    """Transfers that belong to no refund by themselves, for an officer to look at.

    Those to addresses of refunds that wait, whoever sent them; and what left our own wallets for an address that waits for
    nothing: paid twice, or after the refund was called off.
    """
    waiting = Refund.objects.filter(status__in=OPEN, outgoing__isnull=True)
    ours = Q(wallet__isnull=False, pending=False, seen_at__gte=F("destination__created_at"))
    return (
        OutgoingTransfer.objects.filter(
            ours | Q(destination__in=waiting.values("destination")), refund__isnull=True
        )
        .exclude(state=TransferState.GONE)
        .select_related("asset__network", "network", "destination", "wallet")
    )


def confirm_ours(outgoing_id: int, *, refund_id: int, user: User, now: datetime) -> Refund:
    """An officer's word that a transfer which the chain shows is the operator's, and pays this refund.

    Raises:
        refunds.RefundRefused: it is of another amount, asset or address, or one of the two is taken.
    """
    with transaction.atomic():
        row = (
            OutgoingTransfer.objects.select_for_update(of=("self",))
            .select_related("asset__network")
            .get(pk=outgoing_id)
        )
        return refunds.set_off(refund_id, row, user=user, now=now)


@transaction.atomic
def _look(outgoing_id: int, *, now: datetime) -> None:
    row = (
        OutgoingTransfer.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        .select_related("asset__network", "network")
        .filter(pk=outgoing_id, pending=True)
        .first()
    )
    if row is None:
        return
    refund = Refund.objects.filter(outgoing=row).first()
    if refund is not None and row.state != TransferState.MINED:
        refunds.take_back(refund.pk, now=now)
        if row.state == TransferState.GONE:
            # What took its place may have been seen, and left alone, before this one went.
            outgoing.look_again(row.destination_id)
    elif refund is None and row.state != TransferState.GONE and (candidate := _candidate(row)) is not None:
        refunds.set_off(candidate.pk, row, user=None, now=now)
    OutgoingTransfer.objects.filter(pk=row.pk).update(pending=False)


def _candidate(row: OutgoingTransfer) -> Refund | None:
    """The refund that ``row`` pays, the oldest first within each of these, in this order.

    The one whose prepared transaction it is; one that an officer claimed in a batch whose txid nobody can know before it is
    signed (calls, a code); one that nobody claimed; one of a batch whose transaction is another.
    """
    prepared = Q(batch__txid=bytes(row.txid), batch__discarded_at__isnull=True)
    candidates = Refund.objects.filter(
        status__in=OPEN,
        outgoing__isnull=True,
        destination=row.destination_id,
        payment__transfer__asset=row.asset_id,
        amount_minor=row.amount_minor,
        approved_at__lte=row.seen_at,
    )
    if row.wallet_id is None:
        candidates = candidates.filter(prepared)
    order = Case(
        When(prepared, then=Value(0)),
        When(batch__isnull=False, batch__txid__isnull=True, then=Value(1)),
        When(batch__isnull=True, then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    return candidates.order_by(order, F("approved_at"), "pk").first()


def _complete(*, now: datetime) -> int:
    on_their_way = Refund.objects.filter(status=RefundStatus.SENDING, outgoing__state=TransferState.MINED)
    completed = 0
    for refund in on_their_way.select_related("outgoing__network").order_by("pk"):
        assert refund.outgoing is not None  # asked for above
        if not outgoing.is_confirmed(refund.outgoing, refund.outgoing.network):
            continue
        try:
            completed += refunds.complete(refund.pk, now=now) is not None
        except Exception:
            # The outermost line for this refund, as above.
            logger.exception("refund not completed", extra={"refund": refund.pk})
    return completed
