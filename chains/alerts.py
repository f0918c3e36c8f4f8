"""What a person must know about the networks, and that they are told once: the only writer of NetworkAlert.

An alert stands from the moment something is found wrong until it is found right again; both are logged, shown in the admin
and mailed.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from alatau_pay import duty
from chains.models import AlertKind, Network, NetworkAlert

logger = logging.getLogger(__name__)

# Shorter silences mend themselves: a node or a watcher is being restarted.
UNOBSERVED_AFTER = timedelta(minutes=5)
# What is older is no news; it stands in the admin.
TOLD_WITHIN = timedelta(days=1)


def review(*, now: datetime) -> int:
    """Raise an alert for what is wrong with the networks now, clear those that are over. Returns how many changed."""
    changed = 0
    for network in Network.objects.all():
        wrong = _wrong(network, now)
        changed += sum(_raise(network, kind, detail, now) for kind, detail in wrong.items())
        standing = NetworkAlert.objects.filter(network=network, cleared_at__isnull=True)
        changed += sum(_clear(alert, now) for alert in standing if alert.kind not in wrong)
    return changed


def tell(*, now: datetime) -> int:
    """Mail what has not been mailed to ``settings.ALERT_EMAILS``. Returns how many mails went out.

    No database transaction is open while the mail server is spoken to. A mail that the server did not take is tried again; one
    that was being sent when the program was killed is not.
    """
    if not settings.ALERT_EMAILS:
        return 0
    recent = Q(raised_at__gte=now - TOLD_WITHIN, raised_told_at__isnull=True) | Q(
        cleared_at__gte=now - TOLD_WITHIN, raised_told_at__isnull=False, cleared_told_at__isnull=True
    )
    sent = 0
    for alert in NetworkAlert.objects.filter(recent).select_related("network").order_by("raised_at", "id"):
        sent += _tell(alert, "raised_told_at", now) if alert.raised_told_at is None else 0
        sent += _tell(alert, "cleared_told_at", now) if alert.cleared_at is not None else 0
    return sent


def _wrong(network: Network, now: datetime) -> dict[str, str]:
    """What is wrong with the network, by kind. One that nobody follows is not wrong."""
    if not network.enabled:
        return {}
    if network.halted_at is not None:
        return {AlertKind.HALTED: network.halted_reason}
    # One that was never read has given out no news either; the health page shows it.
    if network.observed_at is not None and now - network.observed_at > UNOBSERVED_AFTER:
        return {AlertKind.UNOBSERVED: _nodes_in_words(network)}
    return {}


def _nodes_in_words(network: Network) -> str:
    """Each node with what it last failed with, for a person who has no page open. Holds no password: no name does."""
    rows = network.node_health.order_by("priority")
    told = [row.fault or f"{row.name}: block {row.head_height}" for row in rows]
    return "; ".join(told)[:300] or "no node was asked"


def _raise(network: Network, kind: str, detail: str, now: datetime) -> bool:
    _alert, created = NetworkAlert.objects.get_or_create(
        network=network, kind=kind, cleared_at=None, defaults={"detail": detail[:300], "raised_at": now}
    )
    if created:
        logger.error("alert: %s is %s (%s)", network.slug, kind, detail, extra={"network": network.slug})
    return created


def _clear(alert: NetworkAlert, now: datetime) -> bool:
    cleared = NetworkAlert.objects.filter(pk=alert.pk, cleared_at__isnull=True).update(cleared_at=now)
    if cleared:
        logger.warning(
            "alert is over: %s was %s", alert.network_id, alert.kind, extra={"network": alert.network_id}
        )
    return bool(cleared)


def _tell(alert: NetworkAlert, told_field: str, now: datetime) -> bool:
    is_over = told_field == "cleared_told_at"
    rows = NetworkAlert.objects.filter(pk=alert.pk)
    return duty.mail_once(rows, told_field, lambda: _mail(alert, is_over=is_over), now=now)


def _mail(alert: NetworkAlert, *, is_over: bool) -> tuple[str, str]:
    """Subject and text."""
    what = f"{alert.network.name} is {AlertKind(alert.kind).label}"
    lines = [
        f"{what}, since {_time_text(alert.raised_at)}.",
        *([f"Over since {_time_text(alert.cleared_at)}."] if is_over and alert.cleared_at else []),
        *([alert.detail] if alert.detail else []),
        f"{settings.SITE_URL}/admin/chains/network/health/",
    ]
    return f"Alatau Pay: {'over: ' if is_over else ''}{what}", "\n".join(lines)


def _time_text(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}"
