"""Thinning what the rate sources said: whole for some days, then one price an hour and what each day closed with; the official
rate for ever. The reserve is valued at the end of a past day by the prices that were fresh then.

Quotes keep their own copy of what they were made from, so nothing points at these rows. The database refuses to delete what
is official, of the last week, or the first of its hour (migration 0006).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db.models import F, Window
from django.db.models.functions import RowNumber, Trunc, TruncTime

from payments.models import RateObservation
from payments.rate_paths import ALMATY

# The database keeps everything for so many days, whatever the setting says.
DAYS_MIN = 7
ROWS_AT_ONCE = 20_000


def thin(*, now: datetime) -> int:
    """Delete all but the first price of each hour, source and pair, of those fetched ``RATE_OBSERVATIONS_DAYS`` ago or before.

    Those stay that were fresh when a day ended in Almaty. Returns how many were deleted. In pieces, so that no lock is held for
    long; ended half-way, the next run goes on.
    """
    before = now - timedelta(days=max(DAYS_MIN, settings.RATE_OBSERVATIONS_DAYS))
    deleted = 0
    while surplus := _surplus(before):
        deleted += RateObservation.objects.filter(pk__in=surplus).delete()[0]
    return deleted


def _surplus(before: datetime) -> list[int]:
    """Up to ``ROWS_AT_ONCE`` rows that have an earlier one of their source and pair in the same hour."""
    closing = (datetime.combine(date.max, time.max) - settings.RATE_AGE_MAX).time()
    thinned = RateObservation.objects.annotate(time=TruncTime("observed_at", tzinfo=ALMATY)).filter(
        rate_date__isnull=True, fetched_at__lt=before, time__lt=closing
    )
    numbered = thinned.annotate(
        number=Window(
            RowNumber(),
            partition_by=[F("source"), F("base"), F("quote"), Trunc("observed_at", "hour")],
            order_by=F("id").asc(),
        )
    )
    rows = numbered.filter(number__gt=1).order_by("id").values_list("pk", flat=True)
    return list(rows[:ROWS_AT_ONCE])
