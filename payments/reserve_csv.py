"""The reserve as CSV: a row for each source in each place, one for each place beside its chain, one for each coin, one total.

UTF-8 with a byte order mark; cells and decimals parted as spreadsheets expect them in each language, as in the register. Figures
are whole: units of the coin, and tenge with tiyn.
"""

from __future__ import annotations

import codecs
import csv
import io
from decimal import Decimal

from django.utils.translation import gettext

from alatau_pay.assets import KZT, Asset
from alatau_pay.money import format_minor
from payments import reserve_wording
from payments.reserve_report import CoinLine, PlaceLine, Report
from settlements.business_day import ALMATY
from settlements.documents.csv_register import cell

Value = str | Decimal | int | None


def write_csv(report: Report) -> bytes:
    """The whole file, in the language of the moment."""
    language = reserve_wording.language()
    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter="," if language == "en" else ";", lineterminator="\r\n")
    rows = [*_places(report), *(_coin(coin) for coin in report.coins), _total(report)]
    headings = _headings()
    writer.writerow([gettext("Date"), *headings.values()])
    for row in rows:
        values = [row.get(key) for key in headings]
        writer.writerow(
            [cell(report.at.astimezone(ALMATY), language), *(cell(value, language) for value in values)]
        )
    return codecs.BOM_UTF8 + target.getvalue().encode()


def _headings() -> dict[str, str]:
    return {
        "row": gettext("Row"),
        "asset": gettext("Asset"),
        "network": gettext("Network"),
        "wallet": gettext("Wallet"),
        "source": gettext("Source"),
        "ledger": gettext("By the ledger"),
        "chain": gettext("On the chain"),
        "difference": gettext("Difference"),
        "height": gettext("Height"),
        "owed": gettext("Owed to residents"),
        "own": gettext("The operator's own"),
        "cost": gettext("Cost"),
        "market_price": gettext("Market price"),
        "market": gettext("At the market"),
        "unrealised": gettext("Unrealised difference"),
        "official_price": gettext("Official rate"),
        "official": gettext("At the official rate"),
        "unrealised_official": gettext("Unrealised difference at the official rate"),
        "realised": gettext("Realised difference"),
    }


def _places(report: Report) -> list[dict[str, Value]]:
    rows: list[dict[str, Value]] = []
    for line in report.places:
        rows += [
            {
                **_where(line),
                "row": gettext("source"),
                "source": reserve_wording.source(held.source),
                "ledger": _units(held.amount_minor, line.asset),
                "market": _tenge(held.market_tiyn),
                "official": _tenge(held.official_tiyn),
            }
            for held in line.sources
        ]
        if line.chain is not None:
            rows.append(
                {
                    **_where(line),
                    "row": gettext("wallet"),
                    "ledger": _units(line.amount_minor, line.asset),
                    "chain": _units(line.chain.amount_minor, line.asset),
                    "difference": _units(line.chain.difference_minor, line.asset),
                    "height": line.chain.height,
                }
            )
    return rows


def _where(line: PlaceLine) -> dict[str, Value]:
    return {"asset": line.asset.code, "network": line.network, "wallet": reserve_wording.wallet(line)}


def _coin(line: CoinLine) -> dict[str, Value]:
    asset, own = line.books.asset, line.books.position
    return {
        "row": gettext("asset"),
        "asset": asset.code,
        "network": line.network,
        "ledger": _units(line.books.held_minor, asset),
        "owed": _units(line.books.owed_minor, asset),
        "own": _units(own.amount_minor, asset),
        "cost": _tenge(own.cost_tiyn),
        "market_price": _price(line.market_price),
        "market": _tenge(line.market_tiyn),
        "unrealised": _tenge(line.unrealised_tiyn),
        "official_price": _price(line.official_price),
        "official": _tenge(line.official_tiyn),
        "unrealised_official": _tenge(line.unrealised_official_tiyn),
        "realised": _tenge(own.realised_tiyn),
    }


def _total(report: Report) -> dict[str, Value]:
    totals = report.totals
    return {
        "row": gettext("total"),
        "cost": _tenge(totals.cost_tiyn),
        "market": _tenge(totals.market_tiyn),
        "unrealised": _tenge(totals.unrealised_tiyn),
        "official": _tenge(totals.official_tiyn),
        "unrealised_official": _tenge(totals.unrealised_official_tiyn),
        "realised": _tenge(totals.realised_tiyn),
    }


def _units(amount_minor: int, asset: Asset) -> Decimal:
    return Decimal(format_minor(amount_minor, asset.decimals, trim=True))


def _tenge(amount_tiyn: int | None) -> Decimal | None:
    return None if amount_tiyn is None else Decimal(format_minor(amount_tiyn, KZT.decimals))


def _price(rate_tenge: Decimal | None) -> Decimal | None:
    """Without the zeros that stand for the column's precision."""
    return None if rate_tenge is None else rate_tenge.normalize()
