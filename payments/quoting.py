"""From observed prices to the amount due: pure, exact, and refusing rather than guessing.

A price is the median of the independent paths to tenge that are fresh (``payments.rate_paths``). In order:

1. The tenge leg. The ways from USDT to tenge are each market's USDT/KZT and the official dollar times USDT/USD. The middle one
   is taken; of an even number, a market's of the middle two. So with three, no single broken one can be taken unless the others
   bracket it; with two, the official rate bounds what a broken market can do: further from it than ``official_deviation_max``
   stops everything that goes over dollars. One alone is no price where ``paths_min`` is two: nothing stands beside it.
2. The coin legs, one path a source, all over that tenge leg. Paths further than ``outlier_max`` from their median are named and
   left out; the price is the median of the rest (of two left of three, the one that was in the middle). So where three sources or
   more speak, a single broken one moves the price only within the others' range.
3. The breaker, for each symbol on its own: fewer than ``paths_min`` paths, more left out than left (or as many), or the rest
   further apart than ``spread_max``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from alatau_pay.money import divide_up
from payments.rate_paths import (
    DOLLAR_COIN,
    Observation,
    Path,
    Prices,
    coin_paths,
    rounded,
    tenge_legs,
)


class Stop(StrEnum):
    """Why the breaker stops the quoting of a symbol."""

    TOO_FEW_PATHS = "too-few-paths"
    PATHS_DIFFER = "paths-differ"
    DOLLAR_STRAYS = "dollar-strays"
    OFFICIAL_MISSING = "official-missing"


class RateUnavailable(Exception):
    """No price can be quoted now. The message names the symbol and the reason, for the shop and the city; ``stop`` the kind."""

    def __init__(self, message: str, *, stop: Stop) -> None:
        super().__init__(message)
        self.stop = stop


@dataclass(frozen=True, slots=True)
class Rules:
    """What a price must hold to. Fractions, not per cents: 0.02 is two per cent.

    ``official_days_max``: how many days after its date an official rate still holds. ``official_required``: without it, no
    price that goes over dollars.
    """

    age_max: timedelta
    official_days_max: int
    outlier_max: Decimal
    spread_max: Decimal
    official_deviation_max: Decimal
    paths_min: int
    official_required: bool


@dataclass(frozen=True, slots=True)
class Legs:
    """The ways from USDT to tenge, which one is taken, and what speaks against taking any."""

    paths: tuple[Path, ...]
    left_out: tuple[Path, ...] = ()
    taken: Path | None = None
    stop: Stop | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Assessment:
    """All that can be said of a symbol's price: ``tenge`` for one unit, or why there is none (``stop``, ``reason``).

    ``paths`` are those that the price was made of (all of them where there is none), ``left_out`` the outliers.
    """

    symbol: str
    tenge: Decimal | None
    paths: tuple[Path, ...]
    left_out: tuple[Path, ...]
    legs: Legs
    official: Observation | None
    stop: Stop | None = None
    reason: str = ""

    @property
    def spread(self) -> Decimal:
        """Greatest less least of the paths, in tenge."""
        worths = [path.tenge for path in self.paths]
        return max(worths) - min(worths) if worths else Decimal(0)


@dataclass(frozen=True, slots=True)
class Price:
    """Tenge for one unit of a symbol, and everything that it was made from."""

    tenge: Decimal
    assessment: Assessment


def price(symbol: str, observations: Iterable[Observation], *, rules: Rules, now: datetime) -> Price:
    """Tenge for one ``symbol``.

    Raises:
        RateUnavailable: the breaker stops it.
    """
    assessment = assess(symbol, observations, rules=rules, now=now)
    if assessment.tenge is None:
        assert assessment.stop is not None  # one or the other is set
        raise RateUnavailable(f"{symbol}: {assessment.reason}", stop=assessment.stop)
    return Price(assessment.tenge, assessment)


def assess(symbol: str, observations: Iterable[Observation], *, rules: Rules, now: datetime) -> Assessment:
    """The price of ``symbol``, or what stops it; never raises."""
    prices = Prices(observations, age_max=rules.age_max, official_days_max=rules.official_days_max, now=now)
    legs = choose_tenge_leg(prices, rules)
    if symbol == DOLLAR_COIN:
        # USDT costs what the tenge leg costs that every other coin goes over.
        tenge = None if legs.taken is None else legs.taken.tenge
        return Assessment(
            symbol, tenge, legs.paths, legs.left_out, legs, prices.official, legs.stop, legs.reason
        )
    paths = tuple(coin_paths(symbol, prices, legs.taken))
    found = Assessment(symbol, None, paths, (), legs, prices.official)
    if legs.stop in {Stop.DOLLAR_STRAYS, Stop.OFFICIAL_MISSING}:
        return replace(found, stop=legs.stop, reason=legs.reason)
    if len(paths) < rules.paths_min:
        reason = legs.reason or f"{_count(paths)} to tenge, {rules.paths_min} needed"
        return replace(found, stop=legs.stop or Stop.TOO_FEW_PATHS, reason=reason)
    return _priced(found, rules)


def official_tenge(
    symbol: str, observations: Iterable[Observation], *, rules: Rules, now: datetime
) -> Decimal | None:
    """Tenge for one ``symbol`` by its prices in dollars and the official dollar of the day, for valuing and never for quoting.

    None where there is no official rate, too few fresh prices in dollars, or where they differ too much.
    """
    prices = Prices(observations, age_max=rules.age_max, official_days_max=rules.official_days_max, now=now)
    leg = next((leg for leg in tenge_legs(prices) if leg.official), None)
    # A price in tenge of the source's own has a rate of its own in it.
    paths = tuple(path for path in coin_paths(symbol, prices, leg) if path.official)
    if len(paths) < rules.paths_min or not paths:
        return None
    return _priced(Assessment(symbol, None, paths, (), Legs(()), prices.official), rules).tenge


def choose_tenge_leg(prices: Prices, rules: Rules) -> Legs:
    """The way from USDT to tenge that every coin then takes: see the module's first step."""
    paths = tuple(tenge_legs(prices))
    if prices.official is None and rules.official_required:
        return Legs(paths, stop=Stop.OFFICIAL_MISSING, reason="no official dollar rate to check against")
    if len(paths) < rules.paths_min:
        reason = f"{_count(paths)} from USDT to tenge, {rules.paths_min} needed"
        return Legs(paths, stop=Stop.TOO_FEW_PATHS, reason=reason)
    taken = _middle(paths)
    if reason := _strays(taken, prices.official, rules):
        return Legs(paths, stop=Stop.DOLLAR_STRAYS, reason=reason)
    kept = tuple(path for path in paths if _apart(taken.tenge, path.tenge) <= rules.official_deviation_max)
    left_out = tuple(path for path in paths if path not in kept)
    if len(kept) < rules.paths_min or len(left_out) >= len(kept):
        reason = f"the ways from USDT to tenge differ: {_named(paths)}"
        return Legs(paths, stop=Stop.PATHS_DIFFER, reason=reason)
    return Legs(kept, left_out, taken)


