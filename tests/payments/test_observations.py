"""What is kept of the sources' words, when each is asked, and the official rate of a day."""

import logging
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from payments import observations, rate_retention
from payments.models import RateObservation, RateSourceState
from payments.quoting import RateUnavailable, Stop
from payments.rate_paths import ALMATY
from tests import world as city
from tests.foreign_server import Answer
from tests.payments import rate_servers
from tests.payments.rate_servers import INFO, NOW, bank, coinbase, coingecko, kraken

WELL = {"binance": "", "kraken": "", "coinbase": "", "coingecko": "", "national-bank": ""}


@pytest.fixture
def server(foreign_server, settings, db):
    rate_servers.point(settings, foreign_server)
    rate_servers.answer_well(foreign_server)
    return foreign_server


def asked(server):
    return [each.path.split("?")[0] for each in server.asked]


def test_five_sources_make_a_price(server):
    assert observations.fetch_all(now=NOW) == WELL
    found = observations.prices({"BTC", "ETH", "USDT"}, now=NOW + timedelta(seconds=60))
    paths = {path.source: path.tenge for path in found["BTC"].assessment.paths}
    assert paths == {
        "binance": Decimal("33273651.99"),
        "kraken": Decimal("33322257.774222577742"),
        "coinbase": Decimal("33316863.042152107605"),
        "coingecko": Decimal("33306320.449274462231"),
    }
    assert found["BTC"].tenge == Decimal("33311591.745713284918")
    assert found["USDT"].tenge == Decimal("519.90")
    assert found["BTC"].assessment.official.rate_date == date(2026, 11, 24)


def test_no_customer_waits_for_a_source(server):
    observations.fetch_all(now=NOW)
    server.asked.clear()
    observations.prices({"BTC", "ETH", "USDT"}, now=NOW)
    assert server.asked == []


def test_the_sources_are_asked_all_at_once(server):
    for path, answer in list(server.answers.items()):
        server.answers[path] = Answer(answer.body, delay_seconds=0.5)
    assert observations.fetch_all(now=NOW) == WELL
    # One after another, the second of Coinbase's three requests would come before the last source's first.
    assert set(asked(server)[:5]) == {
        "/api/v3/ticker/price",
        "/0/public/Ticker",
        "/products/BTC-USD/ticker",
        "/api/v3/simple/price",
        "/rss/get_rates.cfm",
    }


def test_a_source_that_hangs_is_left_behind_and_the_others_are_kept(server):
    server.answers["/0/public/Ticker"] = Answer(kraken(), delay_seconds=30)
    started = time.monotonic()
    outcome = observations.fetch_all(now=NOW)
    assert time.monotonic() - started < 9
    assert outcome.pop("kraken") == "127.0.0.1: the answer took longer than 5 seconds"
    assert set(outcome.values()) == {""}
    assert observations.prices({"BTC"}, now=NOW)["BTC"].tenge > 0


def test_a_price_that_did_not_change_is_one_fact(server):
    """The official rate, and what CoinGecko and Coinbase state with a time of their own."""
    observations.fetch_all(now=NOW)
    later = NOW + timedelta(minutes=16)
    observations.fetch_all(now=later)
    counts = {name: RateObservation.objects.filter(source=name).count() for name in WELL}
    assert counts == {"binance": 6, "kraken": 6, "coinbase": 3, "coingecko": 3, "national-bank": 1}


def test_a_source_is_not_asked_again_before_it_has_news(server):
    observations.fetch_all(now=NOW)
    server.asked.clear()
    assert set(observations.fetch_all(now=NOW + timedelta(seconds=30))) == {"binance", "kraken", "coinbase"}
    assert set(observations.fetch_all(now=NOW + timedelta(seconds=60))) == WELL.keys() - {"national-bank"}
    assert set(observations.fetch_all(now=NOW + timedelta(minutes=15))) == WELL.keys()


def test_the_rate_of_a_day_is_asked_for_when_the_day_begins(server):
    """Midnight in Almaty is 19:00 UTC: a quote of the new day keeps the official rate of the new day."""
    before = datetime(2026, 11, 23, 18, 59, 40, tzinfo=UTC)
    server.answers["/rss/get_rates.cfm"] = Answer(bank(date="23.11.2026", usd="517"))
    assert observations.fetch_all(now=before)["national-bank"] == ""
    server.answers["/rss/get_rates.cfm"] = Answer(bank(date="24.11.2026", usd="518.25"))
    assert observations.fetch_all(now=before + timedelta(seconds=30))["national-bank"] == ""
    assert observations.official_rate(date(2026, 11, 24)).price == Decimal("518.25")


