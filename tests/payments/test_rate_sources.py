"""The rate sources against a server that answers as the real ones do, and as they should not."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alatau_pay.http import BadAnswer, ForeignServerError, Unreachable
from payments.rates import RateRefused
from payments.rates.binance import Binance
from payments.rates.coinbase import Coinbase
from payments.rates.coingecko import CoinGecko
from payments.rates.fixed import Fixed
from payments.rates.kraken import Kraken
from payments.rates.national_bank import NationalBank
from tests.foreign_server import Answer
from tests.payments import rate_servers
from tests.payments.rate_servers import INFO, NOW, TICKERS, bank, coinbase, coingecko, kraken

EVERY = [Binance, Kraken, Coinbase, CoinGecko, NationalBank]
MARKETS = EVERY[:-1]


@pytest.fixture
def server(foreign_server, settings):
    rate_servers.point(settings, foreign_server)
    rate_servers.answer_well(foreign_server)
    return foreign_server


def prices(source):
    return {f"{row.base}/{row.quote}": row.price for row in source().fetch(now=NOW)}


def query(server, index=0):
    return parse_qs(urlsplit(server.asked[index].path).query)


def test_binance_is_asked_once_for_all_pairs(server):
    assert prices(Binance) == {
        "BTC/USDT": Decimal("64000.1"),
        "ETH/USDT": Decimal("3200.5"),
        "USDT/KZT": Decimal("519.90"),
    }
    assert query(server) == {"symbols": ['["BTCUSDT","ETHUSDT","USDTKZT"]']}


def test_kraken_is_asked_once_and_answers_under_its_own_names(server):
    assert prices(Kraken) == {
        "BTC/USD": Decimal("64100"),
        "ETH/USD": Decimal("3205.1"),
        "USDT/USD": Decimal("1.0001"),
    }
    assert query(server) == {"pair": ["XBTUSD,ETHUSD,USDTUSD"]}


def test_krakens_newer_names_are_known_and_its_warnings_are_none(server):
    answer = json.loads(kraken())
    renamed = {
        name.replace("XXBTZ", "XBT").replace("XETHZ", "ETH"): row for name, row in answer["result"].items()
    }
    server.answers["/0/public/Ticker"] = Answer(
        json.dumps({"error": ["WService:Degraded"], "result": renamed}).encode()
    )
    assert prices(Kraken)["BTC/USD"] == Decimal("64100")


def test_coinbase_is_asked_for_each_pair_and_says_when_it_was_traded(server):
    rows = Coinbase().fetch(now=NOW)
    assert {f"{row.base}/{row.quote}": row.price for row in rows} == {
        "BTC/USD": Decimal("64080.01"),
        "ETH/USD": Decimal("3204.5"),
        "USDT/USD": Decimal("0.99995"),
    }
    assert {row.observed_at for row in rows} == {datetime(2026, 11, 23, 20, 29, 58, 123456, tzinfo=UTC)}
    assert [asked.path for asked in server.asked] == [
        "/products/BTC-USD/ticker",
        "/products/ETH-USD/ticker",
        "/products/USDT-USD/ticker",
    ]


def test_an_old_trade_keeps_its_own_time(server):
    server.answers["/products/USDT-USD/ticker"] = Answer(coinbase("1", "2026-11-23T19:00:00Z"))
    assert Coinbase().fetch(now=NOW)[-1].observed_at == NOW - timedelta(minutes=90)


def test_coingeckos_numbers_are_read_as_they_were_sent(server):
    rows = CoinGecko().fetch(now=NOW)
    # More digits than a binary float holds; kept to twelve decimals.
    assert rows[0].price == Decimal("64050.123456789012")
    assert [(row.base, row.quote) for row in rows] == [("BTC", "USD"), ("ETH", "USD"), ("USDT", "USD")]
    assert {row.observed_at for row in rows} == {datetime(2026, 11, 23, 20, 29, 40, tzinfo=UTC)}
    assert query(server)["vs_currencies"] == ["usd,kzt"]
    assert query(server)["ids"] == ["bitcoin,ethereum,tether"]
    assert "x-cg-demo-api-key" not in {name.lower() for name in server.asked[0].headers}


def test_coingecko_states_tenge_where_it_knows_them_and_takes_a_key(server, settings):
    settings.COINGECKO_KEY = "CG-key"
    server.answers["/api/v3/simple/price"] = Answer(coingecko(usdt_tenge="520.25"))
    assert prices(CoinGecko)["USDT/KZT"] == Decimal("520.25")
    assert {name.lower(): value for name, value in server.asked[0].headers.items()}[
        "x-cg-demo-api-key"
    ] == "CG-key"


def test_the_national_bank_is_asked_for_todays_date_in_almaty(server):
    (row,) = NationalBank().fetch(now=NOW)
    assert (row.base, row.quote, row.price) == ("USD", "KZT", Decimal("518.25"))
    assert row.observed_at == datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
    assert (row.rate_date, row.requested_date) == (date(2026, 11, 24), date(2026, 11, 24))
    assert query(server) == {"fdate": ["24.11.2026"]}


def test_a_rate_for_many_units_is_divided_and_a_comma_is_read(server):
    server.answers["/rss/get_rates.cfm"] = Answer(bank(usd="5182,50", quant="10"))
    assert NationalBank().fetch(now=NOW)[0].price == Decimal("518.25")
    server.answers["/rss/get_rates.cfm"] = Answer(bank(usd="518250", quant="1000"))
    assert NationalBank().fetch(now=NOW)[0].price == Decimal("518.25")


def test_a_weekend_answered_with_the_rate_of_friday_keeps_both_days(server):
    server.answers["/rss/get_rates.cfm"] = Answer(bank(date="20.11.2026"))
    row = NationalBank().fetch_for(date(2026, 11, 22))
    assert (row.rate_date, row.requested_date) == (date(2026, 11, 20), date(2026, 11, 22))
    assert row.observed_at == datetime(2026, 11, 19, 19, 0, tzinfo=UTC)


def test_where_the_bank_has_nothing_for_a_day_the_days_before_are_asked_for(server):
    """Nauryz 2026: 21 to 25 March are holidays, the last rate is of the 20th."""
    server.answers = {
        "/rss/get_rates.cfm": Answer(INFO),
        "/rss/get_rates.cfm?fdate=20.03.2026": Answer(bank(date="20.03.2026", usd="503.1")),
    }
    row = NationalBank().fetch_for(date(2026, 3, 25))
    assert (row.price, row.rate_date, row.requested_date) == (
        Decimal("503.1"),
        date(2026, 3, 20),
        date(2026, 3, 25),
    )
    assert [query(server, i)["fdate"][0][:2] for i in range(6)] == ["25", "24", "23", "22", "21", "20"]


def test_a_rate_older_than_the_setting_is_none(server, settings):
    settings.RATE_OFFICIAL_DAYS_MAX = 4
    server.answers = {
        "/rss/get_rates.cfm": Answer(INFO),
        "/rss/get_rates.cfm?fdate=20.03.2026": Answer(bank(date="20.03.2026")),
    }
    with pytest.raises(RateRefused, match=r"no rates from 21.03.2026 to 25.03.2026"):
        NationalBank().fetch_for(date(2026, 3, 25))
    server.answers = {"/rss/get_rates.cfm": Answer(bank(date="20.03.2026"))}
    with pytest.raises(RateRefused, match="asked for 25.03.2026, answered for 20.03.2026"):
        NationalBank().fetch_for(date(2026, 3, 25))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (bank(date="25.11.2026"), "asked for 24.11.2026, answered for 25.11.2026"),
        (bank(date="24.11.2016"), "asked for 24.11.2026, answered for 24.11.2016"),
        (bank(date="2026-11-24"), "no date"),
        (bank(date=""), "no date"),
        (INFO, "no rates from 17.11.2026 to 24.11.2026"),
        (b"<html><body>Service</body></html>", "answer is <html>"),
        (b"garbage", "not XML"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><rates><date>&a;</date></rates>', "not XML"),
        (bank(title="EUR"), "no dollar"),
        (bank(usd="NaN"), "not positive"),
        (bank(usd="Infinity"), "not positive"),
        (bank(usd="x"), "not a number"),
        (bank(usd="-1"), "not positive"),
        (bank(usd="1e30"), "too great"),
        (bank(quant="0"), "not positive"),
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
        b"7",
        b'{"code":-1121,"msg":"Invalid symbol."}',
        b'[["BTCUSDT","64000"]]',
        TICKERS.replace(b'"519.90"', b'"0"'),
        TICKERS.replace(b'"519.90"', b'"-1"'),
        TICKERS.replace(b'"519.90"', b'"NaN"'),
        TICKERS.replace(b'"519.90"', b'"1_000"'),
        TICKERS.replace(b'"519.90"', b'"1e9"'),
        TICKERS.replace(b'"519.90"', b"true"),
        TICKERS.replace(b'"519.90"', b'"0.0000000000001"'),
        TICKERS.replace(b'"519.90"', b'"9999999999999999"'),
        TICKERS.replace(b'"519.90"', b'"about five hundred"'),
        TICKERS.replace(b"USDTKZT", b"USDTRUB"),
    ],
)
def test_what_binance_may_not_say(server, body):
    server.answers["/api/v3/ticker/price"] = Answer(body)
    with pytest.raises(RateRefused):
        Binance().fetch(now=NOW)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error":["EQuery:Unknown asset pair"]}', "EQuery:Unknown asset pair"),
        (b'{"error":["EGeneral:Invalid arguments"],"result":{}}', "EGeneral:Invalid arguments"),
        (b'{"error":[]}', "without prices"),
        (b'{"error":[],"result":{}}', "no price for BTC"),
        (b'{"result":{}}', "not one of Kraken's"),
        (b"[]", "not one of Kraken's"),
        (kraken().replace(b"USDTZUSD", b"USDTZEUR"), "no price for USDT"),
        (kraken(result={"XXBTZUSD": {"a": []}}), "no last trade of BTC"),
        (kraken(result={"XXBTZUSD": {"c": []}}), "no last trade of BTC"),
        (kraken(result={"XXBTZUSD": 7}), "no last trade of BTC"),
        # Not a list: its first letter would be a price.
        (kraken(result={"XXBTZUSD": {"c": "64100"}}), "no last trade of BTC"),
        (kraken(btc="0"), "not positive"),
        (kraken(btc="-64000"), "not a price"),
        (kraken(btc="NaN"), "not a price"),
    ],
)
def test_what_kraken_may_not_say(server, body, reason):
    server.answers["/0/public/Ticker"] = Answer(body)
    with pytest.raises(RateRefused, match=reason):
        Kraken().fetch(now=NOW)


@pytest.mark.parametrize(
    "word",
    ["EGeneral:Too many requests", "EAPI:Rate limit exceeded", "EService:Unavailable", "EService:Busy"],
)
def test_krakens_later_is_said_with_http_200(server, word):
    server.answers["/0/public/Ticker"] = Answer(json.dumps({"error": [word]}).encode())
    with pytest.raises(Unreachable, match=word):
        Kraken().fetch(now=NOW)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"message":"NotFound"}', "no price for BTC-USD"),
        (b"[]", "no price for BTC-USD"),
        (b'{"price":"64000"}', "no price for BTC-USD"),
        (coinbase("0"), "not positive"),
        (coinbase("NaN"), "not a price"),
        (coinbase("64000", "yesterday"), "not an instant"),
        (coinbase("64000", "2026-11-23T20:29:58"), "without an offset"),
        (coinbase("64000", "2026-11-23T20:30:06Z"), "ahead of our clock"),
        (b'{"price":"64000","time":null}', "not an instant"),
    ],
)
def test_what_coinbase_may_not_say(server, body, reason):
    server.answers["/products/BTC-USD/ticker"] = Answer(body)
    with pytest.raises(RateRefused, match=reason):
        Coinbase().fetch(now=NOW)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "no price for bitcoin"),
        (b"[]", "no price for bitcoin"),
        (coingecko().replace(b"bitcoin", b"bitcoin-cash"), "no price for bitcoin"),
        (b'{"bitcoin":{"usd":null,"last_updated_at":1795465780}}', "no price for bitcoin"),
        (b'{"bitcoin":{"usd":64000}}', "not an instant"),
        (coingecko(updated_at=1795465806), "ahead of our clock"),
        (coingecko(updated_at=10**30), "not an instant"),
        (coingecko().replace(b"3203.9", b"0"), "not positive"),
        (coingecko().replace(b"3203.9", b"-3203.9"), "not positive"),
        (coingecko().replace(b"3203.9", b"1e-30"), "not positive"),
        (coingecko().replace(b"3203.9", b"1e999999999"), "too great"),
    ],
)
def test_what_coingecko_may_not_say(server, body, reason):
    server.answers["/api/v3/simple/price"] = Answer(body)
    with pytest.raises(RateRefused, match=reason):
        CoinGecko().fetch(now=NOW)


@pytest.mark.parametrize("body", [b"garbage", b"", b"NaN", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10_000])
@pytest.mark.parametrize("source", MARKETS)
def test_what_is_not_json(server, source, body):
    server.answers = {"/": Answer(body)}
    with pytest.raises(BadAnswer, match="not JSON"):
        source().fetch(now=NOW)


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=500), Unreachable),
        (Answer(status=503, headers={"Retry-After": "soon"}), Unreachable),
        (Answer(status=404), BadAnswer),
        (Answer(status=451), BadAnswer),
        (Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}), BadAnswer),
        (Answer(body=b"x" * 5_000_001), BadAnswer),
    ],
)
def test_a_server_in_trouble_is_named_by_type(server, source, answer, error):
    server.answers = {"/": answer}
    with pytest.raises(error):
        source().fetch(now=NOW)


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize(
    ("status", "said", "seconds"),
    [
        (429, "30", 30),
        (418, "7200", 3600),
        (429, "Mon, 23 Nov 2026 21:00:00 GMT", None),
        (503, "-1", None),
        (429, None, None),
    ],
)
def test_how_long_to_leave_a_server_alone(server, source, status, said, seconds):
    server.answers = {"/": Answer(status=status, headers={} if said is None else {"Retry-After": said})}
    with pytest.raises(Unreachable) as refused:
        source().fetch(now=NOW)
    assert refused.value.retry_after_seconds == seconds


@pytest.mark.parametrize("source", EVERY)
def test_a_server_that_is_not_there(settings, source):
    for name in rate_servers.URLS:
        setattr(settings, name, "http://127.0.0.1:1")
    with pytest.raises(Unreachable):
        source().fetch(now=NOW)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
keys = st.sampled_from(
    ["error", "result", "XXBTZUSD", "c", "price", "time", "bitcoin", "usd", "last_updated_at", "symbol"]
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)


@pytest.mark.parametrize("source", MARKETS)
@given(document=documents)
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_a_server_says_is_refused_by_type(server, source, document):
    server.answers = {"/": Answer(json.dumps(document).encode())}
    with pytest.raises((RateRefused, ForeignServerError)):
        source().fetch(now=NOW)


def test_fixed_prices(settings):
    settings.FIXED_RATES = {"BTC": Decimal(34_000_000)}
    (row,) = Fixed().fetch(now=NOW)
    assert (row.base, row.quote, row.price, row.observed_at) == ("BTC", "KZT", Decimal(34_000_000), NOW)
