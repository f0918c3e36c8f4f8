"""Prices: which path is taken, and when none is."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.quoting import Observation, RateUnavailable, Rules, amount_due_minor, price

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
RULES = Rules(age_max=timedelta(seconds=120), official_deviation_max=Decimal("0.05"), official_required=True)


def observe(base, quote, text, at=NOW, source="binance"):
    return Observation(source, base, quote, Decimal(text), at)


MARKET = [observe("BTC", "USDT", "64000"), observe("USDT", "KZT", "520")]
OFFICIAL = observe("USD", "KZT", "515", MIDNIGHT, "national-bank")


def test_a_coin_goes_over_usdt_to_tenge():
    found = price("BTC", [*MARKET, OFFICIAL], rules=RULES, now=NOW)
    assert found.tenge == Decimal("33280000")
    assert found.observations == (*MARKET, OFFICIAL)


def test_usdt_is_the_market_pair():
    assert price("USDT", [*MARKET, OFFICIAL], rules=RULES, now=NOW).tenge == Decimal("520")


def test_a_direct_price_goes_first_and_the_newest_counts():
    rules = Rules(RULES.age_max, RULES.official_deviation_max, official_required=False)
    observations = [
        observe("BTC", "KZT", "1", NOW - timedelta(seconds=9)),
        observe("BTC", "KZT", "2"),
        *MARKET,
    ]
    assert price("BTC", observations, rules=rules, now=NOW).tenge == 2


@pytest.mark.parametrize(
    ("observations", "reason"),
    [
        ([], "no fresh price"),
        ([MARKET[0], OFFICIAL], "no fresh price"),
        ([MARKET[1], OFFICIAL], "no fresh price"),
        (
            [observe("BTC", "USDT", "64000", NOW - timedelta(seconds=121)), MARKET[1], OFFICIAL],
            "no fresh price",
        ),
        ([MARKET[0], observe("USDT", "KZT", "520", NOW - timedelta(days=1)), OFFICIAL], "no fresh price"),
        (MARKET, "no official dollar rate"),
        ([*MARKET, observe("USD", "KZT", "515", NOW - timedelta(days=6))], "no official dollar rate"),
        ([*MARKET, observe("USD", "KZT", "400", MIDNIGHT)], "too far from the official"),
        ([*MARKET, observe("USD", "KZT", "600", MIDNIGHT)], "too far from the official"),
    ],
)
def test_no_price_is_guessed(observations, reason):
    with pytest.raises(RateUnavailable, match=reason):
        price("BTC", observations, rules=RULES, now=NOW)


@pytest.mark.parametrize("number", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), 1.5, 1])
def test_an_observation_is_a_positive_decimal(number):
    with pytest.raises(ValueError, match="positive finite Decimal"):
        Observation("x", "BTC", "KZT", number, NOW)


@pytest.mark.parametrize(
    ("tiyn", "rate", "decimals", "quote_decimals", "minor"),
    [
        (1_250_000, "34000000", 8, 8, 36_765),  # 12 500 ₸ / 34 000 000 = 0.000367647… BTC, up
        (340_000, "34000000", 8, 8, 10_000),  # exact: nothing is added
        (1_000_000, "500", 6, 4, 20_000_000),
        (1_000_001, "500", 6, 4, 20_000_100),  # the next ten-thousandth of a USDT
        (1, "34000000", 8, 8, 1),  # never nothing
        (1_000_000, "1700000", 18, 8, 5_882_360_000_000_000),
    ],
)
def test_amounts_due(tiyn, rate, decimals, quote_decimals, minor):
    assert amount_due_minor(tiyn, Decimal(rate), decimals=decimals, quote_decimals=quote_decimals) == minor


@given(
    st.integers(1, 10**12),
    st.decimals(min_value="0.000001", max_value="1e9", places=6),
    st.integers(0, 18),
    st.integers(0, 18),
)
def test_the_amount_due_is_enough_and_at_most_one_step_more(tiyn, rate, decimals, shorter):
    quote_decimals = max(0, decimals - shorter)
    minor = amount_due_minor(tiyn, rate, decimals=decimals, quote_decimals=quote_decimals)
    step = 10 ** (decimals - quote_decimals)
    exact = Fraction(tiyn, 100) / Fraction(rate) * 10**decimals
    assert minor % step == 0
    assert minor - step < exact <= minor
