"""Celery: it only says "look now". What there is to do stands in the database."""

from __future__ import annotations

import os

from celery import Celery

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
    "fetch exchange rates": {
        "task": "payments.tasks.fetch_rates",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "deliver webhooks that are due": {
        "task": "merchants.tasks.deliver_webhooks",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
}