def test_a_source_in_trouble_is_asked_again_at_once(server):
    server.answers["/rss/get_rates.cfm"] = Answer(status=500)
    observations.fetch_all(now=NOW)
    server.answers["/rss/get_rates.cfm"] = Answer(bank())
    assert observations.fetch_all(now=NOW + timedelta(seconds=30))["national-bank"] == ""


def test_a_source_that_asks_to_be_left_alone_is(server):
    server.answers["/api/v3/simple/price"] = Answer(status=429, headers={"Retry-After": "90"})
    assert observations.fetch_all(now=NOW)["coingecko"] == "127.0.0.1: HTTP 429"
    state = RateSourceState.objects.get(pk="coingecko")
    assert (state.ask_again_at, state.fault, state.answered_at) == (
        NOW + timedelta(seconds=90),
        "127.0.0.1: HTTP 429",
        None,
    )
    assert "coingecko" not in observations.fetch_all(now=NOW + timedelta(seconds=89))
    rate_servers.answer_well(server)
    assert observations.fetch_all(now=NOW + timedelta(seconds=90))["coingecko"] == ""
    state.refresh_from_db()
    assert (state.ask_again_at, state.fault, state.fault_since) == (None, "", None)


@pytest.mark.parametrize("answer", [Answer(status=500), Answer(b"garbage"), Answer(bank(date="25.11.2026"))])
def test_a_source_in_trouble_writes_nothing_of_its_own_and_says_why(server, answer):
    server.answers["/rss/get_rates.cfm"] = answer
    outcome = observations.fetch_all(now=NOW)
    assert outcome.pop("national-bank")
    assert set(outcome.values()) == {""}
    assert not RateObservation.objects.filter(source="national-bank").exists()
    with pytest.raises(RateUnavailable) as refused:
        observations.prices({"BTC"}, now=NOW)
    assert refused.value.stop is Stop.OFFICIAL_MISSING


def test_one_bad_price_keeps_nothing_of_its_source(server):
    server.answers["/products/USDT-USD/ticker"] = Answer(coinbase("0"))
    assert observations.fetch_all(now=NOW)["coinbase"]
    assert not RateObservation.objects.filter(source="coinbase").exists()


@pytest.mark.parametrize(
    ("source", "path", "body"),
    [
        ("binance", "/api/v3/ticker/price", b"[1e99999999999999999999]"),
        ("kraken", "/0/public/Ticker", b'{"error": ["EQuery:\\u0000\\ud800 asset pair"]}'),
        ("coinbase", "/products/BTC-USD/ticker", coinbase("64000", "0001-01-01T00:00:00+23:59")),
        ("national-bank", "/rss/get_rates.cfm", bank(usd="1e999999", quant="1e-999999")),
        ("national-bank", "/rss/get_rates.cfm", b'<?xml version="1.0" encoding="foo"?><rates/>'),
        ("national-bank", "/rss/get_rates.cfm", b'<?xml version="1.0" encoding="utf-7"?><rates/>'),
    ],
)
def test_no_answer_of_one_source_costs_the_others(server, source, path, body):
    server.answers[path] = Answer(body)
    outcome = observations.fetch_all(now=NOW)
    assert outcome.pop(source)
    assert set(outcome.values()) == {""}
    assert RateSourceState.objects.get(pk=source).fault
    assert set(RateObservation.objects.values_list("source", flat=True)) == set(outcome)


def test_a_source_that_fails_as_nobody_foresaw_costs_the_others_nothing(server, settings, caplog):
    settings.RATE_SOURCES = [*settings.RATE_SOURCES, "tests.payments.rate_servers.Broken"]
    outcome = observations.fetch_all(now=NOW)
    assert outcome.pop("broken") == "ZeroDivisionError"
    assert outcome == WELL
    (record,) = [each for each in caplog.records if each.exc_info]
    assert "ZeroDivisionError" in caplog.text
    assert "broken" in record.getMessage()


def test_trouble_is_logged_when_it_begins_and_when_it_is_over(server, caplog):
    server.answers["/0/public/Ticker"] = Answer(b'{"error":["EService:Unavailable"]}')
    with caplog.at_level(logging.INFO, logger="payments.observations"):
        for second in range(0, 120, 30):
            observations.fetch_all(now=NOW + timedelta(seconds=second))
        server.answers["/0/public/Ticker"] = Answer(kraken())
        observations.fetch_all(now=NOW + timedelta(seconds=120))
    assert [record.getMessage() for record in caplog.records] == [
        "no rates from kraken: kraken: EService:Unavailable",
        "rates from kraken again",
    ]
    assert RateSourceState.objects.get(pk="kraken").answered_at == NOW + timedelta(seconds=120)


