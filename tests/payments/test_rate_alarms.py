"""The city is told once that a coin is not quoted, and once that it is again; the page, the figures and /healthz say so too."""

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from chains.models import Network
from devnet.process import free_port
from merchants.models import User
from payments import api_data, observations, rate_alarms
from payments.models import RateAlarm, RateAlarmKind, RateObservation
from payments.quoting import Stop
from payments.tasks import fetch_rates, thin_rates
from tests import world as city
from tests.foreign_server import Answer
from tests.payments import rate_servers
from tests.payments.rate_servers import TICKERS, coinbase, coingecko, kraken

NOW = rate_servers.NOW
DUTY = ["duty@alatau.example", "night@alatau.example"]
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def server(foreign_server, settings, db):
    """Two networks with BTC, ETH and USDT, and all five sources answering."""
    settings.ALERT_EMAILS = DUTY
    rate_servers.point(settings, foreign_server)
    rate_servers.answer_well(foreign_server)
    city.build_networks(NOW)
    return foreign_server


def look(now):
    """As the task does, at ``now``. Returns how many mails went out."""
    observations.fetch_all(now=now)
    rate_alarms.review(now=now)
    return rate_alarms.tell(now=now)


def disturb_ether(server):
    server.answers["/api/v3/ticker/price"] = Answer(TICKERS.replace(b'"3200.5"', b'"2900"'))
    server.answers["/0/public/Ticker"] = Answer(kraken(eth="3500"))
    server.answers["/products/ETH-USD/ticker"] = Answer(coinbase("3900"))


def test_on_a_good_day_nobody_is_told(server, mailoutbox):
    assert look(NOW) == 0
    assert not RateAlarm.objects.exists()


def test_a_coin_that_stops_is_told_once_and_once_that_it_is_quoted_again(
    server, mailoutbox, settings, caplog
):
    disturb_ether(server)
    with caplog.at_level(logging.INFO, logger="payments.rate_alarms"):
        assert [look(NOW + timedelta(seconds=30 * n)) for n in range(3)] == [1, 0, 0]
        alarm = RateAlarm.objects.get()
        assert (alarm.symbol, alarm.kind, alarm.raised_at) == ("ETH", Stop.PATHS_DIFFER, NOW)
        assert mailoutbox[0].recipients() == DUTY
        assert mailoutbox[0].subject == "Alatau Pay: ETH not quoted"
        assert "the paths differ too much: binance 1507710, coingecko" in mailoutbox[0].body
        assert f"{settings.SITE_URL}{reverse('admin:payments_rates')}" in mailoutbox[0].body
        rate_servers.answer_well(server)
        over_at = NOW + timedelta(seconds=90)
        server.answers["/api/v3/simple/price"] = Answer(coingecko(updated_at=int(over_at.timestamp())))
        for coin, price in (("BTC", "64080.01"), ("ETH", "3204.5"), ("USDT", "0.99995")):
            server.answers[f"/products/{coin}-USD/ticker"] = Answer(coinbase(price, over_at.isoformat()))
        assert [look(over_at + timedelta(seconds=30 * n)) for n in range(3)] == [0, 0, 0]
        calm_at = over_at + rate_alarms.CALM
        assert [rate_alarms.tell(now=calm_at + timedelta(seconds=n)) for n in (-1, 0, 1)] == [0, 1, 0]
    assert mailoutbox[1].subject == "Alatau Pay: ETH quoted again"
    alarm.refresh_from_db()
    assert alarm.cleared_at == over_at
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_breaker_that_goes_to_and_fro_is_one_alarm_and_two_mails(server, mailoutbox):
    """Prices at the edge of the limit: whoever is on duty is not woken every half a minute."""
    # Whole within each source's freshness: what CoinGecko and Coinbase state has a time of its own.
    for number in range(4):
        disturb_ether(server) if number % 2 == 0 else rate_servers.answer_well(server)
        look(NOW + timedelta(seconds=30 * number))
    assert [mail.subject for mail in mailoutbox] == ["Alatau Pay: ETH not quoted"]
    alarm = RateAlarm.objects.get()
    assert (alarm.raised_at, alarm.cleared_at) == (NOW, NOW + timedelta(seconds=90))
    assert rate_alarms.tell(now=alarm.cleared_at + rate_alarms.CALM) == 1
    assert mailoutbox[1].subject == "Alatau Pay: ETH quoted again"


def test_a_coin_that_stops_again_after_a_calm_is_an_alarm_of_its_own(server, mailoutbox):
    disturb_ether(server)
    look(NOW)
    rate_servers.answer_well(server)
    look(NOW + timedelta(seconds=30))
    again = NOW + timedelta(seconds=30) + rate_alarms.CALM
    assert rate_alarms.tell(now=again) == 1
    server.answers = {}
    look(again)
    assert RateAlarm.objects.filter(symbol="ETH").count() == 2
    assert mailoutbox[-1].subject == "Alatau Pay: BTC, ETH, USDT not quoted"


