"""A watch task ends after a while, so that code and settings are picked up, and hands over without a gap."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from redis import Redis

from chains import halting, tasks, watch_lock
from tests.chains.conftest import Watched


@pytest.fixture
def queue(redis_server: Any) -> Any:
    """The number of messages that wait for a watcher."""
    with Redis.from_url(redis_server.url) as client:
        client.delete("watcher")
        yield lambda: client.llen("watcher")


def test_the_next_watcher_is_called_when_the_time_is_over(
    bitcoin: Watched, settings: Any, queue: Any, transactional_db: None
) -> None:
    settings.WATCH_RUN_SECONDS = 0.3
    assert tasks.watch(bitcoin.slug) > 0
    assert queue() == 1


def test_nobody_is_called_for_a_network_that_somebody_else_watches(
    bitcoin: Watched, settings: Any, queue: Any, transactional_db: None
) -> None:
    settings.WATCH_RUN_SECONDS = 0.3
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with watch_lock.held(bitcoin.slug):
            holding.set()
            done.wait(10)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert holding.wait(10)
        assert tasks.watch(bitcoin.slug) == 0
    finally:
        done.set()
        thread.join()
    assert queue() == 0


def test_nobody_is_called_for_a_network_that_was_halted(
    bitcoin: Watched, settings: Any, queue: Any, transactional_db: None
) -> None:
    settings.WATCH_RUN_SECONDS = 0.3
    halting.halt(bitcoin.slug, reason="for the test", now=timezone.now())
    assert tasks.watch(bitcoin.slug) == 1
    assert queue() == 0
