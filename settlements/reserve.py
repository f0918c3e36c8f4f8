"""The reserve as the ledger has it: how much of which coin lies where and whence it came, and what of it is the operator's own.

Quantities are sums of postings up to an instant; nothing is rounded here. What they are worth is said by ``valuation``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from alatau_pay.assets import KZT, Asset
from settlements import balances, ledger
from settlements.entries import position, position_cost
from settlements.entry import AccountName
from settlements.models import Account, AccountKind
from settlements.valuation import Position

# A realised difference belongs to the coin whose position its entry moved; one that moved none, to no coin.
_REALISED = """
SELECT coalesce((SELECT min(other.asset_code) FROM settlements_posting other
                  WHERE other.entry_id = posting.entry_id AND other.asset_code <> 'KZT'), ''),
       sum(CASE posting.side WHEN 'C' THEN posting.amount_minor ELSE -posting.amount_minor END)
  FROM settlements_posting posting
  JOIN settlements_account account ON account.id = posting.account_id
  JOIN settlements_journalentry entry ON entry.id = posting.entry_id
 WHERE account.kind = 'exchange_diff' AND entry.posted_at <= coalesce(%s, 'infinity'::timestamptz)
 GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Holding:
    """So many smallest units of a coin in a wallet ("w7"; "" elsewhere) from a source ("payments", "purchase", …)."""

    asset: Asset
    wallet: str
    source: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class CoinBooks:
    """One coin over all wallets. What is held is either owed to residents in the coin, or the operator's ``position``."""

    asset: Asset
    held_minor: int
    owed_minor: int
    position: Position


def holdings(at: datetime | None = None) -> list[Holding]:
    """The accounts of the reserve that are not empty at ``at`` (None: after everything posted), by code."""
    accounts = Account.objects.filter(kind=AccountKind.RESERVE).order_by("code")
    found = [_holding(ledger.name_of(account), at) for account in accounts]
    return [holding for holding in found if holding.amount_minor]


def coins(at: datetime | None = None) -> list[CoinBooks]:
    """Every coin that the reserve or the position ever had an account of, at ``at``, by code."""
    held: defaultdict[Asset, int] = defaultdict(int)
    owed: defaultdict[Asset, int] = defaultdict(int)
    kinds = [
        AccountKind.RESERVE,
        AccountKind.HELD,
        AccountKind.REFUND,
        AccountKind.SCREENED,
        AccountKind.POSITION,
    ]
    for account in Account.objects.filter(kind__in=kinds).exclude(asset_code=KZT.code):
        name = ledger.name_of(account)
        sums = held if account.kind == AccountKind.RESERVE else owed
        sums[name.asset] += 0 if account.kind == AccountKind.POSITION else _balance(name, at)
    realised = realised_tiyn(at)
    return [
        CoinBooks(
            asset=asset,
            held_minor=held[asset],
            owed_minor=-owed[asset],
            position=Position(
                asset=asset,
                amount_minor=-_balance(position(asset), at),
                cost_tiyn=_balance(position_cost(asset), at),
                realised_tiyn=realised.get(asset.code, 0),
            ),
        )
        for asset in sorted({*held, *owed}, key=lambda each: each.code)
    ]


def realised_tiyn(at: datetime | None = None) -> Mapping[str, int]:
    """What sales brought beyond their cost, by asset code; under "" what corrections moved that name no coin."""
    with connection.cursor() as cursor:
        cursor.execute(_REALISED, [at])
        return {code: int(amount) for code, amount in cursor.fetchall()}


def _holding(name: AccountName, at: datetime | None) -> Holding:
    wallet, _, source = name.part.rpartition(".")
    return Holding(name.asset, wallet, source, _balance(name, at))


def _balance(name: AccountName, at: datetime | None) -> int:
    return balances.balance_minor(name) if at is None else balances.as_of(name, at)
