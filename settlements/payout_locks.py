"""The order in which rows of payouts are locked: a batch, then its payouts by id. Only inside a database transaction."""

from __future__ import annotations

from django.db import connection
from django.db.models import Max, QuerySet

from settlements.models import Payout, PayoutBatch


def lock_batch(batch: PayoutBatch) -> tuple[PayoutBatch, list[Payout]]:
    """The batch and its payouts, locked and read again."""
    locked = (
        PayoutBatch.objects.select_for_update(of=("self",)).select_related("servicing_bank").get(pk=batch.pk)
    )
    return locked, lock_payouts(Payout.objects.filter(batch=locked))


def lock_payouts(which: QuerySet[Payout]) -> list[Payout]:
    """The payouts with their merchants, locked and read again."""
    return list(which.select_for_update(of=("self",)).select_related("merchant").order_by("pk"))


def lock_with_batch(payout: Payout) -> Payout:
    """The payout with its merchant, locked and read again, after the batch that it is in.

    A batch that is taken apart between the two looks leaves the payout without one; it joins none while we hold it.
    """
    batch_id = Payout.objects.values_list("batch_id", flat=True).get(pk=payout.pk)
    if batch_id is not None:
        PayoutBatch.objects.select_for_update().get(pk=batch_id)
    (row,) = lock_payouts(Payout.objects.filter(pk=payout.pk))
    return row


def next_batch_number() -> int:
    """The number after the last batch's; whoever else asks waits until this database transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('settlements.payoutbatch.number'))")
    return (PayoutBatch.objects.aggregate(last=Max("number"))["last"] or 0) + 1