def test_what_stops_every_coin_is_one_mail(server, mailoutbox):
    server.answers["/api/v3/ticker/price"] = Answer(TICKERS.replace(b'"519.90"', b'"580"'))
    assert look(NOW) == 1
    assert mailoutbox[0].subject == "Alatau Pay: BTC, ETH, USDT not quoted"
    assert mailoutbox[0].body.count("USDT/KZT 580 strays too far from the official dollar 518.25") == 3
    assert set(RateAlarm.objects.values_list("kind", flat=True)) == {RateAlarmKind.DOLLAR_STRAYS}


def test_another_reason_is_the_same_alarm(server, mailoutbox):
    disturb_ether(server)
    look(NOW)
    server.answers = {}
    later = NOW + timedelta(seconds=121)
    look(later)
    assert RateAlarm.objects.filter(symbol="ETH").count() == 1
    assert RateAlarm.objects.get(symbol="ETH").kind == RateAlarmKind.TOO_FEW_PATHS
    assert [mail.subject for mail in mailoutbox] == [
        "Alatau Pay: ETH not quoted",
        "Alatau Pay: BTC, USDT not quoted",
    ]


def test_a_coin_of_a_disabled_network_is_no_alarm_and_ends_one(server):
    disturb_ether(server)
    look(NOW)
    Network.objects.filter(pk="evm").update(enabled=False)
    assert rate_alarms.review(now=NOW + timedelta(seconds=30)) == 1
    assert rate_alarms.standing() == []


def test_without_addresses_nothing_is_mailed_and_the_alarm_stands(server, mailoutbox, settings):
    settings.ALERT_EMAILS = []
    disturb_ether(server)
    assert look(NOW) == 0
    assert [alarm.symbol for alarm in rate_alarms.standing()] == ["ETH"]
    settings.ALERT_EMAILS = DUTY
    assert rate_alarms.tell(now=NOW + timedelta(days=1, seconds=1)) == 0
    assert mailoutbox == []


def test_a_mail_that_the_server_did_not_take_is_tried_again(server, settings, caplog):
    disturb_ether(server)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_HOST_PASSWORD = "secret-word"
    assert look(NOW) == 0
    assert RateAlarm.objects.get().raised_told_at is None
    assert "could not be mailed" in caplog.text
    assert "secret-word" not in caplog.text
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert look(NOW + timedelta(seconds=30)) == 1


def test_the_database_refuses_two_standing_alarms_of_a_coin_and_one_that_ends_before_it_began(db):
    columns = "symbol, raised_at, cleared_at, kind, detail"
    insert = f"INSERT INTO payments_ratealarm ({columns}) VALUES (%s, %s, %s, 'paths-differ', '')"
    with connection.cursor() as cursor:
        cursor.execute(insert, ["BTC", NOW, None])
        cursor.execute(insert, ["BTC", NOW, NOW])
        for row in (["BTC", NOW, None], ["ETH", NOW, NOW - timedelta(seconds=1)]):
            with pytest.raises(IntegrityError), transaction.atomic():
                cursor.execute(insert, row)


def test_every_stop_has_words_for_the_city():
    assert {stop.value for stop in Stop} == set(RateAlarmKind.values)


def test_the_tasks_fetch_tell_and_thin(db, mailoutbox, settings):
    settings.ALERT_EMAILS = DUTY
    settings.FIXED_RATES = {"BTC": Decimal(34_000_000), "USDT": Decimal(495)}
    city.build_networks(timezone.now())
    assert fetch_rates() == {"fixed": ""}
    assert [mail.subject for mail in mailoutbox] == ["Alatau Pay: ETH not quoted"]
    assert thin_rates() == 0


@pytest.fixture
def officer(db):
    client = Client()
    client.force_login(
        User.objects.create_superuser("officer@city.example", "a long password"), backend=BACKEND
    )
    return client


@pytest.fixture
def today(foreign_server, settings, db):
    """All five sources, answering as of this moment; ETH in dispute, Coinbase out of order."""
    now = timezone.now()
    day = f"{timezone.localtime(now):%d.%m.%Y}"
    rate_servers.point(settings, foreign_server)
    rate_servers.answer_well(foreign_server)
    city.build_networks(now)
    foreign_server.answers |= {
        "/0/public/Ticker": Answer(kraken(btc="70000", eth="3500")),
        "/products/BTC-USD/ticker": Answer(status=429, headers={"Retry-After": "60"}),
        "/api/v3/simple/price": Answer(coingecko(updated_at=int(now.timestamp()), usdt_tenge="519.00")),
        "/rss/get_rates.cfm": Answer(rate_servers.bank(date=day)),
    }
    foreign_server.answers["/api/v3/ticker/price"] = Answer(TICKERS.replace(b'"3200.5"', b'"2900"'))
    look(now)
    return now


