"""The reserve at an instant: what is held where and whence, beside what the chains held, valued in tenge two ways.

Rounding is that of ``settlements.valuation``: every line's value is rounded down to a tiyn by itself, a total is the sum of its
lines. The market's price is the one that would be quoted at that instant; where the breaker stops quoting, there is no value and
the reason is told instead. An official rate there is for the dollar alone: dollar-pegged tokens are worth one dollar each at it,
other coins their market's price in dollars; where the markets state none, nothing is shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from alatau_pay.assets import Asset
from chains import balances
from chains.models import Network, OnChainAsset, Wallet
from payments import observations
from payments.models import Comparison, PlaceBalance, ReconciliationRun, RunStatus
from payments.reconciliation import payments_to_chain
from settlements import reserve
from settlements.business_day import business_date
from settlements.reserve import CoinBooks, Holding
from settlements.valuation import value_tiyn

# Tokens that their issuers redeem at one dollar.
DOLLAR_PEGGED = frozenset({"USDT", "USDC"})


@dataclass(frozen=True, slots=True)
class Prices:
    """Tenge for a whole unit by asset code, and why an asset has none; the official dollar's day.

    ``over_dollars`` names the assets whose official value is that of their market's price in dollars.
    """

    market: Mapping[str, Decimal]
    without_market: Mapping[str, str]
    official: Mapping[str, Decimal]
    official_day: str = ""
    over_dollars: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SourceLine:
    """What a place holds of an asset from one source, by the ledger; None: no price to value it at."""

    source: str
    amount_minor: int
    market_tiyn: int | None
    official_tiyn: int | None


@dataclass(frozen=True, slots=True)
class ChainSide:
    """What the chain held at the last confirmed height that was asked for, and what the books expected there."""

    amount_minor: int
    expected_minor: int
    height: int
    seen_at: datetime

    @property
    def difference_minor(self) -> int:
        """The chain's figure less the books', both of that moment."""
        return self.amount_minor - self.expected_minor


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """One asset in one place; ``chain`` None: nobody has looked, or it lies in no wallet of ours (``wallet`` empty)."""

    asset: Asset
    network: str
    wallet: str
    sources: Sequence[SourceLine]
    chain: ChainSide | None

    @property
    def amount_minor(self) -> int:
        """By the ledger, from all sources."""
        return sum(line.amount_minor for line in self.sources)


@dataclass(frozen=True, slots=True)
class CoinLine:
    """One asset over all places: whose it is, what the operator's part cost, and the differences."""

    books: CoinBooks
    network: str
    market_price: Decimal | None
    without_market: str
    market_tiyn: int | None
    unrealised_tiyn: int | None
    official_price: Decimal | None
    official_tiyn: int | None
    unrealised_official_tiyn: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums in tiyn over all coins; ``without`` names the assets that have no such price and are not in the sum."""

    cost_tiyn: int
    realised_tiyn: int
    market_tiyn: int
    unrealised_tiyn: int
    market_without: Sequence[str]
    official_tiyn: int
    unrealised_official_tiyn: int
    official_without: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole reserve at ``at``; ``not_compared`` says of which networks nobody knew better, and why."""

    at: datetime
    places: Sequence[PlaceLine]
    coins: Sequence[CoinLine]
    totals: Totals
    prices: Prices
    not_compared: Mapping[str, str] = field(default_factory=dict)


def compile_report(*, at: datetime) -> Report:
    """The reserve at ``at``, from the ledger, the runs made until then and the prices kept of then. Writes nothing."""
    assets = {row.code: row for row in OnChainAsset.objects.select_related("network")}
    books = reserve.coins(at)
    prices = _prices(assets, [each.asset.code for each in books], at)
    coins = [_coin(each, assets, prices) for each in books]
    chain, not_compared = _chain(at)
    return Report(
        at=at,
        places=_places(reserve.holdings(at), assets, chain, prices),
        coins=coins,
        totals=_totals(coins, reserve.realised_tiyn(at).get("", 0)),
        prices=prices,
        not_compared=not_compared,
    )


def _prices(assets: Mapping[str, OnChainAsset], codes: Iterable[str], at: datetime) -> Prices:
    symbols = {code: assets[code].symbol for code in codes if code in assets}
    found, stopped = observations.quotable(symbols.values(), now=at)
    official = observations.official_rate(business_date(at))
    at_official = _official(symbols, official.price, at) if official else {}
    return Prices(
        market={code: found[symbol].tenge for code, symbol in symbols.items() if symbol in found},
        without_market={code: str(stopped[symbol]) for code, symbol in symbols.items() if symbol in stopped},
        official=at_official,
        official_day=f"{official.rate_date:%d.%m.%Y}" if official and official.rate_date else "",
        over_dollars=[code for code in sorted(at_official) if symbols[code] not in DOLLAR_PEGGED],
    )


def _official(symbols: Mapping[str, str], dollar_tenge: Decimal, at: datetime) -> dict[str, Decimal]:
    """Tenge at the official rate by asset code, of those of ``symbols`` that have a price in dollars."""
    by_symbol = observations.at_official_rate(symbols.values(), now=at)
    by_symbol |= dict.fromkeys(DOLLAR_PEGGED, dollar_tenge)
    return {code: by_symbol[symbol] for code, symbol in symbols.items() if symbol in by_symbol}


