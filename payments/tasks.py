"""Celery's shells around the verbs: each loads nothing, calls one verb and returns counts."""

from __future__ import annotations

from django.utils import timezone

from alatau_pay.celery import app
from payments import deadlines, matching, observations


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
    """Ask every rate source."""
    return observations.fetch_all(now=timezone.now())
