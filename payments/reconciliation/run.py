"""Reconciliation runs: the only writer of their rows and of differences.

Asked for by a person or due at night; one at a time. A run that lost its process is made again. The nodes are asked
first, outside any database transaction; the database is then seen in one snapshot that can write nothing; what was found is
written at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, time, timedelta

from django.db import IntegrityError, connection, transaction

from alatau_pay.wake import wake
from chains import balances
from chains.balances import Balances, NotComparable
from chains.models import Network
from merchants.models import User
from payments.models import Comparison, Difference, PlaceBalance, ReconciliationRun, RunStatus
from payments.reconciliation import (
    ledger_to_payments,
    payments_to_chain,
    payouts_to_ledger,
    payouts_to_statements,
)
from payments.reconciliation.findings import Compared, Finding
from settlements.business_day import ALMATY, business_date

# In Almaty: the day before is over, and its day close has had its time.
NIGHTLY_AT = time(1, 30)
# A run takes minutes; one that says "running" for so long has lost its process.
LOST_AFTER = timedelta(hours=2)
TASK = "payments.tasks.reconcile"


def request(*, user: User | None, now: datetime) -> ReconciliationRun:
    """Ask for a run, which a worker makes at once; a run that waits already is returned instead."""
    waiting = ReconciliationRun.objects.filter(status=RunStatus.REQUESTED, nightly_for__isnull=True).first()
    run = waiting or ReconciliationRun.objects.create(requested_at=now, requested_by=user)
    wake(TASK)
    return run


def perform_due(*, now: datetime) -> int:
    """Make the runs that are due or were asked for, one after the other. Returns how many."""
    _request_nightly(now)
    _give_up_lost(now)
    count = 0
    waiting = ReconciliationRun.objects.filter(status=RunStatus.REQUESTED).order_by("pk")
    for run in waiting:
        count += perform(run, now=now)
    return count


def perform(run: ReconciliationRun, *, now: datetime) -> bool:
    """Make ``run`` if nobody else has begun it and no other is running. Returns whether it was made.

    ``now`` is the moment that the books are of. Never call it inside a database transaction.
    """
    if not _claim(run, now):
        return False
    try:
        compared = _compare(now)
        with transaction.atomic():
            _write(run, compared, now)
    except Exception as error:
        ReconciliationRun.objects.filter(pk=run.pk).update(
            status=RunStatus.FAILED, failure=f"{type(error).__name__}: {error}"[:300]
        )
        raise
    return True


@contextmanager
def snapshot() -> Iterator[None]:
    """One look at the database in which nothing moves and nothing can be written."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _request_nightly(now: datetime) -> None:
    if now.astimezone(ALMATY).time() >= NIGHTLY_AT:
        ReconciliationRun.objects.get_or_create(
            nightly_for=business_date(now), defaults={"requested_at": now}
        )


def _give_up_lost(now: datetime) -> None:
    lost = ReconciliationRun.objects.filter(status=RunStatus.RUNNING, started_at__lt=now - LOST_AFTER)
    lost.update(status=RunStatus.REQUESTED, started_at=None)


def _claim(run: ReconciliationRun, now: datetime) -> bool:
    try:
        with transaction.atomic():
            waiting = ReconciliationRun.objects.filter(pk=run.pk, status=RunStatus.REQUESTED)
            return waiting.update(status=RunStatus.RUNNING, started_at=now) == 1
    except IntegrityError:
        return False  # another one is running; this one waits for its turn


def _compare(now: datetime) -> list[Compared]:
    with_wallets = Network.objects.filter(wallets__isnull=False).distinct()
    # One that is out of use has nobody who reads it; what still lies there is said not to be compared.
    networks = [each for each in with_wallets if each.enabled or payments_to_chain.holds_something(each)]
    read = {network.slug: _read(network) for network in networks}
    with snapshot():
        return [
            ledger_to_payments.compare(),
            payouts_to_ledger.compare(),
            payouts_to_statements.compare(today=business_date(now)),
            *(_compare_chain(network, read) for network in networks),
        ]


def _read(network: Network) -> Balances | str:
    """What the network's wallets hold, or why nobody can say."""
    if not network.enabled:
        return "the network is not enabled"
    try:
        return balances.read(network)
    except NotComparable as reason:
        return str(reason)


def _compare_chain(network: Network, read: Mapping[str, Balances | str]) -> Compared:
    found = read[network.slug]
    if isinstance(found, str):
        return Compared(payments_to_chain.scope(network), not_compared=found[:300])
    return payments_to_chain.compare(network, found)


def _write(run: ReconciliationRun, compared: Sequence[Compared], now: datetime) -> None:
    for part in compared:
        position = part.position
        Comparison.objects.create(
            run=run,
            scope=part.scope,
            checked_count=part.checked_count,
            difference_count=len(part.findings),
            not_compared_reason=part.not_compared,
            height=position.height if position else None,
            block_hash=position.hash if position else None,
        )
        if part.not_compared:
            continue  # what stood stands: nothing was seen of it
        _write_balances(run, part)
        _write_differences(run, part, now)
    ReconciliationRun.objects.filter(pk=run.pk).update(status=RunStatus.FINISHED)


def _write_balances(run: ReconciliationRun, part: Compared) -> None:
    assert part.position is not None or not part.held  # what lies on a chain was seen at a height
    PlaceBalance.objects.bulk_create(
        PlaceBalance(
            run=run,
            wallet_id=held.wallet_id,
            asset_id=held.asset_code,
            height=part.position.height,
            deposits_minor=held.deposits_minor,
            elsewhere_minor=held.elsewhere_minor,
            ledger_minor=held.ledger_minor,
            not_booked_minor=held.not_booked_minor,
            not_buried_minor=held.not_buried_minor,
        )
        for held in part.held
        if part.position is not None
    )


def _write_differences(run: ReconciliationRun, part: Compared, now: datetime) -> None:
    """A difference that lasts keeps its row, one that is gone is resolved, a new one gets a row."""
    standing = {
        (row.kind, row.subject, row.asset_code): row
        for row in Difference.objects.select_for_update().filter(scope=part.scope, resolved_at__isnull=True)
    }
    for finding in part.findings:
        row = standing.pop((finding.kind, finding.subject, finding.asset.code), None)
        row = row or _new(run, part.scope, finding, now)
        row.left_minor, row.right_minor = finding.left_minor, finding.right_minor
        row.detail, row.last_seen_at, row.last_run = finding.detail, now, run
        row.save()
    for row in standing.values():
        row.resolved_at = now
        row.save(update_fields=["resolved_at"])


def _new(run: ReconciliationRun, scope: str, finding: Finding, now: datetime) -> Difference:
    return Difference(
        scope=scope,
        kind=finding.kind,
        subject=finding.subject,
        asset_code=finding.asset.code,
        asset_decimals=finding.asset.decimals,
        first_seen_at=now,
        first_run=run,
    )
