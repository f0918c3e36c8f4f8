"""Keeping what the rate sources said. Fetched by a task, never while a customer waits."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string

from alatau_pay.http import ForeignServerError
from payments.models import RateObservation
from payments.quoting import DOLLAR, OFFICIAL_AGE_MAX, Observation, Price, Rules, price
from payments.rates import RateRefused, RateSource

logger = logging.getLogger(__name__)


def sources() -> list[RateSource]:
    """The sources named in ``RATE_SOURCES``."""
    return [import_string(path)() for path in settings.RATE_SOURCES]


def fetch_all(*, now: datetime) -> dict[str, str]:
    """Ask every source and keep what it said. Returns source → "" or the reason why nothing was kept of it.

    One source's failure keeps nothing of that source and does not touch the others.
    """
    outcome: dict[str, str] = {}
    for source in sources():
        try:
            observed = source.fetch(now=now)
        except (ForeignServerError, RateRefused) as error:
            logger.warning("no rates from %s: %s", source.name, error)
            outcome[source.name] = str(error)
            continue
        _keep(observed, now=now)
        outcome[source.name] = ""
    return outcome


def prices(symbols: set[str], *, now: datetime) -> dict[str, Price]:
    """Tenge for one unit of each of ``symbols``, from what was kept.

    Raises:
        RateUnavailable: for the first symbol without a usable price.
    """
    rules = Rules(
        age_max=settings.RATE_AGE_MAX,
        official_deviation_max=settings.RATE_OFFICIAL_DEVIATION_MAX,
        official_required=any(source.official for source in sources()),
    )
    observations = _newest(now)
    return {symbol: price(symbol, observations, rules=rules, now=now) for symbol in sorted(symbols)}


def _newest(now: datetime) -> list[Observation]:
    recent = Q(observed_at__gte=now - settings.RATE_AGE_MAX) | Q(
        base=DOLLAR, observed_at__gte=now - OFFICIAL_AGE_MAX
    )
    rows = (
        # The clock of the asker may be a moment behind the fetcher's; a price from further ahead is not believed.
        RateObservation.objects.filter(recent, observed_at__lte=now + timedelta(seconds=5))
        .order_by("base", "quote", "source", "-observed_at", "-id")
        .distinct("base", "quote", "source")
    )
    return [Observation(row.source, row.base, row.quote, row.price, row.observed_at) for row in rows]


def _keep(observed: list[Observation], *, now: datetime) -> None:
    for row in observed:
        fact = {
            "source": row.source,
            "base": row.base,
            "quote": row.quote,
            "price": row.price,
            "observed_at": row.observed_at,
        }
        # A daily rate is one fact however often it is fetched.
        if not RateObservation.objects.filter(**fact).exists():
            RateObservation.objects.create(**fact, fetched_at=now)
