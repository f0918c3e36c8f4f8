"""What goes wrong at night: servers wiped, restarted and killed while payments are in flight. Nothing is lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest

from devnet import story_books
from tests.whole_way.conftest import RunningGateway

PAYMENTS_EACH = 6
SETTLED_SECONDS_MAX = 60.0
ASSETS = ("BTC", "ETH", "USDT")


def invoices_of(running: RunningGateway) -> list[tuple[str, str]]:
    """Fresh invoices, each with the URI that it will be paid by."""
    ids = [(running.invoice(), asset) for asset in ASSETS for _ in range(PAYMENTS_EACH)]
    return [(invoice_id, running.payment_link(invoice_id, asset)) for invoice_id, asset in ids]


def pay_while(running: RunningGateway, fault: Callable[[int], None]) -> list[str]:
    """Pay fresh invoices one after the other, calling ``fault`` with the number of each payment just sent."""
    running.resident.fund()
    waiting = invoices_of(running)
    for number, (_, uri) in enumerate(waiting):
        running.resident.broadcast(uri)
        fault(number)
    return [invoice_id for invoice_id, _ in waiting]


def wait_settled(running: RunningGateway, invoice_ids: list[str]) -> None:
    """Mine until every invoice is Settled."""
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    open_ids = list(invoice_ids)
    while open_ids:
        assert time.monotonic() < deadline, {id_: running.status(id_) for id_ in open_ids}
        running.resident.mine()
        time.sleep(0.5)
        open_ids = [invoice_id for invoice_id in open_ids if status_or_down(running, invoice_id) != "Settled"]


def status_or_down(running: RunningGateway, invoice_id: str) -> str:
    """The status, or nothing while the database is not back yet."""
    try:
        return running.status(invoice_id)
    except httpx.HTTPError:
        return ""


def check_credited_once(running: RunningGateway) -> None:
    """The books of every settled invoice so far, worked out apart, are what the ledger holds."""
    answers = running.api("GET", "invoices?take=250&status=Settled").raise_for_status().json()
    invoices = [
        (row, running.api("GET", f"invoices/{row['id']}/payment-methods").raise_for_status().json())
        for row in answers
    ]
    merchant_id = merchant_of(running)
    wanted = story_books.expected(invoices, merchant_id=merchant_id)
    assert story_books.differences(wanted, story_books.actual(running.description["database_url"])) == []


def merchant_of(running: RunningGateway) -> str:
    """The merchant of the demo's first store."""
    with psycopg.connect(running.description["database_url"]) as connection:
        row = connection.execute(
            "SELECT merchant_id FROM merchants_store WHERE id = %s", [running.description["store_id"]]
        ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture(autouse=True)
def books_hold(running: RunningGateway) -> Iterator[None]:
    """After each fault every payment so far is credited exactly once."""
    yield
    check_credited_once(running)


def test_redis_is_flushed_again_and_again(running):
    paid = pay_while(running, lambda _: running.gateway.redis.flush())
    wait_settled(running, paid)


def test_redis_is_restarted(running):
    paid = pay_while(running, lambda number: running.gateway.redis.restart() if number % 6 == 3 else None)
    wait_settled(running, paid)


def test_postgresql_is_restarted(running):
    paid = pay_while(running, lambda number: running.gateway.postgres.restart() if number % 9 == 4 else None)
    wait_settled(running, paid)


@pytest.mark.parametrize("name", ["watcher", "worker"])
def test_a_program_is_killed(running, name):
    paid = pay_while(running, lambda number: running.gateway.kill(name) if number % 6 == 3 else None)
    wait_settled(running, paid)
