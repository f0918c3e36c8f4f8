"""What a monitor asks: /healthz for anyone, /metrics for whoever has the token."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from chains import halting
from chains.models import Network, NodeHealth
from devnet.process import free_port
from merchants import webhooks
from tests import world as city

TOKEN = "token-of-the-monitor"


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def world(db, now):
    return city.build(now=now)


def test_all_well(client, world):
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "database": True,
        "redis": True,
        "networks": {"bitcoin": "ok", "evm": "ok"},
        "rates": {"BTC": "ok", "ETH": "ok", "USDT": "ok"},
    }
    assert "no-store" in answer["Cache-Control"]


def test_a_network_that_is_not_observed_or_halted_is_named_without_its_reason(client, world, now):
    halting.halt("bitcoin", reason="10.0.0.5:8332 has another block", now=now)
    Network.objects.filter(pk="evm").update(observed_at=now - timedelta(seconds=62))
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["networks"] == {"bitcoin": "halted", "evm": "not observed"}
    assert "10.0.0.5" not in answer.content.decode()


def test_a_disabled_network_troubles_nobody(client, world, now):
    halting.halt("bitcoin", reason="trouble", now=now)
    Network.objects.filter(pk="bitcoin").update(enabled=False)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["networks"]) == (200, {"evm": "ok"})


def test_a_network_never_read_and_a_city_without_networks_are_not_well(client, world):
    Network.objects.filter(pk="evm").update(observed_at=None)
    assert client.get("/healthz").json()["networks"]["evm"] == "not read yet"
    Network.objects.update(enabled=False)
    assert client.get("/healthz").status_code == 503


def test_a_redis_that_is_gone_is_told(client, world, settings):
    settings.REDIS_URL = f"redis://:secret-word@127.0.0.1:{free_port()}/0"
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["redis"]) == (503, False)
    assert "secret-word" not in answer.content.decode()


def test_nothing_can_be_sent_there(client, world):
    assert client.post("/healthz").status_code == 405


def metrics(client, token=TOKEN):
    return client.get("/metrics", headers={"Authorization": f"Bearer {token}"})


def figures(client):
    """Name → labels' values → figure."""
    answer = metrics(client)
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            key = tuple(sample.labels.values())
            found.setdefault(sample.name.removeprefix("alatau_pay_"), {})[key] = sample.value
    return found


def test_the_figures_are_those_of_the_city(client, world, now, settings):
    settings.METRICS_TOKEN = TOKEN
    Network.objects.filter(pk="evm").update(observed_at=now - timedelta(seconds=30))
    NodeHealth.objects.create(
        network=world.bitcoin,
        name="10.0.0.5:8332",
        priority=0,
        head_height=104,
        head_hash=bytes(32),
        head_since=now - timedelta(minutes=2),
        answered_at=now,
        asked_at=now,
    )
    webhooks.create_webhook(store=world.store, url="http://127.0.0.1:1/hook", event_types=[], now=now)
    paid = city.make_invoice(world.store, now=now)
    city.pay(paid, at=now, amount_minor=1_000)
    city.arrive(city.make_invoice(world.store, now=now), at=now - timedelta(minutes=4))
    found = figures(client)
    assert found["network_cursor_height"] == {("bitcoin",): 100, ("evm",): 100}
    assert found["network_lag_blocks"] == {("bitcoin",): 4}
    assert found["network_head_age_seconds"] == {("bitcoin",): 120}
    assert found["network_halted"] == {("bitcoin",): 0, ("evm",): 0}
    assert 30 <= found["network_observed_age_seconds"][("evm",)] < 60
    assert found["transfers_unmatched"] == {("bitcoin",): 1, ("evm",): 0}
    assert 240 <= found["transfers_unmatched_age_seconds"][("bitcoin",)] < 270
    assert found["transfers_unmatched_age_seconds"][("evm",)] == 0
    assert found["transfers_unmined"][("bitcoin",)] == 1
    assert found["node_state"][("bitcoin", "10.0.0.5:8332", "following")] == 1
    assert found["node_state"][("bitcoin", "10.0.0.5:8332", "down")] == 0
    assert found["webhooks_pending"][()] > 0
    assert found["held_payments"] == {(): 1}


@pytest.mark.parametrize("token", ["", "another", TOKEN + "x", "тоқен"])
def test_without_the_token_there_is_no_such_page(client, world, settings, token):
    settings.METRICS_TOKEN = TOKEN
    assert (
        client.get(
            "/metrics", headers={"Authorization": f"Bearer {token}".encode().decode("latin-1")}
        ).status_code
        == 404
    )
    assert client.get("/metrics").status_code == 404


@pytest.mark.parametrize("token", ["", TOKEN])
def test_where_no_token_is_set_nobody_comes_in(client, world, settings, token):
    settings.METRICS_TOKEN = ""
    assert metrics(client, token).status_code == 404


def test_the_figures_hold_no_address_no_store_and_no_password(client, world, now, settings):
    settings.METRICS_TOKEN = TOKEN
    settings.NODE_URLS = {"bitcoin": ["http://watcher:secret-word@127.0.0.1:1"]}
    invoice = city.make_invoice(world.store, now=now)
    transfer = city.arrive(invoice, at=now)
    page = metrics(client).content.decode()
    for text in ("secret-word", invoice.pk, world.store.pk, transfer.deposit_address.address):
        assert text not in page
