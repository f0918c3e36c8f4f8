"""Closing business days: from then on a day takes no entry; then its entries are sealed. The only writer of both.

Closing is short: the database takes the ledger's lock alone, and whoever posts waits for as long as the closing row takes to
commit (migration 0006 says how it holds). Sealing reads a day that nothing can change any more, and disturbs nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Min

from settlements import seal
from settlements.business_day import business_date
from settlements.models import ClosedDay, DaySeal, JournalEntry
from settlements.sealed_entries import ENTRIES_OF_DAY, EntryRow

logger = logging.getLogger(__name__)

ONE_DAY = timedelta(days=1)
# The ledger's lock: posting shares it, closing a day takes it alone (migration 0006).
_LEDGER_LOCK = 7014101
# Rows that one round trip to the database brings.
_ROWS_AT_ONCE = 2000
# Posting waits behind a closing that waits: better to close at the next call than to hold the tills up.
_LOCK_WAIT = "3s"


def close_due(now: datetime) -> list[date]:
    """Close and seal every business day that was over at ``now``; those sealed by this call, the oldest first.

    A day without entries is closed and sealed as well. Safe to call at any time and from several places at once.

    Raises:
        django.db.utils.OperationalError: somebody posts in a database transaction that does not end; call again later.
    """
    while (day := _next_to_close(now)) is not None:
        close(day, now=now)
    sealed = []
    while (day := _next_to_seal()) is not None:
        if seal_day(day, now=now):
            sealed.append(day)
    return sealed


def closed_through() -> date | None:
    """The last business day that is closed; None before the first."""
    return ClosedDay.objects.aggregate(last=Max("day"))["last"]


def sealed_through() -> date | None:
    """The last business day that is sealed; None before the first."""
    return DaySeal.objects.aggregate(last=Max("day_id"))["last"]


def close(day: date, *, now: datetime) -> bool:
    """Close ``day``; False when it was closed already.

    Raises:
        IntegrityError: it is not over, or does not follow the last closed day.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            # The trigger would take it as well; taken first, a second closer finds the day closed instead of being refused.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LEDGER_LOCK])
        if ClosedDay.objects.filter(day=day).exists():
            return False
        ClosedDay.objects.create(day=day, closed_at=now)
    logger.info("business day closed", extra={"day": day.isoformat()})
    return True


def seal_day(day: date, *, now: datetime) -> bool:
    """Seal the closed ``day``; the database writes its closing balances in the same breath. False when it was sealed.

    Raises:
        ClosedDay.DoesNotExist: it is not closed.
    """
    with transaction.atomic():
        # Two sealers of one day: the second waits here, and finds the seal.
        ClosedDay.objects.select_for_update().get(day=day)
        if DaySeal.objects.filter(day_id=day).exists():
            return False
        hashes = list(_leaf_hashes(day))
        before = DaySeal.objects.filter(day_id__lt=day).order_by("-day_id").first()
        root = seal.root_of(hashes)
        made = DaySeal.objects.create(
            day_id=day,
            entry_count=len(hashes),
            root=root,
            seal=seal.seal_of(previous=bytes(before.seal) if before else seal.NO_SEAL, day=day, root=root),
            leaf_hashes=b"".join(hashes),
            sealed_at=now,
        )
    # The log leaves this machine: a seal that stands there cannot be made anew with the database.
    logger.info("business day sealed", extra={"day": day.isoformat(), "seal": bytes(made.seal).hex()})
    return True


def _leaf_hashes(day: date) -> Iterator[bytes]:
    """The hashes of the day's entries, which are read in a stream; inside a database transaction."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(ENTRIES_OF_DAY, [day])
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                yield seal.leaf_hash(seal.leaf_bytes(EntryRow._make(row).leaf_entry))


def _next_to_close(now: datetime) -> date | None:
    """The oldest business day over at ``now`` that is not closed. The first of all is that of the first entry."""
    last = closed_through()
    if last is not None:
        day = last + ONE_DAY
    else:
        first = JournalEntry.objects.aggregate(first=Min("business_date"))["first"]
        if first is None:
            return None
        day = first
    return day if day < business_date(now) else None


def _next_to_seal() -> date | None:
    return ClosedDay.objects.filter(seal__isnull=True).aggregate(first=Min("day"))["first"]
