"""Celery: it only says "look now". What there is to do stands in the database."""

from __future__ import annotations

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alatau_pay.settings")

app = Celery("alatau_pay")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Every periodic task, in one place. ``expires`` drops a tick that nobody took in time: the next one says the same.
app.conf.beat_schedule = {
    "start a watcher for every network that has none": {
        "task": "chains.tasks.watch_all",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "look after the nodes, and alert": {
        "task": "chains.tasks.check_health",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "match transfers that a lost message left behind": {
        "task": "payments.tasks.match",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "look at confirmations that a lost message left behind": {
        "task": "payments.tasks.confirm",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "decide invoices whose time has come": {
        "task": "payments.tasks.decide_due",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "follow the refunds that were sent": {
        "task": "payments.tasks.follow_refunds",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "compare books, chains and bank, each night and when asked": {
        "task": "payments.tasks.reconcile",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "fetch exchange rates": {
        "task": "payments.tasks.fetch_rates",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "thin the exchange rates of weeks ago": {
        "task": "payments.tasks.thin_rates",
        "schedule": crontab(hour="3", minute="40"),
        "options": {"expires": 3600},
    },
    "deliver webhooks that are due": {
        "task": "merchants.tasks.deliver_webhooks",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    # Again and again, so that a night without power costs minutes and not a day.
    "close and seal the business days that are over": {
        "task": "settlements.tasks.close_days",
        "schedule": crontab(minute="5-59/10"),
        "options": {"expires": 600},
    },
    # Again and again as well: it is made once a night, and its letter is tried until the mail server takes it.
    "prove the ledger each night": {
        "task": "settlements.tasks.verify_ledger",
        "schedule": crontab(minute="*/10"),
        "options": {"expires": 600},
    },
    # From the early morning on: the day before is over and closed, and the office finds everything prepared.
    "prepare payouts that are due": {
        "task": "settlements.tasks.prepare_payouts",
        "schedule": crontab(minute="*/10", hour="6-19"),
        "options": {"expires": 300},
    },
    "tell owners of a changed bank account, and those who are owners no more": {
        "task": "merchants.tasks.tell_of_account_changes",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "put changed bank accounts into force": {
        "task": "settlements.tasks.change_bank_accounts",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "make the documents that merchants asked for": {
        "task": "settlements.tasks.make_documents",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "remove documents that were made weeks ago": {
        "task": "settlements.tasks.remove_old_documents",
        "schedule": crontab(hour="4", minute="10"),
        "options": {"expires": 3600},
    },
}
