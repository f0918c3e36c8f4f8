"""The live-status server as a process of its own, on the real database and Redis, through their failures."""

import os
import statistics
import time

import httpx
import pytest
from django.db import connection, transaction
from django.utils import timezone

from chains.models import Network
from payments import invoices, live_channel, matching
from tests.harness import SETTINGS_MODULE
from tests.payments.live_process import live_server, stream
from tests.world import arrive, build, make_invoice, pay

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def city(now, transactional_db):
    return build(now)


@pytest.fixture
def invoice(city, now):
    return make_invoice(city.store, now=now)


@pytest.fixture(scope="module")
def live(django_db_setup, tmp_path_factory):
    """One server for the module, on this process's test database and Redis."""
    database_url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE, "DATABASE_URL": database_url}
    with live_server(environment, tmp_path_factory.mktemp("live")) as url:
        yield url


def test_the_state_at_once_then_each_change_then_the_end(live, invoice, now):
    with stream(live, invoice.pk) as events:
        assert events.next()["phase"] == "awaiting"
        transfer = pay(invoice, at=now, confirmed=False)
        seen = events.until("seen")
        assert seen["payments"][0]["txid"] == transfer.txid_hex
        transfer.state, transfer.block_height, transfer.block_hash = "Mined", 100, bytes(32)
        transfer.pending_match = True
        transfer.save()
        matching.match_pending(now=now)
        assert events.until("paid")["final"] is True
        with pytest.raises(StopIteration):
            events.next()


def test_the_answer_is_an_event_stream_for_our_own_pages_only(live, invoice):
    with stream(live, invoice.pk) as events:
        headers = events.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["access-control-allow-origin"] == "http://testserver"
        assert "access-control-allow-credentials" not in headers


def test_a_finished_invoice_is_told_once_and_not_asked_for_again(live, invoice, now):
    pay(invoice, at=now)
    text = httpx.get(f"{live}/live/i/{invoice.pk}").text
    assert text.count("data: ") == 1
    assert "retry: 86400000" in text


@pytest.mark.parametrize(
    "path", ["/live/i/unknown", "/live/i/", "/live/i/a'b", "/live/i/" + "a" * 33, "/", "/live/i/a%00b"]
)
def test_an_unknown_invoice_is_not_found(live, path):
    assert httpx.get(live + path).status_code == 404


def test_only_get(live, invoice):
    assert httpx.post(f"{live}/live/i/{invoice.pk}").status_code == 405


def test_health(live, invoice):
    with stream(live, invoice.pk) as events:
        events.next()
        health = httpx.get(f"{live}/healthz")
    assert (health.status_code, health.json()) == (200, {"redis": True, "database": True, "watchers": 1})


def test_pages_that_went_are_forgotten(live, invoice):
    for _ in range(3):
        with stream(live, invoice.pk) as events:
            events.next()
    deadline = time.monotonic() + 5
    while httpx.get(f"{live}/healthz").json()["watchers"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nothing_is_said_before_the_database_transaction_commits(live, invoice, now):
    with stream(live, invoice.pk, seconds=3) as events:
        events.next()
        with transaction.atomic():
            arrive(invoice, at=now)
            matching.match_pending(now=now)
            live_channel.announce(invoice.pk)
            transaction.set_rollback(True)
        with pytest.raises(httpx.ReadTimeout):
            events.next()


def test_a_change_is_pushed_within_fifty_milliseconds_of_its_announcement(live, city, now):
    """The median takes a few; the bound leaves room for a busy machine, and no polling would keep it."""
    city.bitcoin.confirmations_medium_speed = city.bitcoin.confirmations_low_medium_speed = 20
    city.bitcoin.confirmations_low_speed = 20
    city.bitcoin.save()
    invoice = make_invoice(city.store, now=now)
    pay(invoice, at=now)
    seconds = []
    with stream(live, invoice.pk) as events:
        assert events.next()["payments"][0]["confirmations"] == 1
        for confirmations in range(2, 13):
            Network.objects.filter(pk="bitcoin").update(cursor_height=99 + confirmations)
            started = time.perf_counter()
            live_channel.announce(invoice.pk)
            assert events.next()["payments"][0]["confirmations"] == confirmations
            seconds.append(time.perf_counter() - started)
    assert statistics.median(seconds) < 0.05


def test_redis_restarts_and_what_happened_meanwhile_is_shown(live, invoice, now, redis_server):
    with stream(live, invoice.pk) as events:
        events.next()
        redis_server.stop()
        pay(invoice, at=now, confirmed=False)
        redis_server.start()
        redis_server.wait_ready()
        assert events.until("seen")["paid_tiyn"] == 1_250_000


def test_after_redis_restarted_changes_are_announced_again(live, invoice, now, redis_server):
    with stream(live, invoice.pk) as events:
        events.next()
        redis_server.restart()
        deadline = time.monotonic() + 10
        while not httpx.get(f"{live}/healthz").json()["redis"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        pay(invoice, at=now, confirmed=False)
        started = time.monotonic()
        events.until("seen")
        # Faster than the look of its own that the server takes every 20 seconds.
        assert time.monotonic() - started < 5


def test_the_database_drops_every_connection_and_the_page_still_learns(live, invoice, now):
    with stream(live, invoice.pk) as events:
        events.next()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchone()[0] >= 1
        pay(invoice, at=now, confirmed=False)
        assert events.until("seen")["payments"]


def test_announcing_never_fails_the_money(invoice, now, redis_server):
    redis_server.stop()
    try:
        pay(invoice, at=now)
    finally:
        redis_server.start()
        redis_server.wait_ready()
    assert invoices.apply(invoice.pk, now=now).status == "Settled"


@pytest.mark.long
def test_a_quiet_stream_is_kept_alive(live, invoice):
    with stream(live, invoice.pk, seconds=20) as events:
        events.next()
        assert events.next_comment() == ": keep-alive"
