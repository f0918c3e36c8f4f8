"""What the rate sources' servers answer, in the shapes of the real ones, all on one local server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from payments.rate_paths import Observation
from tests.foreign_server import Answer, ForeignServer

# 01:30 on the 24th in Almaty.
NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
ALL = [
    "payments.rates.binance.Binance",
    "payments.rates.kraken.Kraken",
    "payments.rates.coinbase.Coinbase",
    "payments.rates.coingecko.CoinGecko",
    "payments.rates.national_bank.NationalBank",
]
URLS = ("BINANCE_URL", "KRAKEN_URL", "COINBASE_URL", "COINGECKO_URL", "NATIONAL_BANK_URL")
TICKERS = (
    b'[{"symbol":"BTCUSDT","price":"64000.10000000"},{"symbol":"ETHUSDT","price":"3200.5"},'
    b'{"symbol":"USDTKZT","price":"519.90"}]'
)
INFO = "<rates><date>24.11.2026</date><info>на выбранную дату информации нет.</info></rates>".encode()


def bank(date: str = "24.11.2026", usd: str = "518.25", quant: str = "1", title: str = "USD") -> bytes:
    """The National Bank's rates of a day."""
    return f"""<?xml version="1.0" encoding="utf-8"?><rates><generator>x</generator><date>{date}</date>
    <item><fullname>ДОЛЛАР США</fullname><title>{title}</title><description>{usd}</description><quant>{quant}</quant>
    <index/><change>0.00</change></item><item><fullname>ДРАМ</fullname><title>AMD</title><description>13.4</description>
    <quant>10</quant><index/><change/></item></rates>""".encode()


def kraken(btc: str = "64100.00000", eth: str = "3205.1", usdt: str = "1.00010", **more: Any) -> bytes:
    """Kraken's tickers; ``more`` replaces parts of the envelope."""

    def ticker(last: str) -> dict[str, Any]:
        return {
            "a": [last, "1", "1.000"], "b": [last, "2", "2.000"], "c": [last, "0.00095583"], "v": ["1", "2"],
            "p": [last, last], "t": [17, 39], "l": [last, last], "h": [last, last], "o": last,
        }  # fmt: skip

    result = {"XXBTZUSD": ticker(btc), "XETHZUSD": ticker(eth), "USDTZUSD": ticker(usdt)}
    return json.dumps({"error": [], "result": result, **more}).encode()


def coinbase(price: str, time: str = "2026-11-23T20:29:58.123456Z") -> bytes:
    """One of Coinbase's tickers."""
    row = {
        "ask": price,
        "bid": price,
        "volume": "3",
        "trade_id": 86326522,
        "price": price,
        "size": "0.2",
        "time": time,
    }
    return json.dumps(row).encode()


def coingecko(updated_at: int = 1795465780, usdt_tenge: str = "") -> bytes:
    """CoinGecko's prices: JSON numbers. ``updated_at`` 20:29:40."""
    tenge = f',"kzt":{usdt_tenge}' if usdt_tenge else ""
    return (
        f'{{"bitcoin":{{"usd":64050.12345678901234,"last_updated_at":{updated_at}}},'
        f'"ethereum":{{"usd":3203.9,"last_updated_at":{updated_at}}},'
        f'"tether":{{"usd":0.9998{tenge},"last_updated_at":{updated_at}}}}}'
    ).encode()


def answer_well(server: ForeignServer) -> None:
    """Let every source answer as on a good day at ``NOW``."""
    server.answers = {
        "/api/v3/ticker/price": Answer(TICKERS),
        "/0/public/Ticker": Answer(kraken()),
        "/products/BTC-USD/ticker": Answer(coinbase("64080.01")),
        "/products/ETH-USD/ticker": Answer(coinbase("3204.5")),
        "/products/USDT-USD/ticker": Answer(coinbase("0.99995")),
        "/api/v3/simple/price": Answer(coingecko()),
        "/rss/get_rates.cfm": Answer(bank()),
    }


def point(settings: Any, server: ForeignServer) -> None:
    """Let every source ask ``server``, as a production with all five does."""
    for name in URLS:
        setattr(settings, name, server.url)
    settings.RATE_SOURCES = ALL
    settings.RATE_PATHS_MIN = 2


class Broken:
    """A source with a mistake in it."""

    name = "broken"
    official = False
    interval = timedelta(0)

    def fetch(self, *, now: datetime) -> list[Observation]:
        raise ZeroDivisionError
