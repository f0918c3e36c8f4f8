"""Prices: which paths make them, which are left out, and when there is none."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from payments.quoting import (
    RateUnavailable,
    Rules,
    Stop,
    amount_due_minor,
    assess,
    official_tenge,
    price,
)
from payments.rate_paths import Observation

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)


def rules(**changes):
    percents = {"outlier_max": "0.02", "spread_max": "0.03", "official_deviation_max": "0.05"}
    values = {name: Decimal(text) for name, text in percents.items()}
    return Rules(
        **{
            **values,
            "age_max": timedelta(seconds=120),
            "official_days_max": 7,
            "paths_min": 2,
            "official_required": True,
            **changes,
        }
    )


RULES = rules()


def observe(source, pair, text, at=NOW):
    base, quote = pair.split("/")
    return Observation(source, base, quote, Decimal(text), at)


def official(text="515", day=TODAY, requested=None):
    since = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=5)
    return Observation("national-bank", "USD", "KZT", Decimal(text), since, day, requested or day)


BINANCE = [observe("binance", "BTC/USDT", "64000"), observe("binance", "USDT/KZT", "520")]
KRAKEN = [observe("kraken", "BTC/USD", "64320"), observe("kraken", "USDT/USD", "1.002")]
COINBASE = [observe("coinbase", "BTC/USD", "63936"), observe("coinbase", "USDT/USD", "0.999")]
GECKO = [observe("coingecko", "BTC/USD", "64128"), observe("coingecko", "USDT/USD", "1.001")]
GECKO_TENGE = [observe("coingecko", "BTC/KZT", "33300000"), observe("coingecko", "USDT/KZT", "517")]
ALL = [*BINANCE, *KRAKEN, *COINBASE, *GECKO, official()]


def worths(paths):
    return {path.source: path.tenge for path in paths}


def test_the_price_is_the_median_of_one_path_a_source():
    found = price("BTC", ALL, rules=RULES, now=NOW)
    # 64 000; 64 320/1.002; 63 936/0.999 = 64 000; 64 128/1.001, each times 520.
    assert worths(found.assessment.paths) == {
        "binance": Decimal("33280000"),
        "kraken": Decimal("33379640.718562874251"),
        "coinbase": Decimal("33280000"),
        "coingecko": Decimal("33313246.753246753247"),
    }
    assert found.tenge == Decimal(
        "33296623.376623376624"
    )  # the mean of 33 280 000 and 33 313 246.753246753247, half-even
    assert found.assessment.spread == Decimal("33379640.718562874251") - Decimal("33280000")
    assert found.assessment.official == official()
    assert found.assessment.left_out == ()


def test_at_the_official_rate_a_coin_is_its_price_in_dollars_times_the_banks_dollar():
    """64 000 USDT × 1.001, 64 320, 63 936 and 64 128 dollars at 515; the market's USDT/KZT has no part in it."""
    assert official_tenge("BTC", ALL, rules=RULES, now=NOW) == Decimal(33_009_440)
    assert official_tenge("BTC", [*ALL, *GECKO_TENGE], rules=RULES, now=NOW) == Decimal(32_992_960)
    strayed = [*BINANCE[:1], observe("binance", "USDT/KZT", "580"), *KRAKEN, *COINBASE, *GECKO, official()]
    assert official_tenge("BTC", strayed, rules=RULES, now=NOW) == Decimal(33_009_440)


@pytest.mark.parametrize(
    "observed",
    [
        [*BINANCE, *KRAKEN, *COINBASE],
        [*KRAKEN, official()],
        [
            observe("kraken", "BTC/USD", "64320"),
            observe("coinbase", "BTC/USD", "70000"),
            *GECKO[1:],
            official(),
        ],
        [observe("fixed", "BTC/KZT", "34000000"), official()],
    ],
    ids=["no official rate", "one path", "paths differ", "no dollars"],
)
def test_what_cannot_be_said_at_the_official_rate_is_not_said(observed):
    assert official_tenge("BTC", observed, rules=RULES, now=NOW) is None


def test_a_path_tells_its_steps():
    (kraken,) = [p for p in price("BTC", ALL, rules=RULES, now=NOW).assessment.paths if p.source == "kraken"]
    pairs = [
        (step.observation.source, f"{step.observation.base}/{step.observation.quote}", step.inverted)
        for step in kraken.steps
    ]
    assert pairs == [
        ("kraken", "BTC/USD", False),
        ("kraken", "USDT/USD", True),
        ("binance", "USDT/KZT", False),
    ]


