"""Telling the city what the night's reconciliation found: a difference that nobody looks for helps nobody.

A night on which everything was compared and nothing differs makes no letter; one that differs makes one each night that it lasts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse

from alatau_pay import duty
from payments.models import Difference, ReconciliationRun, RunStatus
from payments.reconciliation import lines
from settlements.business_day import business_date

DIFFERENCES_MAX = 20
# What is older is no news; it stands in the admin.
TOLD_WITHIN = timedelta(days=1)


def tell(*, now: datetime) -> int:
    """Mail what the nights' runs found to ``settings.ALERT_EMAILS``. Returns how many mails went out.

    No database transaction is open while the mail server is spoken to. A mail that the server did not take is tried again.
    """
    if not settings.ALERT_EMAILS:
        return 0
    untold = ReconciliationRun.objects.filter(
        status__in=[RunStatus.FINISHED, RunStatus.FAILED],
        nightly_for__gte=business_date(now - TOLD_WITHIN),
        told_at__isnull=True,
    )
    return sum(_tell(run, now) for run in untold.order_by("pk"))


def _tell(run: ReconciliationRun, now: datetime) -> bool:
    rows = ReconciliationRun.objects.filter(pk=run.pk)
    return duty.mail_once(rows, "told_at", lambda: _letter(run, now), now=now)


def _letter(run: ReconciliationRun, now: datetime) -> tuple[str, str] | None:
    """Subject and text; None where all is well."""
    night = f"the night of {run.nightly_for}"
    page = settings.SITE_URL + reverse("admin:payments_reconciliationrun_change", args=[run.pk])
    if run.status == RunStatus.FAILED:
        return f"Alatau Pay: the reconciliation of {night} failed", f"{run.failure}\n{page}"
    parts = [part for part in run.comparisons.order_by("scope") if part.not_compared_reason]
    # Those of a part that was not compared stand as well: nothing ended them.
    standing = Difference.objects.filter(resolved_at__isnull=True)
    count = standing.count()
    if not count and not parts:
        return None
    fresh = standing.filter(first_run=run).count()
    shown = [lines.of_difference(each, now=now) for each in standing[:DIFFERENCES_MAX]]
    more = count - len(shown)
    text = [
        f"{count} standing, {fresh} of them new. The oldest first:"
        if count
        else "Nothing differs that was compared.",
        *shown,
        *([f"and {more} more"] if more else []),
        *(lines.of_comparison(part) for part in parts),
        page,
    ]
    what = lines.counted(count, "difference") if count else "not everything was compared"
    return f"Alatau Pay: reconciliation of {night}: {what}", "\n".join(text)
