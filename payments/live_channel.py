"""Telling whoever is watching an invoice that it changed: one Redis channel an invoice.

A message carries no state, only "look now": the live server reads the state from the database. A lost message costs a
page some seconds, never the truth.
"""

from __future__ import annotations

import logging
from functools import cache

import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

CHANNEL_PREFIX = "invoice:"


def channel_of(invoice_id: str) -> str:
    """The channel on which changes of ``invoice_id`` are announced."""
    return f"{CHANNEL_PREFIX}{invoice_id}"


def invoice_of(channel: str) -> str:
    """The invoice that ``channel`` speaks of; the inverse of channel_of."""
    return channel.removeprefix(CHANNEL_PREFIX)


def announce(invoice_id: str) -> None:
    """Say that ``invoice_id`` changed once the current database transaction commits (at once outside one). Never raises."""
    transaction.on_commit(lambda: _publish(invoice_id), robust=True)


def _publish(invoice_id: str) -> None:
    try:
        _connection().publish(channel_of(invoice_id), "changed")
    except redis.RedisError as error:
        # Pages poll and the live server looks again on its own, so nothing is lost but speed.
        logger.warning("a change of invoice %s was not announced (%s)", invoice_id, type(error).__name__)


@cache
def _connection() -> redis.Redis:
    # Short timeouts: whoever announces has just committed money and must not hang on a broken Redis.
    # One retry finds a server that was restarted since the last message.
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), retries=1)
    )
