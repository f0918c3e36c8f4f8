"""Asking the running gateway whether it does its work yet."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx
import psycopg
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from alatau_pay.embedded.process import StartFailed

POLL_SECONDS = 0.1
#: True when every network was read, and prices were fetched, since a moment.
QUOTING = """
SELECT (SELECT bool_and(observed_at >= %(since)s) FROM chains_network WHERE enabled)
   AND (SELECT max(fetched_at) >= %(since)s FROM payments_rateobservation)
"""


def answers_ok(url: str) -> bool:
    """Whether the address answers 200."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def worker_answers(redis_url: str, hostname: str) -> bool:
    """Whether the Celery worker of that name answers a ping."""
    try:
        with Celery(broker=redis_url) as app:
            return bool(app.control.ping(destination=[hostname], timeout=0.5, limit=1))
    except (OperationalError, RedisError, OSError):
        return False


def wait_until_quoting(database_url: str, redis_url: str, *, seconds: float) -> None:
    """Start what beat would start at its next tick, and wait until invoices can be quoted. Raises StartFailed."""
    since = datetime.now(UTC)
    with Celery(broker=redis_url) as app:
        app.send_task("payments.tasks.fetch_rates", queue="payments")
        app.send_task("chains.tasks.watch_all", queue="default")
    deadline = time.monotonic() + seconds
    with psycopg.connect(database_url, autocommit=True) as connection:
        while connection.execute(QUOTING, {"since": since}).fetchone() != (True,):
            if time.monotonic() > deadline:
                raise StartFailed("no prices, or a network that is not read: see worker.log and watcher.log")
            time.sleep(POLL_SECONDS)