def test_usdt_is_the_market_pair_with_the_official_rate_beside_it():
    found = price("USDT", ALL, rules=RULES, now=NOW)
    assert found.tenge == 520
    # 1.001 is the middle one of what three sources say of USDT in dollars.
    assert worths(found.assessment.paths) == {
        "binance": Decimal(520),
        "national-bank": Decimal("515.515"),
    }


def test_of_three_ways_to_tenge_the_middle_one_is_taken():
    found = price("USDT", [*ALL, *GECKO_TENGE], rules=RULES, now=NOW)
    assert found.tenge == 517


def test_a_price_in_tenge_of_the_sources_own_goes_before_its_dollars():
    found = price("BTC", [*ALL, *GECKO_TENGE], rules=RULES, now=NOW)
    assert worths(found.assessment.paths)["coingecko"] == 33_300_000


def test_the_newest_of_a_source_counts():
    older = observe("binance", "BTC/USDT", "1", NOW - timedelta(seconds=9))
    for observations in ([older, *ALL], [*ALL, older]):
        assert (
            worths(price("BTC", observations, rules=RULES, now=NOW).assessment.paths)["binance"] == 33_280_000
        )


def test_an_outlier_is_named_and_left_out():
    odd = [each for each in ALL if (each.source, each.base) != ("kraken", "BTC")]
    found = price("BTC", [*odd, observe("kraken", "BTC/USD", "70000")], rules=RULES, now=NOW)
    assert worths(found.assessment.left_out) == {"kraken": Decimal("36327345.309381237525")}
    assert found.tenge == 33_280_000  # of 33 280 000 twice and 33 313 246.75
    assert found.assessment.spread == Decimal("33246.753246753247")


def stop_of(observations, *, symbol="BTC", by=RULES):
    with pytest.raises(RateUnavailable) as refused:
        price(symbol, observations, rules=by, now=NOW)
    return refused.value.stop, str(refused.value)


def test_fewer_than_two_fresh_paths_are_no_price():
    stop, words = stop_of([*BINANCE, official(), observe("kraken", "USDT/USD", "1")])
    assert stop is Stop.TOO_FEW_PATHS
    assert words == "BTC: only 1 fresh path (binance 33280000) to tenge, 2 needed"
    assert price("BTC", [*BINANCE, official(), *KRAKEN], rules=RULES, now=NOW).tenge > 0


def test_a_tenge_leg_that_nothing_stands_beside_is_no_price():
    """Two coin legs over one dollar: were that one broken, both paths would lie alike."""
    no_market = [each for each in ALL if (each.base, each.quote) != ("USDT", "KZT")]
    stop, words = stop_of(no_market)
    assert stop is Stop.TOO_FEW_PATHS
    assert "only 1 fresh path (national-bank 515.52) from USDT to tenge" in words


def test_where_one_path_is_enough_the_official_dollar_alone_is_too():
    no_market = [each for each in ALL if (each.base, each.quote) != ("USDT", "KZT")]
    found = price("BTC", no_market, rules=rules(paths_min=1), now=NOW)
    # Dollars times the official rate; USDT first becomes dollars at the middle of 0.999, 1.001 and 1.002.
    assert worths(found.assessment.paths) == {
        "binance": Decimal("64000") * Decimal("1.001") * 515,
        "kraken": Decimal(64320 * 515),
        "coinbase": Decimal(63936 * 515),
        "coingecko": Decimal(64128 * 515),
    }


def test_prices_set_by_hand_need_no_other():
    by = rules(paths_min=1, official_required=False)
    fixed = [observe("fixed", "BTC/KZT", "34000000"), observe("fixed", "USDT/KZT", "495")]
    assert price("BTC", fixed, rules=by, now=NOW).tenge == 34_000_000
    assert price("USDT", fixed, rules=by, now=NOW).tenge == 495
    assert price("BTC", fixed[:1], rules=by, now=NOW).tenge == 34_000_000


