"""The real watcher in a process of its own, killed and started again: every payment is credited exactly once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from chains import watch_lock, watcher
from chains.models import Block, TransferState
from chains.tasks import watch
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.process import NodeProcess
from tests.chains.conftest import Watched, make_bitcoin_network

WAIT_SECONDS = 20.0


@pytest.fixture
def watched(
    bitcoin_node: NodeProcess, resident: BitcoinWallet, transactional_db: None, settings: Any
) -> Watched:
    network = make_bitcoin_network(bitcoin_node, settings)
    network.catch_up()
    return network


WATCH = "import django; django.setup(); from chains.tasks import watch; watch('bitcoin')"


@contextmanager
def watcher_process(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The watcher's task in a process of its own; killed at the end if it still runs."""
    process = subprocess.Popen([sys.executable, "-c", WATCH], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker on the watchers' queue, as production runs it; killed at the end if it still runs."""
    command = [sys.executable, "-m", "celery", "-A", "alatau_pay", "worker", "-Q", "watcher"]
    options = ["-P", "threads", "-c", "2", "--without-gossip", "--without-mingle", "-l", "ERROR"]
    process = subprocess.Popen([*command, *options], env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def environment(
    program_environment: dict[str, str], watched: Watched, bitcoin_node: NodeProcess
) -> dict[str, str]:
    return {
        **program_environment,
        "NODE_URLS": f"bitcoin={bitcoin_node.url}",
        "WATCH_INTERVAL_SECONDS": "0.05",
    }


@pytest.mark.parametrize(
    "table", ["chains_network", "chains_block", "chains_transfer", "chains_transferinput"]
)
def test_a_watcher_killed_at_any_point_of_its_writing_loses_nothing_and_counts_nothing_twice(
    watched: Watched, resident: BitcoinWallet, environment: dict[str, str], table: str
) -> None:
    first, second = watched.address("invoice 1"), watched.address("invoice 2")
    cursor_before = watched.network.cursor_height
    resident.pay_many([(first.address, 1_000), (second.address, 2_000)])
    resident.mine()

    with psycopg.connect(connection_text()) as blocker, watcher_process(environment) as process:
        # Whoever writes to the table has to wait here, with all that was written before it in the same database transaction.
        blocker.execute(f"LOCK TABLE {table} IN SHARE MODE")
        wait_until(lambda: is_waiting_to_write(blocker, table))
        process.kill()
        process.wait()
        blocker.rollback()
    assert watched.network.cursor_height == cursor_before
    assert watched.transfers() == []
    assert not Block.objects.filter(height__gt=cursor_before).exists()

    wait_until(lambda: not watch_lock.is_held("bitcoin"))
    with watcher_process(environment):
        wait_until(lambda: len(watched.transfers()) == 2)
    found = {(row.deposit_address_id, row.amount_minor, row.state) for row in watched.transfers()}
    assert found == {(first.pk, 1_000, TransferState.MINED), (second.pk, 2_000, TransferState.MINED)}


def test_a_watcher_asked_to_stop_stops_at_once_and_finishes_its_step(
    watched: Watched, environment: dict[str, str]
) -> None:
    with worker(environment) as process:
        watch.apply_async(args=["bitcoin"])
        wait_until(lambda: watch_lock.is_held("bitcoin"))
        started_at = time.monotonic()
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 0
        assert time.monotonic() - started_at < 5.0
    wait_until(lambda: not watch_lock.is_held("bitcoin"))


def test_only_one_watcher_follows_a_network(watched: Watched) -> None:
    with psycopg.connect(connection_text()) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [watch_lock._LOCK_SPACE, watch_lock._key("bitcoin")])
        assert watch_lock.is_held("bitcoin")
        until = timezone.now() + timedelta(seconds=30)
        assert watcher.follow("bitcoin", until=until, clock=timezone.now, sleep=time.sleep) == 0
    wait_until(lambda: not watch_lock.is_held("bitcoin"))


def test_of_two_watchers_at_once_the_second_writes_nothing(watched: Watched, resident: BitcoinWallet) -> None:
    """The lock only saves work: the cursor's compare-and-set is what keeps a second watcher from writing."""
    resident.pay(watched.address().address, 1_000)
    resident.mine()
    network = watched.network
    cursor_before = (network.cursor_height, bytes(network.cursor_hash))
    watched.catch_up()
    from chains import readers, reading, recording
    from chains import watched as watched_keys
    from chains.observation import Position

    reader = readers.choice_for(network).in_order()[0]
    heard = reading.read(
        reader,
        Position(*cursor_before),
        load_kept=lambda: [],
        watched=lambda keys: watched_keys.find("bitcoin", keys),
        unmined_txids=[],
    )
    assert heard.blocks
    assert recording.write(network, Position(*cursor_before), heard, now=timezone.now()) is None
    assert len(watched.transfers()) == 1


def connection_text() -> str:
    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"


def is_waiting_to_write(blocker: psycopg.Connection[Any], table: str) -> bool:
    row = blocker.execute(
        "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted)", [table]
    ).fetchone()
    return bool(row and row[0])


def test_a_database_that_goes_away_under_the_watcher_costs_no_payment(
    watched: Watched, resident: BitcoinWallet, environment: dict[str, str]
) -> None:
    resident.pay(watched.address().address, 1_000)
    resident.mine()
    with (
        psycopg.connect(connection_text(), autocommit=True) as other,
        watcher_process(environment) as process,
    ):
        with other.transaction():
            other.execute("LOCK TABLE chains_transfer IN SHARE MODE")
            wait_until(lambda: is_waiting_to_write(other, "chains_transfer"))
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'chains_transfer'::regclass AND NOT granted"
            )
            assert process.wait(WAIT_SECONDS) != 0
    assert watched.transfers() == []
    with watcher_process(environment):
        wait_until(lambda: len(watched.transfers()) == 1)
    assert watched.only_transfer().state == TransferState.MINED


@pytest.mark.parametrize("announced", [False, True])
def test_a_payment_is_in_the_database_well_within_a_second(
    watched: Watched,
    resident: BitcoinWallet,
    environment: dict[str, str],
    bitcoin_node: Any,
    announced: bool,
) -> None:
    if announced:
        environment = {
            **environment,
            "NODE_ZMQ_URLS": f"bitcoin=tcp://127.0.0.1:{bitcoin_node.zmq_port}",
            "MEMPOOL_SMALL_COUNT": "-1",
            "MEMPOOL_LISTED_EVERY_SECONDS": "60",
            "WATCH_INTERVAL_SECONDS": "0.25",
        }
    with watcher_process(environment):
        wait_until(lambda: watch_lock.is_held("bitcoin"))
        time.sleep(1.5)  # until announcements are relied on
        seconds = []
        for number in range(10):
            address = watched.address(f"invoice {number}")
            payment = resident.sign([(address.address, 1_000)])
            paid_at = time.monotonic()
            resident.broadcast(payment)
            wait_until(address.transfers.exists)
            seconds.append(time.monotonic() - paid_at)
    assert sorted(seconds)[5] < (0.3 if announced else 0.5)
