"""Binance's spot tickers. Exactly one pair is in tenge, USDTKZT; coins come as coin→USDT.

``GET /api/v3/ticker/price?symbols=["BTCUSDT",…]`` answers ``[{"symbol": "BTCUSDT", "price": "64000.10000000"}, …]``. It
states no time: the price is of the moment it was asked for. 429 and 418 come with ``Retry-After``; 451 is the answer to
countries that Binance does not serve.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from alatau_pay.http import get_json
from payments.rate_paths import Observation
from payments.rates import TIMEOUT_SECONDS, RateRefused
from payments.rates.answers import price_of

PAIRS = {"USDTKZT": ("USDT", "KZT"), "BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT")}


class Binance:
    """The public market-data server; its address is ``BINANCE_URL``."""

    name = "binance"
    official = False
    interval = timedelta(0)

    def fetch(self, *, now: datetime) -> list[Observation]:
        """BTC/USDT, ETH/USDT and USDT/KZT in one request. Raises as RateSource says."""
        rows = get_json(
            f"{settings.BINANCE_URL}/api/v3/ticker/price",
            params={"symbols": json.dumps(sorted(PAIRS), separators=(",", ":"))},
            timeout_seconds=TIMEOUT_SECONDS,
        )
        prices = _prices(rows)
        if missing := sorted(PAIRS.keys() - prices.keys()):
            raise RateRefused(f"binance: no price for {', '.join(missing)}")
        return [
            Observation(self.name, base, quote, prices[pair], observed_at=now)
            for pair, (base, quote) in PAIRS.items()
        ]


def _prices(rows: Any) -> dict[str, Decimal]:
    try:
        stated = {row["symbol"]: row["price"] for row in rows}
    except (TypeError, KeyError) as error:
        raise RateRefused("binance: the answer is not a list of prices") from error
    return {pair: price_of(stated[pair], f"binance {pair}") for pair in PAIRS.keys() & stated.keys()}