@pytest.mark.parametrize("age", [121, 10_000, -6])
def test_an_old_price_and_one_from_ahead_are_no_price(age):
    at = NOW - timedelta(seconds=age)
    old = [observe("kraken", "BTC/USD", "64320", at), observe("kraken", "USDT/USD", "1.002")]
    assert stop_of([*BINANCE, *old, official()])[0] is Stop.TOO_FEW_PATHS
    assert stop_of([observe("binance", "USDT/KZT", "520", at), *ALL[:1], *ALL[2:]])[0] is Stop.TOO_FEW_PATHS


@pytest.mark.parametrize("age", [120, 0, -5])
def test_a_price_is_fresh_for_two_minutes(age):
    at = NOW - timedelta(seconds=age)
    moved = [Observation(o.source, o.base, o.quote, o.price, at) for o in [*BINANCE, *KRAKEN]]
    assert price("BTC", [*moved, official()], rules=RULES, now=NOW).tenge > 0


@pytest.mark.parametrize(
    ("usdt", "rate"), [("520", "495.2"), ("520", "547.4"), ("500", "476"), ("515", "400")]
)
def test_usdt_far_from_the_official_dollar_stops_every_coin(usdt, rate):
    observations = [BINANCE[0], observe("binance", "USDT/KZT", usdt), *KRAKEN, *COINBASE, official(rate)]
    for symbol in ("BTC", "USDT"):
        stop, words = stop_of(observations, symbol=symbol)
        assert stop is Stop.DOLLAR_STRAYS
        assert f"USDT/KZT {usdt} strays too far from the official dollar {rate}" in words


@pytest.mark.parametrize("rate", ["495.3", "547.3"])
def test_usdt_near_enough_to_the_official_dollar_is_quoted(rate):
    level = observe("kraken", "USDT/USD", "1")
    assert price("USDT", [*BINANCE, level, official(rate)], rules=RULES, now=NOW).tenge == 520


def test_of_two_paths_left_of_three_the_one_in_the_middle_is_taken():
    three = [
        observe(name, "BTC/USDT", text) for name, text in (("a", "64000"), ("b", "64100"), ("c", "70000"))
    ]
    found = price("BTC", [*three, BINANCE[1], KRAKEN[1], official()], rules=RULES, now=NOW)
    assert worths(found.assessment.left_out) == {"c": Decimal(36_400_000)}
    assert found.tenge == 64_100 * 520


def test_a_market_that_strays_alone_is_outvoted_where_there_are_three():
    observations = [*ALL[:1], observe("binance", "USDT/KZT", "600"), *ALL[2:], *GECKO_TENGE]
    found = price("BTC", observations, rules=RULES, now=NOW)
    assert worths(found.assessment.legs.left_out) == {"binance": Decimal(600)}
    assert worths(found.assessment.paths)["binance"] == 64_000 * 517


def test_a_devalued_tenge_stops_quoting_until_the_bank_says_so_too():
    """Both markets agree at 620; the official rate is of this morning."""
    market = [observe("binance", "USDT/KZT", "620"), observe("coingecko", "USDT/KZT", "618")]
    assert stop_of([BINANCE[0], *market, *KRAKEN, official()])[0] is Stop.DOLLAR_STRAYS
    assert price("BTC", [BINANCE[0], *market, *KRAKEN, official("615")], rules=RULES, now=NOW).tenge > 0


def test_without_the_official_rate_nothing_is_quoted_where_it_is_set_up():
    assert stop_of(ALL[:-1])[0] is Stop.OFFICIAL_MISSING
    assert stop_of(ALL[:-1], symbol="USDT")[0] is Stop.OFFICIAL_MISSING


def test_over_a_weekend_the_last_official_rate_holds_and_not_for_ever():
    for days, expected in ((2, None), (7, None), (8, Stop.OFFICIAL_MISSING)):
        day = TODAY - timedelta(days=days)
        observations = [*ALL[:-1], official(day=day, requested=TODAY)]
        assert assess("BTC", observations, rules=RULES, now=NOW).stop is expected


def test_the_official_rate_of_tomorrow_does_not_hold_yet():
    found = price("BTC", [*ALL, official("600", TODAY + timedelta(days=1))], rules=RULES, now=NOW)
    assert found.assessment.official == official()


