"""What a quote keeps of its price can be read again, in both shapes that were ever written."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from payments import rate_record
from payments.quoting import price
from payments.rate_paths import product
from tests.payments.test_quoting import ALL, NOW, RULES, TODAY, observe, official


def record_of(observations=ALL, symbol="BTC"):
    written = rate_record.write(price(symbol, observations, rules=RULES, now=NOW).assessment)
    return rate_record.read(json.loads(json.dumps(written)))


def test_what_is_written_is_read():
    odd = [*ALL, observe("odd", "BTC/USD", "70000"), observe("odd", "USDT/USD", "1")]
    found, record = price("BTC", odd, rules=RULES, now=NOW), record_of(odd)
    assert (record.symbol, record.tenge, record.spread_tenge) == ("BTC", found.tenge, found.assessment.spread)
    assert [path.source for path in record.kept] == ["binance", "coinbase", "coingecko", "kraken"]
    assert [path.source for path in record.left_out] == ["odd"]
    assert record.official == official()
    for path, made in zip(record.kept, found.assessment.paths, strict=True):
        assert (path.tenge, path.steps, path.observed_at) == (made.tenge, made.steps, NOW)
        assert product(path.steps) == path.tenge


def test_the_shape_is_the_documented_one():
    written = rate_record.write(price("BTC", ALL, rules=RULES, now=NOW).assessment)
    assert written["version"] == 2
    assert written["tenge"] == "33296623.376623376624"
    assert written["paths"][-1] == {
        "source": "kraken",
        "tenge": "33379640.718562874251",
        "left_out": False,
        "steps": [
            {"source": "kraken", "pair": "BTC/USD", "price": "64320", "observed_at": NOW.isoformat(), "inverted": False},
            {"source": "kraken", "pair": "USDT/USD", "price": "1.002", "observed_at": NOW.isoformat(), "inverted": True},
            {"source": "binance", "pair": "USDT/KZT", "price": "520", "observed_at": NOW.isoformat(), "inverted": False},
        ],
    }  # fmt: skip
    assert written["tenge_legs"] == [
        {"source": "binance", "tenge": "520", "taken": True},
        {"source": "national-bank", "tenge": "515.515", "taken": False},
    ]
    assert written["official"] == {
        "source": "national-bank",
        "pair": "USD/KZT",
        "price": "515",
        "date": "2026-11-23",
        "requested_date": "2026-11-23",
    }


def test_a_weekends_official_rate_keeps_both_days():
    day = TODAY - timedelta(days=2)
    record = record_of([*ALL[:-1], official(day=day, requested=TODAY)])
    assert (record.official.rate_date, record.official.requested_date) == (day, TODAY)


def test_the_summary_is_one_line():
    odd = [*ALL, observe("odd", "BTC/USD", "70000"), observe("odd", "USDT/USD", "1")]
    assert record_of(odd).summary == (
        "binance 33280000 17:00:00, coinbase 33280000 17:00:00, coingecko 33313246.75 17:00:00, "
        "kraken 33379640.72 17:00:00; - odd 36400000 17:00:00; spread 0.30 %; national-bank 515 2026-11-23"
    )


def test_a_price_set_by_hand_has_one_path_and_no_official_rate(world):
    from tests import world as city

    quote = city.make_invoice(world.store).quotes.get(asset_id="BTC")
    record = rate_record.read(quote.rate_sources)
    assert (record.tenge, record.official, record.spread_percent) == (quote.rate_tenge, None, 0)
    assert record.summary == "fixed 34000000 17:00:00"


def test_a_quote_of_before_is_read_as_one_path():
    """Version 1: the steps of its path, and the official rate with the instant from which it held."""
    rows = [
        {"source": "binance", "pair": "BTC/USDT", "price": "64000.10", "observed_at": "2026-11-23T12:00:00+00:00"},
        {"source": "binance", "pair": "USDT/KZT", "price": "519.90", "observed_at": "2026-11-23T11:59:00+00:00"},
        {"source": "national-bank", "pair": "USD/KZT", "price": "518.25", "observed_at": "2026-11-22T19:00:00+00:00"},
    ]  # fmt: skip
    record = rate_record.read(rows)
    assert (record.symbol, record.tenge, record.spread_tenge) == ("BTC", Decimal("33273651.99"), 0)
    assert record.official.rate_date == date(2026, 11, 23)
    assert record.paths[0].observed_at == datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
    assert rate_record.read(rows[:1]).official is None


@pytest.mark.parametrize(
    "document",
    [
        None,
        7,
        "text",
        {},
        {"version": 3},
        {"version": 2},
        {"version": 2, "symbol": "BTC", "tenge": "x", "spread_tenge": "0", "paths": [], "official": None},
        [7],
        [{"source": "a", "pair": "BTC/KZT", "price": "NaN", "observed_at": "2026-11-23T12:00:00+00:00"}],
        [{"source": "a", "pair": "BTC/KZT", "price": "1", "observed_at": "yesterday"}],
    ],
)
def test_anything_else_is_refused(document):
    with pytest.raises(ValueError):
        rate_record.read(document)
