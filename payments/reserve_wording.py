"""The reserve's figures and names as people read them, in the language of the moment: for the page and for the paper."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import get_language, gettext

from alatau_pay.assets import Asset
from alatau_pay.money import format_minor
from payments.amount_text import rate_text, tenge_text
from payments.reserve_report import PlaceLine, Report
from settlements.documents.figures import grouped, moment
from settlements.models import ReserveSource

DASH = "–"


def language() -> str:
    """The language of the moment: kk, ru or en."""
    return (get_language() or "en")[:2]


def coins(amount_minor: int | None, asset: Asset) -> str:
    """Units of a coin with grouped thousands; a dash for nothing known."""
    if amount_minor is None:
        return DASH
    return grouped(format_minor(amount_minor, asset.decimals, trim=True), language())


def tenge(amount_tiyn: int | None) -> str:
    """Tenge with its sign; a dash for nothing known."""
    return DASH if amount_tiyn is None else tenge_text(amount_tiyn, language())


def gained(amount_tiyn: int | None) -> str:
    """A difference with its sign in front, also where it is a gain."""
    return f"+{tenge(amount_tiyn)}" if amount_tiyn is not None and amount_tiyn > 0 else tenge(amount_tiyn)


def price(rate_tenge: Decimal | None) -> str:
    """Tenge for one unit; a dash where there is no price."""
    return DASH if rate_tenge is None else rate_text(rate_tenge, language())


def source(code: str) -> str:
    """Whence coins came, in words."""
    return str(dict(ReserveSource.choices).get(code, code))


def wallet(line: PlaceLine) -> str:
    """The wallet's name, or that the coins lie elsewhere."""
    return line.wallet or gettext("In no wallet of ours")


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """One row of the first table: a source of coins in a place. ``first`` of the place carries what all its sources share."""

    asset: str
    network: str
    wallet: str
    source: str
    amount: str
    market: str
    official: str
    chain: str
    difference: str
    differs: bool
    first: bool
    count: int


def place_rows(report: Report) -> list[PlaceRow]:
    """The first table: where the reserve lies."""
    rows = []
    for line in report.places:
        chain = line.chain
        for number, held in enumerate(line.sources):
            rows.append(
                PlaceRow(
                    asset=line.asset.code,
                    network=line.network or DASH,
                    wallet=wallet(line),
                    source=source(held.source),
                    amount=coins(held.amount_minor, line.asset),
                    market=tenge(held.market_tiyn),
                    official=tenge(held.official_tiyn),
                    chain=coins(chain.amount_minor if chain else None, line.asset),
                    difference=coins(chain.difference_minor if chain else None, line.asset),
                    differs=bool(chain and chain.difference_minor),
                    first=number == 0,
                    count=len(line.sources),
                )
            )
    return rows


def coin_rows(report: Report) -> list[list[str]]:
    """The second table: whose the coins are and what they cost; the last row is the total."""
    rows = [
        [
            line.books.asset.code,
            coins(line.books.held_minor, line.books.asset),
            coins(line.books.owed_minor, line.books.asset),
            coins(line.books.position.amount_minor, line.books.asset),
            tenge(line.books.position.cost_tiyn),
            gained(line.books.position.realised_tiyn),
        ]
        for line in report.coins
    ]
    totals = report.totals
    return [*rows, [gettext("Total"), "", "", "", tenge(totals.cost_tiyn), gained(totals.realised_tiyn)]]


def worth_rows(report: Report) -> list[list[str]]:
    """The third table: what the operator's own coins are worth, twice; the last row is the total."""
    rows = [
        [
            line.books.asset.code,
            coins(line.books.position.amount_minor, line.books.asset),
            price(line.market_price),
            tenge(line.market_tiyn),
            gained(line.unrealised_tiyn),
            price(line.official_price),
            tenge(line.official_tiyn),
            gained(line.unrealised_official_tiyn),
        ]
        for line in report.coins
    ]
    totals = report.totals
    market = [tenge(totals.market_tiyn), gained(totals.unrealised_tiyn)]
    official = [tenge(totals.official_tiyn), gained(totals.unrealised_official_tiyn)]
    return [*rows, [gettext("Total"), "", "", *market, "", *official]]


def place_headings() -> list[str]:
    """Of the first table."""
    return [
        gettext("Asset"),
        gettext("Network"),
        gettext("Wallet"),
        gettext("Source"),
        gettext("By the ledger"),
        gettext("At the market"),
        gettext("At the official rate"),
        gettext("On the chain"),
        gettext("Difference"),
    ]


def coin_headings() -> list[str]:
    """Of the second table."""
    return [
        gettext("Asset"),
        gettext("In the reserve"),
        gettext("Owed to residents"),
        gettext("The operator's own"),
        gettext("Cost"),
        gettext("Realised difference"),
    ]


def worth_headings() -> list[str]:
    """Of the third table."""
    return [
        gettext("Asset"),
        gettext("The operator's own"),
        gettext("Market price"),
        gettext("At the market"),
        gettext("Unrealised difference"),
        gettext("Official rate"),
        gettext("At the official rate"),
        gettext("Unrealised difference"),
    ]


def notes(report: Report) -> list[str]:
    """What the figures do not say by themselves: missing prices, networks nobody could ask, and how it is rounded."""
    found = [
        gettext("%(asset)s: no market value. %(reason)s") % {"asset": code, "reason": reason}
        for code, reason in sorted(report.prices.without_market.items())
    ]
    if report.totals.official_without:
        found.append(
            gettext("No official rate exists for %(assets)s; their sums at the official rate leave them out.")
            % {"assets": ", ".join(report.totals.official_without)}
        )
    if report.prices.official_day:
        found.append(
            gettext(
                "Dollar-pegged tokens are valued as one dollar each at the National Bank's rate of %(day)s."
            )
            % {"day": report.prices.official_day}
        )
    if report.prices.over_dollars:
        found.append(
            gettext(
                "%(assets)s: valued at the market's price in dollars, and that at the National Bank's rate of %(day)s."
            )
            % {"assets": ", ".join(report.prices.over_dollars), "day": report.prices.official_day}
        )
    found += [
        gettext("%(network)s was not compared last time: %(reason)s") % {"network": name, "reason": reason}
        for name, reason in sorted(report.not_compared.items())
    ]
    heights = sorted(
        {(line.network, line.chain.height, line.chain.seen_at) for line in report.places if line.chain}
    )
    found += [
        gettext("%(network)s: on the chain at height %(height)s, asked on %(at)s.")
        % {"network": name, "height": height, "at": moment(seen_at)}
        for name, height, seen_at in heights
    ]
    found.append(
        gettext(
            "The difference is the chain's figure less what the books expected at that height. Every value is rounded down "
            "to a tiyn by itself; a total is the sum of its lines. The cost of what was sold is the average, half up to a tiyn."
        )
    )
    return found
