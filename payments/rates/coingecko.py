"""CoinGecko's averages over many markets: coins and USDT in dollars and, where it knows the tenge, in tenge.

``GET /api/v3/simple/price?ids=bitcoin,…&vs_currencies=usd,kzt&include_last_updated_at=true&precision=full`` answers
``{"bitcoin": {"usd": 64000.123, "kzt": 33281000.5, "last_updated_at": 1795435200}, …}``: JSON numbers, which are read exactly.
A currency that it does not know is left out without a word, a price that it does not have is null. It works its prices out anew
once a minute; without a key a few requests a minute are answered, then 429.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from alatau_pay.http import get_json
from payments.rate_paths import DOLLAR, TENGE, Observation
from payments.rates import TIMEOUT_SECONDS, RateRefused
from payments.rates.answers import instant_of, price_of

IDS = {"BTC": "bitcoin", "ETH": "ethereum", "USDT": "tether"}


class CoinGecko:
    """The public server; its address is ``COINGECKO_URL``, a key for more requests ``COINGECKO_KEY``."""

    name = "coingecko"
    official = False
    interval = timedelta(seconds=45)

    def fetch(self, *, now: datetime) -> list[Observation]:
        """BTC, ETH and USDT in dollars, and in tenge where it states them, in one request. Raises as RateSource says."""
        answer = get_json(
            f"{settings.COINGECKO_URL}/api/v3/simple/price",
            params={
                "ids": ",".join(IDS.values()),
                "vs_currencies": f"{DOLLAR},{TENGE}".lower(),
                "include_last_updated_at": "true",
                "precision": "full",
            },
            headers={"x-cg-demo-api-key": settings.COINGECKO_KEY} if settings.COINGECKO_KEY else None,
            timeout_seconds=TIMEOUT_SECONDS,
        )
        return [row for symbol in IDS for row in self._read(answer, symbol, now)]

    def _read(self, answer: Any, symbol: str, now: datetime) -> Iterator[Observation]:
        row = answer.get(IDS[symbol]) if isinstance(answer, dict) else None
        if not isinstance(row, dict) or row.get("usd") is None:
            raise RateRefused(f"coingecko: no price for {IDS[symbol]}")
        at = instant_of(row.get("last_updated_at"), f"coingecko {symbol}", now=now)
        for quote in (DOLLAR, TENGE):
            stated = row.get(quote.lower())
            if stated is not None:
                yield Observation(
                    self.name, symbol, quote, price_of(stated, f"coingecko {symbol}/{quote}"), at
                )
