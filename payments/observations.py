"""Keeping what the rate sources said, and pricing from it. Fetched by a task, never while a customer waits."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.module_loading import import_string

from alatau_pay.http import ForeignServerError, Unreachable
from payments import quoting
from payments.models import RateObservation, RateSourceState
from payments.quoting import Assessment, Price, RateUnavailable, Rules
from payments.rate_paths import ALMATY, CLOCK_TOLERANCE, DOLLAR, TENGE, Observation
from payments.rates import OfficialSource, RateRefused, RateSource

logger = logging.getLogger(__name__)

# After this long the sources that have not answered are left behind: what the others said is fresh now.
FETCH_SECONDS_MAX = 10.0
NOT_IN_TIME = "no answer in time"


def sources() -> list[RateSource]:
    """The sources named in ``RATE_SOURCES``."""
    return [import_string(path)() for path in settings.RATE_SOURCES]


def rules() -> Rules:
    """What a price must hold to, by the settings."""
    return Rules(
        age_max=settings.RATE_AGE_MAX,
        official_days_max=settings.RATE_OFFICIAL_DAYS_MAX,
        outlier_max=settings.RATE_OUTLIER_MAX,
        spread_max=settings.RATE_SPREAD_MAX,
        official_deviation_max=settings.RATE_OFFICIAL_DEVIATION_MAX,
        paths_min=settings.RATE_PATHS_MIN,
        official_required=any(source.official for source in sources()),
    )


def fetch_all(*, now: datetime) -> dict[str, str]:
    """Ask every source that is due, all at once, and keep what each said as soon as it said it.

    Returns source → "" or the reason why nothing was kept of it. One source's failure, or slowness, keeps nothing of that source
    and does not touch the others. A source that asked to be left alone, or that need not be asked yet, is left out.
    """
    due = _due(now)
    if not due:
        return {}
    # Threads, since each only waits; none of them touches the database. They end by themselves, by the sources' time-outs.
    pool = ThreadPoolExecutor(max_workers=len(due), thread_name_prefix="rates")
    asked = {pool.submit(_ask, source, now): source.name for source in due}
    pool.shutdown(wait=False)
    outcome: dict[str, str] = {}
    try:
        for answered in as_completed(asked, timeout=FETCH_SECONDS_MAX):
            outcome[asked[answered]] = _take(asked[answered], answered, now=now)
    except TimeoutError:
        for name in set(asked.values()) - outcome.keys():
            outcome[name] = _fail(name, NOT_IN_TIME, now=now)
    return outcome


def prices(symbols: Iterable[str], *, now: datetime) -> dict[str, Price]:
    """Tenge for one unit of each of ``symbols``, from what was kept.

    Raises:
        RateUnavailable: for the first symbol without a usable price.
    """
    found, stopped = quotable(symbols, now=now)
    for error in stopped.values():
        raise error
    return found


def quotable(symbols: Iterable[str], *, now: datetime) -> tuple[dict[str, Price], dict[str, RateUnavailable]]:
    """The prices of those of ``symbols`` that have one, and for each of the others why it has none."""
    observed, by = newest(now), rules()
    found: dict[str, Price] = {}
    stopped: dict[str, RateUnavailable] = {}
    for symbol in sorted(set(symbols)):
        try:
            found[symbol] = quoting.price(symbol, observed, rules=by, now=now)
        except RateUnavailable as error:
            stopped[symbol] = error
    return found, stopped


def assessments(symbols: Iterable[str], *, now: datetime) -> list[Assessment]:
    """What can be said of the price of each of ``symbols``, whether or not there is one."""
    observed, by = newest(now), rules()
    return [quoting.assess(symbol, observed, rules=by, now=now) for symbol in sorted(set(symbols))]


def at_official_rate(symbols: Iterable[str], *, now: datetime) -> dict[str, Decimal]:
    """Tenge for one unit of each of ``symbols`` by its price in dollars and the official dollar; without those that have none."""
    observed, by = newest(now), rules()
    found = {each: quoting.official_tenge(each, observed, rules=by, now=now) for each in set(symbols)}
    return {symbol: tenge for symbol, tenge in found.items() if tenge is not None}


def official_rate(on: date) -> RateObservation | None:
    """The National Bank's dollar in tenge that holds on the day ``on`` in Almaty: of that day, or the last one before it.

    None when none was kept, or the last is more than ``RATE_OFFICIAL_DAYS_MAX`` days older than ``on``. Its ``rate_date`` is the
    day that the bank set it for, which over weekends and holidays is before ``on``.
    """
    return (
        RateObservation.objects.filter(
            base=DOLLAR,
            quote=TENGE,
            rate_date__gte=on - timedelta(days=settings.RATE_OFFICIAL_DAYS_MAX),
            requested_date__lte=on,
        )
        # What was fetched last is what the bank says now: a rate that it put right counts.
        .order_by("-requested_date", "-fetched_at", "-id")
        .first()
    )


def fetch_official(on: date, *, now: datetime) -> RateObservation | None:
    """Ask the official sources for the rate of a past day and keep it; for days on which nobody fetched. As ``official_rate``.

    Raises:
        alatau_pay.http.ForeignServerError, RateRefused: the source did not say it.
    """
    for source in sources():
        if isinstance(source, OfficialSource):
            _keep([source.fetch_for(on)], now=now)
    return official_rate(on)


def newest(now: datetime) -> list[Observation]:
    """Of each source and pair the newest price that is fresh, and the official rate that holds."""
    return [_observation(row) for row in said_since(now - settings.RATE_AGE_MAX, now=now)]


def said_since(since: datetime, *, now: datetime) -> list[RateObservation]:
    """What each source said last of each pair, from ``since`` on; and the official rate that holds."""
    recent = Q(rate_date__isnull=True, observed_at__gte=since) | _official_at(now)
    rows = RateObservation.objects.filter(recent, observed_at__lte=now + CLOCK_TOLERANCE)
    # Of an official rate, what was fetched last is what the bank says now.
    ordered = rows.order_by(
        "base", "quote", "source", "-requested_date", "-observed_at", "-fetched_at", "-id"
    )
    return list(ordered.distinct("base", "quote", "source"))


def _official_at(now: datetime) -> Q:
    """The official rates that may hold at ``now``, in the words of their index."""
    today = now.astimezone(ALMATY).date()
    oldest = today - timedelta(days=settings.RATE_OFFICIAL_DAYS_MAX)
    return Q(base=DOLLAR, rate_date__gte=oldest, requested_date__gte=oldest, requested_date__lte=today)


def _observation(row: RateObservation) -> Observation:
    return Observation(
        row.source, row.base, row.quote, row.price, row.observed_at, row.rate_date, row.requested_date
    )


def _due(now: datetime) -> list[RateSource]:
    states = {state.source: state for state in RateSourceState.objects.all()}
    return [source for source in sources() if _is_due(source, states.get(source.name), now)]


def _is_due(source: RateSource, state: RateSourceState | None, now: datetime) -> bool:
    if state is None:
        return True
    if state.ask_again_at is not None and now < state.ask_again_at:
        return False
    if state.fault or state.answered_at is None:
        return True
    if state.answered_at.astimezone(ALMATY).date() != now.astimezone(ALMATY).date():
        return True  # another day has another official rate
    # An answer from ahead of ``now`` says nothing about it.
    return not timedelta(0) <= now - state.answered_at < source.interval


def _ask(source: RateSource, now: datetime) -> list[Observation]:
    """What the source says; the outermost line of its thread.

    A mistake in one source must neither lose what the others said nor keep the city from being told that a coin is not quoted.
    """
    try:
        return source.fetch(now=now)
    except (ForeignServerError, RateRefused):
        raise
    except Exception as error:
        logger.exception("the source %s failed", source.name)
        raise RateRefused(type(error).__name__) from error


def _take(name: str, answered: Future[list[Observation]], *, now: datetime) -> str:
    try:
        observed = answered.result()
    except (ForeignServerError, RateRefused) as error:
        return _fail(
            name,
            str(error),
            now=now,
            retry_after_seconds=error.retry_after_seconds if isinstance(error, Unreachable) else None,
        )
    with transaction.atomic():
        _keep(observed, now=now)
        before = RateSourceState.objects.filter(pk=name).values_list("fault", flat=True).first()
        RateSourceState.objects.update_or_create(
            source=name,
            defaults={
                "asked_at": now, "answered_at": now, "fault": "", "fault_since": None, "ask_again_at": None,
            },
        )  # fmt: skip
    if before:
        logger.warning("rates from %s again", name)
    return ""


def _fail(name: str, fault: str, *, now: datetime, retry_after_seconds: int | None = None) -> str:
    """Remember why the source said nothing. Logged when it begins, not again while it lasts. Returns the reason.

    A reason may hold the server's own words: what no row and no line of a log takes is written as an escape.
    """
    fault = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in fault)
    again = None if retry_after_seconds is None else now + timedelta(seconds=retry_after_seconds)
    state, _created = RateSourceState.objects.get_or_create(source=name, defaults={"asked_at": now})
    if not state.fault:
        logger.warning("no rates from %s: %s", name, fault)
        state.fault_since = now
    state.asked_at, state.fault, state.ask_again_at = now, fault[:300], again
    state.save()
    return fault


def _keep(observed: list[Observation], *, now: datetime) -> None:
    for row in observed:
        fact = {
            "source": row.source,
            "base": row.base,
            "quote": row.quote,
            "price": row.price,
            "observed_at": row.observed_at,
            "rate_date": row.rate_date,
            "requested_date": row.requested_date,
        }
        # A daily rate, and a price that was not worked out anew, is one fact however often it is fetched.
        if not RateObservation.objects.filter(**fact).exists():
            RateObservation.objects.create(**fact, fetched_at=now)