def test_at_midnight_in_almaty_the_next_days_rate_holds():
    tomorrow = official("516", TODAY + timedelta(days=1))
    for seconds, rate in ((-1, "515"), (0, "516")):
        at = datetime(2026, 11, 23, 19, 0, tzinfo=UTC) + timedelta(seconds=seconds)
        moved = [Observation(o.source, o.base, o.quote, o.price, at) for o in [*BINANCE, *KRAKEN]]
        found = price("BTC", [*moved, official(), tomorrow], rules=RULES, now=at)
        assert found.assessment.official.price == Decimal(rate)


def test_paths_that_differ_too_much_are_no_price():
    apart = [observe("kraken", "BTC/USD", "66000"), observe("kraken", "USDT/USD", "1")]
    stop, words = stop_of([*BINANCE, *apart, official()])
    assert stop is Stop.PATHS_DIFFER
    assert words == "BTC: the paths differ too much: binance 33280000, kraken 34320000"
    near = [observe("kraken", "BTC/USD", "65900"), observe("kraken", "USDT/USD", "1")]
    assert price("BTC", [*BINANCE, *near, official()], rules=RULES, now=NOW).tenge == Decimal("33774000")


def test_two_camps_are_no_price():
    camps = [observe(name, "BTC/USDT", text) for name, text in zip("abcd", (100, 100, 110, 110), strict=True)]
    assert stop_of([*camps, BINANCE[1], KRAKEN[1], official()])[0] is Stop.PATHS_DIFFER


def test_two_camps_of_ways_to_tenge_are_no_price():
    """500 is near enough to the official 526, and has 499 at its side; 526.526 and 530 are too far from it."""
    camps = [observe(name, "USDT/KZT", text) for name, text in zip("abc", ("499", "500", "530"), strict=True)]
    ways = [*camps, observe("kraken", "USDT/USD", "1.001"), official("526")]
    assert stop_of([BINANCE[0], *KRAKEN[:1], *ways])[0] is Stop.PATHS_DIFFER
    assert stop_of(ways, symbol="USDT")[0] is Stop.PATHS_DIFFER


def test_of_two_who_say_what_usdt_is_in_dollars_the_lower_is_taken():
    two = [observe("kraken", "USDT/USD", "1.002"), observe("coinbase", "USDT/USD", "0.999")]
    found = price("USDT", [BINANCE[1], *two, official()], rules=RULES, now=NOW)
    assert worths(found.assessment.paths)["national-bank"] == Decimal("514.485")


@pytest.mark.parametrize(("far", "is_left_out"), [("102", False), ("102.000001", True)])
def test_a_path_at_the_limit_to_the_median_is_kept(far, is_left_out):
    paths = [observe(name, "BTC/USDT", text) for name, text in zip("abc", ("100", "100", far), strict=True)]
    found = price("BTC", [*paths, BINANCE[1], KRAKEN[1], official()], rules=RULES, now=NOW)
    assert bool(found.assessment.left_out) == is_left_out


def test_the_breaker_of_one_coin_does_not_stop_another():
    ether = [observe("binance", "ETH/USDT", "3200"), observe("kraken", "ETH/USD", "3500")]
    assert stop_of([*ALL, *ether], symbol="ETH")[0] is Stop.PATHS_DIFFER
    assert price("BTC", [*ALL, *ether], rules=RULES, now=NOW).tenge > 0
    assert stop_of(ALL, symbol="ETH")[0] is Stop.TOO_FEW_PATHS


def test_a_price_of_next_to_nothing_makes_no_path():
    dust = observe("dust", "BTC/USDT", "0.000000000000001")
    assert (
        price("BTC", [*ALL, dust], rules=RULES, now=NOW).tenge
        == price("BTC", ALL, rules=RULES, now=NOW).tenge
    )


@pytest.mark.parametrize("number", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), 1.5, 1])
def test_an_observation_is_a_positive_decimal(number):
    with pytest.raises(ValueError, match="positive finite Decimal"):
        Observation("x", "BTC", "KZT", number, NOW)


numbers = st.decimals(min_value="0.9", max_value="1.1", places=6)
coins = st.dictionaries(st.sampled_from("abcdefgh"), numbers, min_size=1, max_size=8)


def market(coin_by_source, usdt="520", rate="515"):
    return [
        *(observe(name, "BTC/USDT", 64_000 * number) for name, number in coin_by_source.items()),
        observe("binance", "USDT/KZT", usdt),
        observe("kraken", "USDT/USD", "1"),
        official(rate),
    ]


