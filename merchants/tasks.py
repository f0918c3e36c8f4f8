"""Celery's way in: load, call one verb, return counts."""

from __future__ import annotations

from django.utils import timezone

from alatau_pay.celery import app
from merchants import bank_account_change, former_owners, webhooks

ROUNDS_MAX = 50


@app.task(name=webhooks.DELIVER_TASK)
def deliver_webhooks() -> int:
    """Deliver every webhook that is due; what a long queue leaves over, the next tick takes. Returns how many were tried."""
    tried = 0
    for _ in range(ROUNDS_MAX):
        batch = webhooks.deliver_due(timezone.now())
        tried += batch
        if batch == 0:
            break
    return tried


@app.task(name="merchants.tasks.tell_of_account_changes")
def tell_of_account_changes() -> int:
    """Mail those who stopped being owners, and owners whose bank account is about to change. Returns how many were told of."""
    now = timezone.now()
    return former_owners.tell(now=now) + bank_account_change.tell(now=now)
