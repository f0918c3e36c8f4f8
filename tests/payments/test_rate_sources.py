"""The rate sources against a server that answers as the real ones do, and as they should not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from alatau_pay.http import BadAnswer, Unreachable
from payments import observations
from payments.models import RateObservation
from payments.quoting import RateUnavailable
from payments.rates import RateRefused
from payments.rates.binance import Binance
from payments.rates.fixed import Fixed
from payments.rates.national_bank import NationalBank
from tests.foreign_server import Answer

# 01:30 on the 24th in Almaty.
NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
TICKERS = (
    b'[{"symbol":"BTCUSDT","price":"64000.10000000"},{"symbol":"ETHUSDT","price":"3200.5"},'
    b'{"symbol":"USDTKZT","price":"519.90"}]'
)


def bank_answer(date="24.11.2026", usd="518.25", quant="1", title="USD"):
    return f"""<?xml version="1.0" encoding="utf-8"?><rates><generator>x</generator><date>{date}</date>
    <item><fullname>ДОЛЛАР США</fullname><title>{title}</title><description>{usd}</description><quant>{quant}</quant>
    <index/><change>0.00</change></item><item><fullname>ДРАМ</fullname><title>AMD</title><description>13.4</description>
    <quant>10</quant><index/><change/></item></rates>""".encode()


@pytest.fixture
def server(foreign_server, settings):
    settings.BINANCE_URL = settings.NATIONAL_BANK_URL = foreign_server.url
    foreign_server.answers["/api/v3/ticker/price"] = Answer(TICKERS)
    foreign_server.answers["/rss/get_rates.cfm"] = Answer(bank_answer())
    return foreign_server


def test_binance_is_asked_once_for_all_pairs(server):
    prices = {(row.base, row.quote): row.price for row in Binance().fetch(now=NOW)}
    assert prices == {
        ("BTC", "USDT"): Decimal("64000.1"),
        ("ETH", "USDT"): Decimal("3200.5"),
        ("USDT", "KZT"): Decimal("519.90"),
    }
    query = parse_qs(urlsplit(server.asked[0].path).query)
    assert query == {"symbols": ['["BTCUSDT","ETHUSDT","USDTKZT"]']}


def test_the_national_bank_is_asked_for_todays_date_in_almaty(server):
    (row,) = NationalBank().fetch(now=NOW)
    assert (row.base, row.quote, row.price) == ("USD", "KZT", Decimal("518.25"))
    assert row.observed_at == datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
    assert parse_qs(urlsplit(server.asked[0].path).query) == {"fdate": ["24.11.2026"]}


def test_a_rate_for_many_units_is_divided_and_a_comma_is_read(server):
    server.answers["/rss/get_rates.cfm"] = Answer(bank_answer(usd="5182,50", quant="10"))
    assert NationalBank().fetch(now=NOW)[0].price == Decimal("518.25")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bank_answer(date="23.11.2026"), "asked for 24.11.2026, answered for 23.11.2026"),
        (
            "<rates><date>24.11.2026</date><info>на выбранную дату информации нет.</info></rates>".encode(),
            "no rates for",
        ),
        (b"<html><body>Service</body></html>", "answer is <html>"),
        (b"garbage", "not XML"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><rates><date>&a;</date></rates>', "not XML"),
        (bank_answer(title="EUR"), "no dollar"),
        (bank_answer(usd="NaN"), "not positive"),
        (bank_answer(usd="x"), "not a number"),
        (bank_answer(usd="-1"), "not positive"),
        (bank_answer(quant="0"), "not positive"),
    ],
)
def test_what_the_national_bank_may_not_say(server, body, reason):
    server.answers["/rss/get_rates.cfm"] = Answer(body)
    with pytest.raises(RateRefused, match=reason):
        NationalBank().fetch(now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"null",
        b'{"code":-1121,"msg":"Invalid symbol."}',
        TICKERS.replace(b"519.90", b"0"),
        TICKERS.replace(b"519.90", b"NaN"),
        TICKERS.replace(b"519.90", b"about five hundred"),
        TICKERS.replace(b"USDTKZT", b"USDTRUB"),
    ],
)
def test_what_binance_may_not_say(server, body):
    server.answers["/api/v3/ticker/price"] = Answer(body)
    with pytest.raises(RateRefused):
        Binance().fetch(now=NOW)


@pytest.mark.parametrize("source", [Binance, NationalBank])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=500), Unreachable),
        (Answer(status=429), Unreachable),
        (Answer(status=404), BadAnswer),
        (Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}), BadAnswer),
        (Answer(body=b"x" * 5_000_001), BadAnswer),
    ],
)
def test_a_server_in_trouble_is_named_by_type(server, source, answer, error):
    server.answers = {"/": answer}
    with pytest.raises(error):
        source().fetch(now=NOW)


def test_a_server_that_is_not_there(settings):
    settings.BINANCE_URL = "http://127.0.0.1:1"
    with pytest.raises(Unreachable):
        Binance().fetch(now=NOW)


def test_fixed_prices(settings):
    settings.FIXED_RATES = {"BTC": Decimal(34_000_000)}
    (row,) = Fixed().fetch(now=NOW)
    assert (row.base, row.quote, row.price, row.observed_at) == ("BTC", "KZT", Decimal(34_000_000), NOW)


@pytest.fixture
def both_sources(settings, server, db):
    settings.RATE_SOURCES = ["payments.rates.binance.Binance", "payments.rates.national_bank.NationalBank"]
    return server


def test_what_was_fetched_is_kept_and_quoted(both_sources):
    assert observations.fetch_all(now=NOW) == {"binance": "", "national-bank": ""}
    found = observations.prices({"BTC", "USDT"}, now=NOW + timedelta(seconds=60))
    assert found["BTC"].tenge == Decimal("64000.1") * Decimal("519.90")
    assert found["USDT"].tenge == Decimal("519.90")


def test_a_daily_rate_is_one_fact_however_often_it_is_fetched(both_sources):
    observations.fetch_all(now=NOW)
    observations.fetch_all(now=NOW + timedelta(seconds=30))
    assert RateObservation.objects.filter(source="national-bank").count() == 1
    assert RateObservation.objects.filter(source="binance").count() == 6


@pytest.mark.parametrize(
    "answer", [Answer(status=500), Answer(b"garbage"), Answer(bank_answer(date="23.11.2026"))]
)
def test_a_source_in_trouble_writes_nothing_of_its_own_and_says_why(both_sources, answer):
    both_sources.answers["/rss/get_rates.cfm"] = answer
    outcome = observations.fetch_all(now=NOW)
    assert outcome["binance"] == ""
    assert outcome["national-bank"]
    assert not RateObservation.objects.filter(source="national-bank").exists()
    with pytest.raises(RateUnavailable, match="no official dollar rate"):
        observations.prices({"BTC"}, now=NOW)


def test_old_prices_are_not_quoted(both_sources):
    observations.fetch_all(now=NOW)
    with pytest.raises(RateUnavailable, match="no fresh price of BTC"):
        observations.prices({"BTC"}, now=NOW + timedelta(seconds=121))
