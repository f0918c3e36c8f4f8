"""Celery's shells around the verbs: each loads nothing, calls one verb and returns counts."""

from __future__ import annotations

from django.utils import timezone

from alatau_pay.celery import app
from merchants import bank_account_change
from settlements import days, document_exports, night_verification, payouts


@app.task(name="settlements.tasks.close_days")
def close_days() -> list[str]:
    """Close and seal the business days that are over. Returns them."""
    return [day.isoformat() for day in days.close_due(timezone.now())]


@app.task(name="settlements.tasks.verify_ledger")
def verify_ledger() -> str:
    """Prove the ledger once a night, and mail what came out. Returns what was proved; empty where it was proved before."""
    now = timezone.now()
    try:
        row = night_verification.verify_due(now=now)
    finally:
        night_verification.tell(now=now)
    return row.sentence if row else ""


@app.task(name="settlements.tasks.prepare_payouts")
def prepare_payouts() -> int:
    """Prepare the payouts that are due by the merchants' schedules. Returns how many."""
    return len(payouts.prepare_due(now=timezone.now()))


@app.task(name="settlements.tasks.change_bank_accounts")
def change_bank_accounts() -> int:
    """Put bank accounts into force that have waited, and pay unapproved payouts there. Returns how many payouts changed."""
    bank_account_change.apply_due(now=timezone.now())
    return len(payouts.readdress(now=timezone.now()))


@app.task(name=document_exports.MAKE_TASK)
def make_documents() -> int:
    """Make the documents that were asked for, one after the other. Returns how many were tried."""
    tried = 0
    while document_exports.make_next(timezone.now()) is not None:
        tried += 1
    return tried


@app.task(name="settlements.tasks.remove_old_documents")
def remove_old_documents() -> int:
    """Remove the files that were made weeks ago. Returns how many."""
    return document_exports.remove_old(timezone.now())
