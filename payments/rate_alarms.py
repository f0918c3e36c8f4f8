"""Telling the city that a coin is not quoted, once, and once that it is again: the only writer of RateAlarm.

An alarm stands from the moment the breaker stops a symbol until it is quoted again. Both are logged, shown in the admin and in
the figures, and mailed; several at once (the dollar stops all coins) are one mail. Prices at the edge of a limit cross it every
half a minute: a coin that stops again within ``CALM`` is the same alarm, and its end is told when it has lasted so long.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from alatau_pay import duty
from chains.models import OnChainAsset
from payments import observations
from payments.models import RateAlarm, RateAlarmKind
from payments.quoting import Assessment

logger = logging.getLogger(__name__)

# What is older is no news; it stands in the admin.
TOLD_WITHIN = timedelta(days=1)
# A coin that has been quoted for less may stop again at any moment.
CALM = timedelta(minutes=5)


def symbols() -> list[str]:
    """Every symbol that an invoice could be quoted in: of the assets on enabled networks."""
    rows = OnChainAsset.objects.filter(network__enabled=True).values_list("symbol", flat=True)
    return sorted(set(rows))


def review(*, now: datetime) -> int:
    """Raise an alarm for every symbol that is not quoted now, clear those that are over. Returns how many began or ended."""
    stopped = {
        each.symbol: each for each in observations.assessments(symbols(), now=now) if each.tenge is None
    }
    changed = sum(_raise(each, now) for each in stopped.values())
    over = RateAlarm.objects.filter(cleared_at__isnull=True).exclude(symbol__in=stopped)
    return changed + sum(_clear(alarm, now) for alarm in over)


def standing() -> list[RateAlarm]:
    """The alarms that are not over, by symbol."""
    return list(RateAlarm.objects.filter(cleared_at__isnull=True).order_by("symbol"))


def tell(*, now: datetime) -> int:
    """Mail what has not been mailed to ``settings.ALERT_EMAILS``. Returns how many mails went out.

    No database transaction is open while the mail server is spoken to. A mail that the server did not take is tried again; one
    that was being sent when the program was killed is not.
    """
    if not settings.ALERT_EMAILS:
        return 0
    recent = now - TOLD_WITHIN
    raised = RateAlarm.objects.filter(raised_at__gte=recent, raised_told_at__isnull=True)
    sent = _tell(raised.order_by("symbol"), "raised_told_at", now)
    cleared = RateAlarm.objects.filter(
        cleared_at__gte=recent,
        cleared_at__lte=now - CALM,
        raised_told_at__isnull=False,
        cleared_told_at__isnull=True,
    )
    return sent + _tell(cleared.order_by("symbol"), "cleared_told_at", now)


def _raise(stopped: Assessment, now: datetime) -> bool:
    assert stopped.stop is not None  # the caller chose those that are stopped
    what = {"kind": stopped.stop.value, "detail": stopped.reason[:300]}
    if _reopen(stopped.symbol, what, now):
        logger.error("%s is once more not quoted: %s", stopped.symbol, stopped.reason)
        return True
    alarm, created = RateAlarm.objects.get_or_create(
        symbol=stopped.symbol, cleared_at=None, defaults={**what, "raised_at": now}
    )
    if created:
        logger.error("%s is not quoted: %s", stopped.symbol, stopped.reason)
    elif alarm.kind != stopped.stop.value:
        # Still not quoted, but for another reason: the page says the one that holds. No second mail.
        RateAlarm.objects.filter(pk=alarm.pk, cleared_at__isnull=True).update(**what)
    return created


def _reopen(symbol: str, what: dict[str, str], now: datetime) -> bool:
    """Let the alarm stand again that ended a moment ago, if nobody was told of its end yet."""
    last = RateAlarm.objects.filter(symbol=symbol).first()
    if last is None or last.cleared_at is None or last.cleared_at <= now - CALM:
        return False
    # The row count decides when two come at once, or when its end is being told just now.
    ended = RateAlarm.objects.filter(pk=last.pk, cleared_at__isnull=False, cleared_told_at__isnull=True)
    return bool(ended.update(cleared_at=None, **what))


def _clear(alarm: RateAlarm, now: datetime) -> bool:
    cleared = RateAlarm.objects.filter(pk=alarm.pk, cleared_at__isnull=True).update(
        cleared_at=max(now, alarm.raised_at)
    )
    if cleared:
        logger.warning("%s is quoted again", alarm.symbol)
    return bool(cleared)


def _tell(alarms: Iterable[RateAlarm], told_field: str, now: datetime) -> int:
    # The row count decides who sends it when two come at once.
    mine = [alarm for alarm in alarms if _claim(alarm, told_field, now)]
    if not mine:
        return 0
    if not duty.mail(_mail(mine, is_over=told_field == "cleared_told_at")):
        RateAlarm.objects.filter(pk__in=[alarm.pk for alarm in mine]).update(**{told_field: None})
        return 0
    return 1


def _claim(alarm: RateAlarm, told_field: str, now: datetime) -> bool:
    rows = RateAlarm.objects.filter(pk=alarm.pk, **{f"{told_field}__isnull": True})
    return bool(rows.update(**{told_field: now}))


def _mail(alarms: list[RateAlarm], *, is_over: bool) -> tuple[str, str]:
    """Subject and text."""
    names = ", ".join(alarm.symbol for alarm in alarms)
    subject = f"{names} quoted again" if is_over else f"{names} not quoted"
    lines = [_line(alarm, is_over=is_over) for alarm in alarms]
    page = f"{settings.SITE_URL}/admin/payments/rateobservation/rates/"
    return f"Alatau Pay: {subject}", "\n".join([*lines, page])


def _line(alarm: RateAlarm, *, is_over: bool) -> str:
    since = f"{alarm.symbol}: since {_time_text(alarm.raised_at)} {RateAlarmKind(alarm.kind).label}"
    over = f", over since {_time_text(alarm.cleared_at)}" if is_over and alarm.cleared_at else ""
    return f"{since}{over}. {alarm.detail}".strip()


def _time_text(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}"