def test_the_page_shows_paths_outliers_sources_and_alarms(officer, today):
    page = officer.get(reverse("admin:payments_rates")).content.decode()
    for text in (
        "64000.1 BTC/USDT (binance) × 519 USDT/KZT (coingecko)",
        "70000 BTC/USD (kraken) ÷ 1.0001 USDT/USD (kraken) × 519 USDT/KZT (coingecko)",
        "left out", "not quoted", "The paths to tenge differ too much", "127.0.0.1: HTTP 429", "left alone until",
        "official dollar 518.25", "Breaker: USDT from the official dollar", "the paths differ too much: binance 1505100",
    ):  # fmt: skip
        assert text in page, text
    assert "<strong>ETH</strong>" in page
    listed = officer.get(reverse("admin:payments_rateobservation_changelist")).content.decode()
    assert reverse("admin:payments_rates") in listed


def test_the_page_opens_where_nothing_was_ever_fetched(officer, settings):
    city.build_networks(timezone.now())
    page = officer.get(reverse("admin:payments_rates")).content.decode()
    assert "not quoted" in page
    assert "None yet." in page


def test_nobody_else_comes_in(today):
    page = reverse("admin:payments_rates")
    assert Client().get(page).status_code == 302
    shopkeeper = Client()
    shopkeeper.force_login(User.objects.create_user("owner@shop.example", "a long password"), backend=BACKEND)
    assert shopkeeper.get(page).status_code == 302
    looker = User.objects.create_user("looker@city.example", "a long password")
    looker.is_staff = True
    looker.save()
    client = Client()
    client.force_login(looker, backend=BACKEND)
    assert client.get(page).status_code == 403
    looker.user_permissions.add(Permission.objects.get(codename="view_rateobservation"))
    assert client.get(page).status_code == 200


def test_what_it_writes_cannot_be_written_by_hand(officer):
    for model in ("rateobservation", "ratealarm", "ratesourcestate"):
        assert officer.get(reverse(f"admin:payments_{model}_add")).status_code == 403


def test_healthz_names_the_coin_and_the_kind_and_no_price(client, today):
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["rates"] == {"BTC": "ok", "ETH": "paths-differ", "USDT": "ok"}
    assert "1505100" not in answer.content.decode()


def test_the_figures_tell_each_coin_and_each_source(client, today, settings):
    settings.METRICS_TOKEN = "token"
    text = client.get("/metrics", headers={"Authorization": "Bearer token"}).content.decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix("alatau_pay_"), {})[tuple(sample.labels.values())] = (
                sample.value
            )
    assert found["rate_quoted"] == {("BTC",): 1, ("ETH",): 0, ("USDT",): 1}
    assert set(found["rate_tenge"]) == {("BTC",), ("USDT",)}
    assert found["rate_tenge"][("USDT",)] == 519
    assert found["rate_paths"][("BTC",)] == 2
    assert found["rate_paths_left_out"][("BTC",)] == 1
    assert found["rate_source_answers"] == {
        ("binance",): 1, ("kraken",): 1, ("coinbase",): 0, ("coingecko",): 1, ("national-bank",): 1,
    }  # fmt: skip
    assert found["rate_alarms"] == {(): 1}


def test_a_receipt_a_clerk_and_the_api_see_where_the_rate_came_from(client, world):
    invoice = city.make_invoice(world.store)
    city.pay(invoice)
    page = client.get(f"/i/{invoice.pk}").content.decode()
    assert "set by hand 34,000,000\u00a0₸" in page
    clerk = Client()
    clerk.force_login(world.owner, backend=BACKEND)
    detail = clerk.get(reverse("invoice_detail", args=[world.store.pk, invoice.pk])).content.decode()
    assert detail.count("set by hand") == 3
    methods = api_data.payment_methods_data(invoice)
    record = methods[0]["additionalData"]["rateRecord"]
    assert (record["version"], record["tenge"], record["paths"][0]["source"]) == (2, "34000000", "fixed")


def test_old_rates_of_the_bank_get_their_days(transactional_db):
    """The migration gives rows of before the day in Almaty on which they began to hold."""
    from importlib import import_module

    migration = import_module("payments.migrations.0006_rates")
    since = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER append_only ON payments_rateobservation")
        try:
            for source in ("national-bank", "binance"):
                RateObservation.objects.create(
                    source=source, base="USD", quote="KZT", price=518, observed_at=since, fetched_at=since
                )
            cursor.execute(migration.DAYS_OF_OLD_ROWS)
        finally:
            cursor.execute(
                "CREATE TRIGGER append_only BEFORE UPDATE ON payments_rateobservation"
                " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )
    bank, market = (RateObservation.objects.get(source=name) for name in ("national-bank", "binance"))
    assert str(bank.rate_date) == str(bank.requested_date) == "2026-11-23"
    assert (market.rate_date, market.requested_date) == (None, None)