@given(coins)
def test_the_price_is_within_its_paths_and_they_within_the_limits(coin_by_source):
    found = assess("BTC", market(coin_by_source), rules=RULES, now=NOW)
    if found.tenge is None:
        return
    worth = [path.tenge for path in found.paths]
    assert min(worth) <= found.tenge <= max(worth)
    assert Fraction(max(worth)) <= Fraction(min(worth)) * Fraction(103, 100)
    assert len(found.paths) >= 2
    assert len(found.paths) > len(found.left_out)
    assert {path.source for path in found.paths + found.left_out} == coin_by_source.keys()


@given(
    st.dictionaries(
        st.sampled_from("abcdefgh"), st.decimals("0.98", "1.02", places=6), min_size=2, max_size=6
    ),
    st.decimals(min_value="0.000001", max_value="1000000", places=6),
)
def test_one_broken_source_never_moves_the_price_out_of_the_others_range(honest, lie):
    found = assess("BTC", market({**honest, "liar": lie}), rules=RULES, now=NOW)
    if found.tenge is not None:
        worth = [64_000 * number * 520 for number in honest.values()]
        assert min(worth) <= found.tenge <= max(worth)


@given(
    st.lists(st.decimals("510", "530", places=3), min_size=2, max_size=3),
    st.decimals(min_value="0.001", max_value="100000", places=3),
    st.integers(0, 2),
)
def test_one_broken_way_to_tenge_is_never_taken_out_of_the_range_of_two_others(honest, lie, place):
    """The bank and two markets, one of the three broken: what a dollar costs stays between the other two."""
    stated = [*honest[:place], lie, *honest[place:]][:3]
    bank, first, second = stated[0], stated[1], stated[-1]
    observations = [
        observe("first", "USDT/KZT", first),
        observe("second", "USDT/KZT", second),
        observe("kraken", "USDT/USD", "1"),
        official(bank),
    ]
    found = assess("USDT", observations, rules=RULES, now=NOW)
    others = sorted([bank, first, second])
    if found.tenge is not None:
        assert found.tenge == others[1]


@given(coins, st.decimals("0.001", "0.5", places=3), st.decimals("0.001", "0.5", places=3))
def test_a_stricter_spread_never_lets_through_what_a_looser_one_stopped(coin_by_source, one, other):
    looser, stricter = max(one, other), min(one, other)
    observations = market(coin_by_source)
    if assess("BTC", observations, rules=rules(spread_max=looser), now=NOW).tenge is None:
        assert assess("BTC", observations, rules=rules(spread_max=stricter), now=NOW).tenge is None


@given(
    st.decimals("400", "650", places=2),
    st.decimals("0.001", "0.4", places=3),
    st.decimals("0.001", "0.4", places=3),
)
def test_a_stricter_limit_to_the_official_dollar_never_lets_more_through(usdt, one, other):
    looser, stricter = max(one, other), min(one, other)
    observations = market({"a": 1, "b": 1}, usdt=usdt)
    if assess("BTC", observations, rules=rules(official_deviation_max=looser), now=NOW).tenge is None:
        assert (
            assess("BTC", observations, rules=rules(official_deviation_max=stricter), now=NOW).tenge is None
        )


@given(st.decimals("400", "650", places=2), st.decimals("1", "1.5", places=3))
def test_the_further_usdt_strays_the_surer_it_stops(usdt, factor):
    away = usdt * factor if usdt > 515 else usdt / factor
    away = away.quantize(Decimal("0.001"))
    assume(away > 0)
    if assess("BTC", market({"a": 1, "b": 1}, usdt=usdt), rules=RULES, now=NOW).tenge is None:
        assert assess("BTC", market({"a": 1, "b": 1}, usdt=away), rules=RULES, now=NOW).tenge is None


@given(coins, st.integers(1, 4), st.integers(0, 4))
def test_more_paths_needed_never_let_more_through(coin_by_source, least, more):
    observations = market(coin_by_source)
    if assess("BTC", observations, rules=rules(paths_min=least), now=NOW).tenge is None:
        assert assess("BTC", observations, rules=rules(paths_min=least + more), now=NOW).tenge is None


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
