"""Celery's side of watching: start watchers, and end them in time."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from celery.signals import worker_init, worker_shutting_down
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from alatau_pay.celery import app
from alatau_pay.wake import wake
from chains import alerts, health, watch_lock, watcher
from chains.models import Network

# Set when the worker is asked to stop, so that a watcher does not hold it up to the end of its run.
_stopping = threading.Event()


@worker_init.connect
def _on_start(**_: Any) -> None:
    _stopping.clear()


@worker_shutting_down.connect
def _on_stop(**_: Any) -> None:
    _stopping.set()


@app.task(name="chains.tasks.watch")
def watch(slug: str) -> int:
    """Follow one network for a while; at once over when somebody else does. Returns the number of steps."""
    until = timezone.now() + timedelta(seconds=settings.WATCH_RUN_SECONDS)
    try:
        steps = watcher.follow(
            slug,
            until=until,
            clock=lambda: until if _stopping.is_set() else timezone.now(),
            sleep=_stopping.wait,
        )
    except (OperationalError, InterfaceError):
        # The database went away: nothing half-done is left, and beat starts the next watcher.
        connection.close()
        raise
    if steps and not _stopping.is_set() and timezone.now() >= until:
        # The next one at once: until beat finds that nobody watches, payments would wait for seconds.
        wake("chains.tasks.watch", slug)
    return steps


@app.task(name="chains.tasks.watch_all")
def watch_all() -> int:
    """Start a watcher for every network that has none. Returns how many."""
    networks = Network.objects.filter(enabled=True, halted_at__isnull=True).values_list("slug", flat=True)
    idle = [slug for slug in networks if not watch_lock.is_held(slug)]
    for slug in idle:
        watch.apply_async(args=(slug,), expires=5)
    return len(idle)


@app.task(name="chains.tasks.check_nodes")
def check_nodes(slug: str) -> bool:
    """Ask every node of one network how far it is; not again within ten seconds."""
    return health.check(slug, now=timezone.now())


@app.task(name="chains.tasks.check_health")
def check_health() -> int:
    """Have the nodes of every network looked at, and tell people what changed. Returns how many alerts were sent."""
    for slug in Network.objects.filter(enabled=True).values_list("slug", flat=True):
        check_nodes.apply_async(args=(slug,), expires=10)
    now = timezone.now()
    alerts.review(now=now)
    return alerts.tell(now=now)
