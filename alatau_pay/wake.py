"""Saying "look now" to a Celery task after the database transaction has committed.

A message is a convenience: every task that can be woken is also on the beat table, so a broker that is down or a message
that is lost costs seconds.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from alatau_pay.celery import app

logger = logging.getLogger(__name__)


def wake(task_name: str, *args: Any) -> None:
    """Send ``task_name`` once the current database transaction commits (at once outside one). Never raises."""
    transaction.on_commit(lambda: _send(task_name, args), robust=True)


def _send(task_name: str, args: tuple[Any, ...]) -> None:
    try:
        app.send_task(task_name, args=args, retry=False, expires=60)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("wake-up not sent, beat will look again: %s (%s)", task_name, type(error).__name__)