def _value(amount_minor: int, asset: Asset, prices: Mapping[str, Decimal]) -> int | None:
    tenge = prices.get(asset.code)
    return None if tenge is None else value_tiyn(amount_minor, asset, tenge)


def _coin(books: CoinBooks, assets: Mapping[str, OnChainAsset], prices: Prices) -> CoinLine:
    own, code = books.position, books.asset.code
    market, official = prices.market.get(code), prices.official.get(code)
    return CoinLine(
        books=books,
        network=assets[code].network.name if code in assets else "",
        market_price=market,
        without_market=prices.without_market.get(code, ""),
        market_tiyn=_value(own.amount_minor, books.asset, prices.market),
        unrealised_tiyn=None if market is None else own.unrealised_tiyn(market),
        official_price=official,
        official_tiyn=_value(own.amount_minor, books.asset, prices.official),
        unrealised_official_tiyn=None if official is None else own.unrealised_tiyn(official),
    )


# (number of a place's first wallet, asset code) → the chain's figures.
_Chain = Mapping[tuple[int, str], ChainSide]


def _chain(at: datetime) -> tuple[_Chain, dict[str, str]]:
    """For each network the figures of the last run until ``at`` that could ask it; and why a later one could not."""
    found: dict[tuple[int, str], ChainSide] = {}
    not_compared: dict[str, str] = {}
    runs = Comparison.objects.filter(
        run__status=RunStatus.FINISHED,
        run__started_at__lte=at,
        scope__startswith=payments_to_chain.SCOPE_PREFIX,
    ).order_by("scope", "-run__started_at", "-run")
    latest = runs.distinct("scope")
    names = dict(Network.objects.values_list("slug", "name"))
    for comparison in latest:
        if comparison.not_compared_reason:
            network = comparison.scope.removeprefix(payments_to_chain.SCOPE_PREFIX)
            not_compared[names.get(network, network)] = comparison.not_compared_reason
    for comparison in runs.filter(not_compared_reason="").distinct("scope").select_related("run"):
        found |= _figures(comparison.run, comparison.scope.removeprefix(payments_to_chain.SCOPE_PREFIX))
    return found, not_compared


def _figures(run: ReconciliationRun, network_slug: str) -> dict[tuple[int, str], ChainSide]:
    assert run.started_at is not None  # the database holds it for a run that has finished
    return {
        (row.wallet_id, row.asset_id): ChainSide(
            row.chain_minor, row.expected_minor, row.height, run.started_at
        )
        for row in PlaceBalance.objects.filter(run=run, wallet__network=network_slug)
    }


def _places(
    holdings: Iterable[Holding], assets: Mapping[str, OnChainAsset], chain: _Chain, prices: Prices
) -> list[PlaceLine]:
    wallets = list(Wallet.objects.filter(owner=""))
    place_of = balances.places(wallets)
    names: defaultdict[int, list[str]] = defaultdict(list)
    for wallet in sorted(wallets, key=lambda each: each.pk):
        names[place_of[wallet.pk]].append(wallet.label)
    lines: defaultdict[tuple[str, int | str], defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    kinds: dict[str, Asset] = {}
    for holding in holdings:
        number = holding.wallet.removeprefix("w")
        place = place_of.get(int(number), holding.wallet) if number.isdigit() else holding.wallet
        lines[holding.asset.code, place][holding.source] += holding.amount_minor
        kinds[holding.asset.code] = holding.asset
    for wallet_id, code in chain:
        # Coins on the chain of which the books know nothing are shown as well.
        if code in assets and wallet_id in names:
            kinds.setdefault(code, assets[code].asset)
            lines[code, wallet_id].setdefault("payments", 0)
    return [
        PlaceLine(
            asset=kinds[code],
            network=assets[code].network.name if code in assets else "",
            wallet=" + ".join(names[place]) if isinstance(place, int) else place,
            sources=[
                SourceLine(
                    source,
                    amount,
                    _value(amount, kinds[code], prices.market),
                    _value(amount, kinds[code], prices.official),
                )
                for source, amount in sorted(sources.items())
            ],
            chain=chain.get((place, code)) if isinstance(place, int) else None,
        )
        for (code, place), sources in sorted(lines.items(), key=lambda item: (item[0][0], str(item[0][1])))
    ]


def _totals(coins: Sequence[CoinLine], realised_elsewhere_tiyn: int) -> Totals:
    return Totals(
        cost_tiyn=sum(coin.books.position.cost_tiyn for coin in coins),
        realised_tiyn=realised_elsewhere_tiyn + sum(coin.books.position.realised_tiyn for coin in coins),
        market_tiyn=sum(coin.market_tiyn or 0 for coin in coins),
        unrealised_tiyn=sum(coin.unrealised_tiyn or 0 for coin in coins),
        market_without=[coin.books.asset.code for coin in coins if coin.market_tiyn is None],
        official_tiyn=sum(coin.official_tiyn or 0 for coin in coins),
        unrealised_official_tiyn=sum(coin.unrealised_official_tiyn or 0 for coin in coins),
        official_without=[coin.books.asset.code for coin in coins if coin.official_tiyn is None],
    )
