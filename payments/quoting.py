"""From observed prices to the amount due: pure, exact, and refusing rather than guessing.

A price is tenge for one whole unit of a symbol: stated by a source directly, or as coin→USDT times USDT→KZT. A price that
is old, or whose USDT/KZT strays too far from the National Bank's dollar, is not quoted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from alatau_pay.money import divide_up

TENGE = "KZT"
DOLLAR = "USD"
DOLLAR_COIN = "USDT"
# The National Bank's rate holds through weekends and holidays; longer than this means that nobody fetched it.
OFFICIAL_AGE_MAX = timedelta(days=5)


class RateUnavailable(Exception):
    """No price can be quoted now. The message names the symbol and the reason, for the shop and the city."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One unit of ``base`` costs ``price`` units of ``quote``, as ``source`` stated it at ``observed_at``."""

    source: str
    base: str
    quote: str
    price: Decimal
    observed_at: datetime

    def __post_init__(self) -> None:
        if not isinstance(self.price, Decimal) or not self.price.is_finite() or self.price <= 0:
            raise ValueError("a price is a positive finite Decimal")


@dataclass(frozen=True, slots=True)
class Price:
    """Tenge for one unit of a symbol, and the observations it was made from."""

    tenge: Decimal
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """How old a price may be, how far (a fraction) it may stray from the official dollar, and whether one is needed."""

    age_max: timedelta
    official_deviation_max: Decimal
    official_required: bool


def price(symbol: str, observations: Iterable[Observation], *, rules: Rules, now: datetime) -> Price:
    """Tenge for one ``symbol``.

    Raises:
        RateUnavailable: no path to tenge, a stale one, or one in dispute with the official rate.
    """
    newest = _newest(observations)
    if direct := _fresh(newest, symbol, TENGE, rules=rules, now=now):
        path: tuple[Observation, ...] = (direct,)
    else:
        coin = _fresh(newest, symbol, DOLLAR_COIN, rules=rules, now=now)
        dollar = _fresh(newest, DOLLAR_COIN, TENGE, rules=rules, now=now)
        if coin is None or dollar is None:
            raise RateUnavailable(f"no fresh price of {symbol} in tenge")
        path = (coin, dollar)
    official = _check_official(path, newest, rules=rules, now=now)
    tenge = Decimal(1)
    for step in path:
        tenge *= step.price
    return Price(tenge=tenge.quantize(Decimal("1e-12")), observations=path + official)


def amount_due_minor(amount_tiyn: int, rate_tenge: Decimal, *, decimals: int, quote_decimals: int) -> int:
    """Smallest units that buy ``amount_tiyn`` at ``rate_tenge`` a unit, rounded up to ``quote_decimals``.

    Rounding up is in the merchant's favour and is at most one step: 1 satoshi, a ten-thousandth of a USDT.
    """
    step_minor: int = 10 ** (decimals - quote_decimals)
    units = Fraction(amount_tiyn, 100) / Fraction(rate_tenge)
    return divide_up(units * int(10**quote_decimals), 1) * step_minor


def _newest(observations: Iterable[Observation]) -> dict[tuple[str, str], Observation]:
    newest: dict[tuple[str, str], Observation] = {}
    for observation in observations:
        pair = (observation.base, observation.quote)
        if pair not in newest or observation.observed_at > newest[pair].observed_at:
            newest[pair] = observation
    return newest


def _fresh(
    newest: dict[tuple[str, str], Observation], base: str, quote: str, *, rules: Rules, now: datetime
) -> Observation | None:
    observation = newest.get((base, quote))
    if observation is None or now - observation.observed_at > rules.age_max:
        return None
    return observation


def _check_official(
    path: tuple[Observation, ...],
    newest: dict[tuple[str, str], Observation],
    *,
    rules: Rules,
    now: datetime,
) -> tuple[Observation, ...]:
    """The official dollar rate beside the path, when the path goes over USDT/KZT."""
    market = next((step for step in path if (step.base, step.quote) == (DOLLAR_COIN, TENGE)), None)
    official = newest.get((DOLLAR, TENGE))
    if official is not None and now - official.observed_at > OFFICIAL_AGE_MAX:
        official = None
    if official is None:
        if rules.official_required:
            raise RateUnavailable("no official dollar rate to check the price against")
        return ()
    if market is not None and abs(market.price / official.price - 1) > rules.official_deviation_max:
        raise RateUnavailable(
            f"USDT/KZT {market.price} is too far from the official dollar rate {official.price}"
        )
    return (official,)