def test_old_prices_are_not_quoted(server):
    observations.fetch_all(now=NOW)
    assert observations.prices({"BTC"}, now=NOW + timedelta(seconds=100))
    with pytest.raises(RateUnavailable, match="BTC: no fresh path from USDT to tenge, 2 needed"):
        observations.prices({"BTC"}, now=NOW + timedelta(seconds=121))


def test_a_coin_that_is_not_quoted_leaves_the_others(server):
    server.answers["/api/v3/ticker/price"] = Answer(rate_servers.TICKERS.replace(b'"3200.5"', b'"2900"'))
    for path, price in (("/0/public/Ticker", "3500"), ("/products/ETH-USD/ticker", "3900")):
        body = kraken(eth=price) if "Ticker" in path else coinbase(price)
        server.answers[path] = Answer(body)
    observations.fetch_all(now=NOW)
    found, stopped = observations.quotable({"BTC", "ETH", "USDT"}, now=NOW)
    assert set(found) == {"BTC", "USDT"}
    assert {symbol: error.stop for symbol, error in stopped.items()} == {"ETH": Stop.PATHS_DIFFER}


def test_an_invoice_is_offered_in_the_coins_that_are_quoted(world, settings):
    settings.FIXED_RATES = {"BTC": Decimal(34_000_000), "USDT": Decimal(495)}
    later = city.NOW + timedelta(minutes=5)
    observations.fetch_all(now=later)
    invoice = city.make_invoice(world.store, now=later)
    assert {quote.asset_id for quote in invoice.quotes.all()} == {"BTC", "USDT"}
    with pytest.raises(RateUnavailable, match="ETH"):
        city.make_invoice(world.store, now=later, checkout={"paymentMethods": ["ETH"]})


def keep_official(day, price="518", *, requested=None, fetched=NOW):
    since = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=5)
    return RateObservation.objects.create(
        source="national-bank", base="USD", quote="KZT", price=Decimal(price), observed_at=since, fetched_at=fetched,
        rate_date=day, requested_date=requested or day,
    )  # fmt: skip


def test_the_official_rate_of_a_day_is_the_last_one_before_it(db):
    friday = keep_official(date(2026, 11, 20), "517")
    saturday = keep_official(date(2026, 11, 20), "517", requested=date(2026, 11, 21))
    monday = keep_official(date(2026, 11, 23), "518")
    assert observations.official_rate(date(2026, 11, 19)) is None
    assert observations.official_rate(date(2026, 11, 20)) == friday
    assert observations.official_rate(date(2026, 11, 22)) == saturday
    assert observations.official_rate(date(2026, 11, 23)) == monday
    assert observations.official_rate(date(2026, 11, 30)) == monday
    assert observations.official_rate(date(2026, 12, 1)) is None


def test_an_official_rate_that_the_bank_put_right_counts(db):
    keep_official(date(2026, 11, 23), "581")
    mended = keep_official(date(2026, 11, 23), "518", fetched=NOW + timedelta(hours=1))
    assert observations.official_rate(date(2026, 11, 23)) == mended
    (seen,) = observations.newest(NOW + timedelta(hours=1))
    assert seen.price == 518


def test_the_official_rate_of_a_day_on_which_nobody_fetched_can_be_had(server):
    server.answers = {
        "/rss/get_rates.cfm": Answer(INFO),
        "/rss/get_rates.cfm?fdate=20.03.2026": Answer(bank(date="20.03.2026", usd="503.1")),
    }
    found = observations.fetch_official(date(2026, 3, 22), now=NOW)
    assert (found.price, found.rate_date, found.requested_date) == (
        Decimal("503.1"),
        date(2026, 3, 20),
        date(2026, 3, 22),
    )
    assert observations.official_rate(date(2026, 3, 21)) is None  # nobody asked for it
    assert observations.fetch_official(date(2026, 3, 22), now=NOW) == found


