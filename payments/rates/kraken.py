"""Kraken's tickers: coins and USDT in dollars.

``GET /0/public/Ticker?pair=XBTUSD,ETHUSD,USDTUSD`` answers with HTTP 200 in every case: ``{"error": [], "result": {…}}``, or
``{"error": ["EGeneral:Too many requests"]}``. Pairs come back under Kraken's own names (XXBTZUSD, XETHZUSD, USDTZUSD): old
assets carry an X, old currencies a Z in front, and Bitcoin is XBT. ``c`` is the last trade, ``[price, volume]``. No time is
stated: the price is of the moment it was asked for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from alatau_pay.http import Unreachable, get_json
from payments.rate_paths import DOLLAR, Observation
from payments.rates import TIMEOUT_SECONDS, RateRefused
from payments.rates.answers import price_of

# Our symbol → the name to ask for, and the names that Kraken answers with.
PAIRS = {
    "BTC": ("XBTUSD", frozenset({"XXBTZUSD", "XBTUSD"})),
    "ETH": ("ETHUSD", frozenset({"XETHZUSD", "ETHUSD"})),
    "USDT": ("USDTUSD", frozenset({"USDTZUSD", "USDTUSD"})),
}
# Kraken's words for "later": they come with HTTP 200.
LATER = ("EAPI:Rate limit", "EGeneral:Too many requests", "EService:")


class Kraken:
    """The public server; its address is ``KRAKEN_URL``."""

    name = "kraken"
    official = False
    interval = timedelta(0)

    def fetch(self, *, now: datetime) -> list[Observation]:
        """BTC, ETH and USDT in dollars, in one request. Raises as RateSource says."""
        answer = get_json(
            f"{settings.KRAKEN_URL}/0/public/Ticker",
            params={"pair": ",".join(asked for asked, _names in PAIRS.values())},
            timeout_seconds=TIMEOUT_SECONDS,
        )
        tickers = _tickers(answer)
        return [
            Observation(self.name, symbol, DOLLAR, price_of(_last(tickers, symbol), f"kraken {symbol}"), now)
            for symbol in PAIRS
        ]


def _tickers(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict) or not isinstance(answer.get("error"), list):
        raise RateRefused("kraken: the answer is not one of Kraken's")
    # "W…" are warnings, said beside a result that holds.
    errors = [str(error) for error in answer["error"] if not str(error).startswith("W")]
    if any(error.startswith(LATER) for error in errors):
        raise Unreachable("kraken", errors[0][:100])
    if errors:
        raise RateRefused(f"kraken: {errors[0][:100]}")
    if not isinstance(answer.get("result"), dict):
        raise RateRefused("kraken: an answer without prices")
    return answer["result"]


def _last(tickers: dict[str, Any], symbol: str) -> object:
    """The last trade's price of a symbol, as it was sent."""
    found = [tickers[name] for name in PAIRS[symbol][1] if name in tickers]
    if not found:
        raise RateRefused(f"kraken: no price for {symbol}")
    last = found[0].get("c") if isinstance(found[0], dict) else None
    # Of a text, the first letter would pass for a price.
    if not isinstance(last, list) or not last:
        raise RateRefused(f"kraken: no last trade of {symbol}")
    return last[0]
