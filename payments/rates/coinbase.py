"""Coinbase's exchange: coins and USDT in dollars, one request a pair.

``GET /products/BTC-USD/ticker`` answers ``{"price": "64000.1", "time": "2026-11-23T12:00:00.123456Z", "bid": …}``: the last
trade and when it was. A market in which nothing is traded shows an old time, and its price is then not fresh. A pair that does
not exist is HTTP 404, too many requests 429.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from alatau_pay.http import get_json
from payments.rate_paths import DOLLAR, Observation
from payments.rates import TIMEOUT_SECONDS, RateRefused
from payments.rates.answers import instant_of, price_of

SYMBOLS = ("BTC", "ETH", "USDT")


class Coinbase:
    """The public server of Coinbase Exchange; its address is ``COINBASE_URL``."""

    name = "coinbase"
    official = False
    interval = timedelta(0)

    def fetch(self, *, now: datetime) -> list[Observation]:
        """BTC, ETH and USDT in dollars. Raises as RateSource says."""
        return [self._fetch(symbol, now) for symbol in SYMBOLS]

    def _fetch(self, symbol: str, now: datetime) -> Observation:
        pair = f"{symbol}-{DOLLAR}"
        ticker = get_json(f"{settings.COINBASE_URL}/products/{pair}/ticker", timeout_seconds=TIMEOUT_SECONDS)
        if not isinstance(ticker, dict) or "price" not in ticker or "time" not in ticker:
            raise RateRefused(f"coinbase: no price for {pair}")
        return Observation(
            self.name,
            symbol,
            DOLLAR,
            price_of(ticker["price"], f"coinbase {pair}"),
            observed_at=instant_of(ticker["time"], f"coinbase {pair}", now=now),
        )
