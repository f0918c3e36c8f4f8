"""Celery's shells around the verbs: each loads nothing, calls one verb and returns counts."""

from __future__ import annotations

from django.utils import timezone

from alatau_pay.celery import app
from chains import outgoing_fees
from payments import deadlines, matching, observations, rate_alarms, rate_retention, refund_watching
from payments.reconciliation import letter, run


@app.task(name="payments.tasks.match")
def match() -> int:
    """Match the transfers that are waiting."""
    return matching.match_pending(now=timezone.now())


@app.task(name="payments.tasks.confirm")
def confirm(network_slug: str | None = None) -> int:
    """Look again at the payments that wait for confirmations, on one network or on all."""
    return deadlines.confirm(network_slug, now=timezone.now())


@app.task(name="payments.tasks.decide_due")
def decide_due() -> int:
    """Look at the invoices whose expiry or monitoring deadline has come."""
    return deadlines.decide_due(now=timezone.now())


@app.task(name="payments.tasks.fetch_rates")
def fetch_rates() -> dict[str, str]:
    """Ask every rate source that is due, and tell the city which coins are not quoted, or are again."""
    outcome = observations.fetch_all(now=timezone.now())
    now = timezone.now()
    rate_alarms.review(now=now)
    rate_alarms.tell(now=now)
    return outcome


@app.task(name="payments.tasks.thin_rates")
def thin_rates() -> int:
    """Thin the prices of weeks ago to one an hour. Returns how many were deleted."""
    return rate_retention.thin(now=timezone.now())


@app.task(name="payments.tasks.follow_refunds")
def follow_refunds() -> int:
    """Look at what the chains show of refunds that were sent."""
    outgoing_fees.fetch()
    return refund_watching.follow(now=timezone.now())


@app.task(name="payments.tasks.reconcile")
def reconcile() -> int:
    """Make the comparison of books, chains and bank that is due tonight or was asked for, and mail what the night's found."""
    now = timezone.now()
    try:
        return run.perform_due(now=now)
    finally:
        letter.tell(now=now)