def test_the_database_refuses_an_official_rate_without_both_days(db):
    row = {"source": "x", "base": "USD", "quote": "KZT", "price": 1, "observed_at": NOW, "fetched_at": NOW}
    for days in (
        {"rate_date": date(2026, 11, 23)},
        {"requested_date": date(2026, 11, 23)},
        {"rate_date": date(2026, 11, 23), "requested_date": date(2026, 11, 22)},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            RateObservation.objects.create(**row, **days)


def stated(at, price="1", *, source="binance", base="BTC", **more):
    return RateObservation.objects.create(
        source=source, base=base, quote="USDT", price=Decimal(price), observed_at=at, fetched_at=at, **more
    )


def test_old_prices_are_thinned_to_the_first_of_each_hour(db, settings):
    settings.RATE_OBSERVATIONS_DAYS = 10
    now = timezone.now()
    hour = (now - timedelta(days=12)).replace(minute=0, second=0, microsecond=0)
    kept = [
        stated(hour),
        stated(hour + timedelta(minutes=1), base="ETH"),
        stated(hour + timedelta(minutes=1), source="kraken"),
        stated(hour + timedelta(minutes=61)),
        stated(now - timedelta(days=9)),
        stated(now - timedelta(days=9) + timedelta(seconds=1)),
        keep_official(date(2026, 1, 5), fetched=hour),
        keep_official(date(2026, 1, 5), "519", fetched=hour),
    ]
    for minute in (1, 2, 59):
        stated(hour + timedelta(minutes=minute))
    assert rate_retention.thin(now=now) == 3
    assert set(RateObservation.objects.all()) == set(kept)
    assert rate_retention.thin(now=now) == 0


def test_thinning_leaves_what_a_day_closed_with(db, settings):
    """The reserve is valued at the end of a past day by what was fresh then; also a year later."""
    settings.RATE_OBSERVATIONS_DAYS = 10
    now = timezone.now()
    closing = datetime.combine(
        now.astimezone(ALMATY).date() - timedelta(days=12), datetime.max.time(), ALMATY
    )
    for seconds in (3500, 300, 121, 119, 60, 1):
        at = closing - timedelta(seconds=seconds)
        RateObservation.objects.create(
            source="fixed", base="BTC", quote="KZT", price=seconds, observed_at=at, fetched_at=at
        )
    before = observations.prices({"BTC"}, now=closing)["BTC"].tenge
    assert rate_retention.thin(now=now) == 2
    assert list(RateObservation.objects.order_by("id").values_list("price", flat=True)) == [3500, 119, 60, 1]
    assert observations.prices({"BTC"}, now=closing)["BTC"].tenge == before == 1


def test_the_database_keeps_a_week_whatever_the_setting_says(db, settings):
    settings.RATE_OBSERVATIONS_DAYS = 0
    now = timezone.now()
    hour = (now - timedelta(days=5)).replace(minute=0, second=0, microsecond=0)
    stated(hour)
    stated(hour + timedelta(minutes=1))
    assert rate_retention.thin(now=now) == 0


@pytest.mark.parametrize("what", ["first of its hour", "official", "recent"])
def test_the_database_refuses_to_delete_anything_else(db, what):
    now = timezone.now()
    old = now - timedelta(days=40)
    hour = old.replace(minute=0, second=0, microsecond=0)
    row = {
        "first of its hour": lambda: stated(hour),
        "official": lambda: [
            keep_official(date(2026, 1, 5), "517", fetched=old),
            keep_official(date(2026, 1, 5), fetched=old),
        ][1],
        "recent": lambda: [stated(now), stated(now)][1],
    }[what]()
    with pytest.raises(DatabaseError, match="not deleted"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM payments_rateobservation WHERE id = %s", [row.pk])
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        RateObservation.objects.filter(pk=row.pk).update(price=2)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE payments_rateobservation")
    assert RateObservation.objects.filter(pk=row.pk).exists()


def test_coingeckos_tenge_make_a_third_way_to_them(server):
    server.answers["/api/v3/simple/price"] = Answer(coingecko(usdt_tenge="519.00"))
    observations.fetch_all(now=NOW)
    legs = observations.prices({"BTC"}, now=NOW)["BTC"].assessment.legs
    assert {path.source: path.tenge for path in legs.paths} == {
        "binance": Decimal("519.90"),
        "coingecko": Decimal("519"),
        "national-bank": Decimal("518.2240875"),
    }
    assert legs.taken.source == "coingecko"


def test_the_command_fetches_the_official_rates_of_past_days(server, capsys):
    server.answers = {
        "/rss/get_rates.cfm": Answer(INFO),
        "/rss/get_rates.cfm?fdate=20.03.2026": Answer(bank(date="20.03.2026", usd="503.1")),
        "/rss/get_rates.cfm?fdate=26.03.2026": Answer(bank(date="26.03.2026", usd="504,2")),
    }
    call_command("fetch_official_rates", "2026-03-24", "2026-03-26")
    assert capsys.readouterr().out.splitlines() == [
        "2026-03-24 503.1 (of 2026-03-20)",
        "2026-03-25 503.1 (of 2026-03-20)",
        "2026-03-26 504.2 (of 2026-03-26)",
    ]
    with pytest.raises(CommandError, match="2026-04-03: national bank: no rates from 27.03.2026"):
        call_command("fetch_official_rates", "2026-04-03", "2026-04-03")
    with pytest.raises(CommandError, match="not after today"):
        call_command("fetch_official_rates", "2026-04-03", "2999-01-01")
