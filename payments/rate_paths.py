"""From stated prices to paths: every way in which the sources together say what a coin costs in tenge. Pure.

A path is a product of observations that ends in tenge. It has a *coin leg*, from the coin to dollars, and a *tenge leg*, from
dollars to tenge. Two paths are independent when another source states their coin leg; so each source gives one path a coin.
The tenge leg is stated by few (a market's USDT/KZT, the National Bank's USD/KZT), so the paths of a coin share it, and the
median over them says nothing about it: ``payments.quoting`` chooses it apart, by paths of its own, before it is used here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

TENGE = "KZT"
DOLLAR = "USD"
DOLLAR_COIN = "USDT"
ALMATY = ZoneInfo("Asia/Almaty")
# Prices are kept with this many decimals.
PRICE_DECIMALS = 12
# The clock of the asker may be a moment behind the fetcher's; a price from further ahead is not believed.
CLOCK_TOLERANCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Observation:
    """One unit of ``base`` costs ``price`` units of ``quote``, as ``source`` stated it at ``observed_at``.

    An official rate also has the day that it was set for (``rate_date``) and the day that it was asked for
    (``requested_date``): over a weekend the second is later than the first.
    """

    source: str
    base: str
    quote: str
    price: Decimal
    observed_at: datetime
    rate_date: date | None = None
    requested_date: date | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.price, Decimal) or not self.price.is_finite() or self.price <= 0:
            raise ValueError("a price is a positive finite Decimal")


@dataclass(frozen=True, slots=True)
class Step:
    """An observation as a path takes it: multiplied by its price, or, ``inverted``, divided by it."""

    observation: Observation
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """One way to tenge: ``tenge`` for one unit, by ``source``, whose word the coin leg is."""

    source: str
    steps: tuple[Step, ...]
    tenge: Decimal

    @property
    def official(self) -> bool:
        """Whether the tenge leg is the National Bank's rate, not a market's."""
        return self.steps[-1].observation.rate_date is not None


class Prices:
    """What is fresh: the newest observation of each source and pair, and the official dollar of the day."""

    def __init__(
        self,
        observations: Iterable[Observation],
        *,
        age_max: timedelta,
        official_days_max: int,
        now: datetime,
    ) -> None:
        today = now.astimezone(ALMATY).date()
        self._by_pair: dict[tuple[str, str], dict[str, Observation]] = {}
        self.official: Observation | None = None
        for each in observations:
            if each.observed_at > now + CLOCK_TOLERANCE:
                continue
            if each.rate_date is not None:
                if _holds(each.rate_date, today, official_days_max) and _is_later(each, self.official):
                    self.official = each
            elif now - each.observed_at <= age_max:
                sources = self._by_pair.setdefault((each.base, each.quote), {})
                if each.source not in sources or sources[each.source].observed_at < each.observed_at:
                    sources[each.source] = each

    def of(self, base: str, quote: str) -> Mapping[str, Observation]:
        """The fresh price of a pair by each source that states it."""
        return dict(sorted(self._by_pair.get((base, quote), {}).items()))

    def dollar_coin(self, source: str = "") -> Observation | None:
        """USDT in dollars: by the source itself where it states it, else the middle one of those who do."""
        stated = self.of(DOLLAR_COIN, DOLLAR)
        if source in stated:
            return stated[source]
        ordered = sorted(stated.values(), key=lambda each: (each.price, each.source))
        return ordered[(len(ordered) - 1) // 2] if ordered else None


def tenge_legs(prices: Prices) -> list[Path]:
    """The ways from one USDT to tenge: each market's USDT/KZT, and USDT in dollars times the official dollar."""
    paths = [_path(each.source, Step(each)) for each in prices.of(DOLLAR_COIN, TENGE).values()]
    dollar_coin, official = prices.dollar_coin(), prices.official
    if official is not None and dollar_coin is not None:
        paths.append(_path(official.source, Step(dollar_coin), Step(official)))
    return [path for path in paths if path is not None]


def coin_paths(symbol: str, prices: Prices, tenge_leg: Path | None) -> list[Path]:
    """One path a source from ``symbol`` to tenge: stated directly, or over dollars and ``tenge_leg`` (None: none is usable)."""
    paths = {each.source: _path(each.source, Step(each)) for each in prices.of(symbol, TENGE).values()}
    if tenge_leg is not None:
        for each in prices.of(symbol, DOLLAR_COIN).values():
            paths.setdefault(each.source, _path(each.source, Step(each), *tenge_leg.steps))
        for each in prices.of(symbol, DOLLAR).values():
            over = _from_dollars(each.source, prices, tenge_leg)
            if over is not None:
                paths.setdefault(each.source, _path(each.source, Step(each), *over))
    return [path for _source, path in sorted(paths.items()) if path is not None]


def product(steps: Iterable[Step]) -> Decimal:
    """The steps' prices multiplied (divided where inverted), exactly, then rounded half-even to twelve decimals.

    Raises:
        ValueError: nothing is left of the price after rounding.
    """
    worth = Fraction(1)
    for step in steps:
        price = Fraction(step.observation.price)
        worth = worth / price if step.inverted else worth * price
    return rounded(worth)


def rounded(worth: Fraction) -> Decimal:
    """A positive number with twelve decimals, rounded half-even. Raises ValueError when it rounds to nothing."""
    units = round(worth * 10**PRICE_DECIMALS)
    if units <= 0:
        raise ValueError("a price of nothing")
    return Decimal(f"{units}e-{PRICE_DECIMALS}")


def _path(source: str, *steps: Step) -> Path | None:
    """None where nothing is left of the price: a source that says so little must not stop the others."""
    try:
        return Path(source, steps, product(steps))
    except ValueError:
        return None


def _from_dollars(source: str, prices: Prices, tenge_leg: Path) -> tuple[Step, ...] | None:
    """From a dollar to tenge. Over a market, the dollar first becomes USDT, at the rate of the coin's own source."""
    if tenge_leg.official:
        return (tenge_leg.steps[-1],)
    dollar_coin = prices.dollar_coin(source)
    return None if dollar_coin is None else (Step(dollar_coin, inverted=True), *tenge_leg.steps)


def _holds(rate_date: date, today: date, days_max: int) -> bool:
    """Whether an official rate still holds: through weekends and holidays, not for ever, and never before its day."""
    return timedelta(0) <= today - rate_date <= timedelta(days=days_max)


def _is_later(each: Observation, other: Observation | None) -> bool:
    return other is None or _days(each) > _days(other)


def _days(official: Observation) -> tuple[date, date, datetime]:
    return official.rate_date or date.min, official.requested_date or date.min, official.observed_at