def median(paths: tuple[Path, ...]) -> Decimal:
    """The middle one of the paths' prices, or the mean of the middle two; never outside their range."""
    worths = sorted(path.tenge for path in paths)
    upper, lower = worths[len(worths) // 2], worths[(len(worths) - 1) // 2]
    return rounded((Fraction(upper) + Fraction(lower)) / 2)


def amount_due_minor(amount_tiyn: int, rate_tenge: Decimal, *, decimals: int, quote_decimals: int) -> int:
    """Smallest units that buy ``amount_tiyn`` at ``rate_tenge`` a unit, rounded up to ``quote_decimals``.

    Rounding up is in the merchant's favour and is at most one step: 1 satoshi, a ten-thousandth of a USDT.
    """
    step_minor: int = 10 ** (decimals - quote_decimals)
    units = Fraction(amount_tiyn, 100) / Fraction(rate_tenge)
    return divide_up(units * int(10**quote_decimals), 1) * step_minor


def _priced(found: Assessment, rules: Rules) -> Assessment:
    """The price out of enough paths, or their disagreement."""
    kept, left_out = _without_outliers(found.paths, rules.outlier_max)
    if reason := _disagreement(kept, left_out, rules):
        return replace(found, stop=Stop.PATHS_DIFFER, reason=reason)
    # Of two that are left of three, one may be the broken one: their mean would be half its word. The middle of three is not.
    agreed = found.paths if left_out and len(kept) == 2 else kept
    return replace(found, tenge=median(agreed), paths=kept, left_out=left_out)


def _strays(taken: Path, official: Observation | None, rules: Rules) -> str:
    """How a market's USDT/KZT strays too far from the official dollar, in words; "" when it does not, or is not a market's."""
    if official is None or taken.official:
        return ""
    if _apart(taken.tenge, official.price) <= rules.official_deviation_max:
        return ""
    return f"USDT/KZT {_text(taken.tenge)} strays too far from the official dollar {_text(official.price)}"


def _without_outliers(
    paths: tuple[Path, ...], outlier_max: Decimal
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The paths near the median of all, and the others."""
    middle = median(paths)
    kept = tuple(path for path in paths if _apart(path.tenge, middle) <= outlier_max)
    return kept, tuple(path for path in paths if path not in kept)


def _disagreement(kept: tuple[Path, ...], left_out: tuple[Path, ...], rules: Rules) -> str:
    """Why the paths are not believed, in words; "" when they are."""
    worths = [path.tenge for path in kept]
    agree = len(kept) >= rules.paths_min and len(kept) > len(left_out)
    if agree and _apart(max(worths), min(worths)) <= rules.spread_max:
        return ""
    return f"the paths differ too much: {_named(kept + left_out)}"


def _middle(paths: tuple[Path, ...]) -> Path:
    """The middle one; of an even number the market's of the middle two, the cheaper where both are."""
    ordered = sorted(paths, key=lambda path: (path.tenge, path.source))
    two = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    return next((path for path in two if not path.official), two[0])


def _apart(one: Decimal, other: Decimal) -> Fraction:
    """How far ``one`` is from ``other``, as a fraction of ``other``."""
    return abs(Fraction(one) / Fraction(other) - 1)


def _count(paths: tuple[Path, ...]) -> str:
    if not paths:
        return "no fresh path"
    return f"only {len(paths)} fresh path{'' if len(paths) == 1 else 's'} ({_named(paths)})"


def _named(paths: tuple[Path, ...]) -> str:
    """Each path's source and price, dearest last."""
    ordered = sorted(paths, key=lambda path: (path.tenge, path.source))
    return ", ".join(f"{path.source} {_text(path.tenge)}" for path in ordered)


def _text(tenge: Decimal) -> str:
    """To the tiyn, which is enough for a reason; under one tenge in full."""
    return f"{(round(tenge, 2) if tenge >= 1 else tenge).normalize():f}"
