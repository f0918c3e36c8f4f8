"""Binance's spot tickers. Exactly one pair is in tenge, USDTKZT; coins come as coin→USDT.

``GET /api/v3/ticker/price?symbols=["BTCUSDT",…]`` answers ``[{"symbol": "BTCUSDT", "price": "64000.10000000"}, …]``. It
states no time: the price is of the moment it was asked for.
"""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings

from alatau_pay.http import get_json
from payments.quoting import Observation
from payments.rates import RateRefused

PAIRS = {"USDTKZT": ("USDT", "KZT"), "BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT")}


class Binance:
    """The public market-data server; its address is ``BINANCE_URL``."""

    name = "binance"
    official = False

    def fetch(self, *, now: datetime) -> list[Observation]:
        """BTC/USDT, ETH/USDT and USDT/KZT in one request. Raises as RateSource says."""
        rows = get_json(
            f"{settings.BINANCE_URL}/api/v3/ticker/price",
            params={"symbols": json.dumps(sorted(PAIRS), separators=(",", ":"))},
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
        prices = {row["symbol"]: Decimal(row["price"]) for row in rows}
    except (TypeError, KeyError, InvalidOperation, ValueError) as error:
        raise RateRefused("binance: the answer is not a list of prices") from error
    if any(not price.is_finite() or price <= 0 for price in prices.values()):
        raise RateRefused("binance: a price that is not positive")
    return prices
