"""What accounts hold, now and at any moment, without summing their whole history.

The base is the account's last closing balance, which the database itself wrote when it sealed that day; to it come the
postings of the days since, read from one index. Every figure is debits less credits in smallest units, so what is owed is
negative. One statement a figure: it is never half before and half after an entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from alatau_pay.assets import Asset
from settlements.business_day import business_date
from settlements.entry import AccountName

PAGE_SIZE = 50

# ``ledger_balance`` is in migration 0006: a function's plan is kept, and planning this would take longer than reading.
_BALANCE = "SELECT ledger_balance(%s, %s::date)"
_TOTAL = """
SELECT coalesce(sum(ledger_balance(code, %s::date)), 0) FROM settlements_account WHERE kind = %s AND asset_code = %s
"""
# The balance of the evening before, and of the day itself what was posted by then.
_AS_OF = """
SELECT ledger_balance(%s, %s::date) + coalesce(
       (SELECT sum(CASE line.side WHEN 'D' THEN line.amount_minor ELSE -line.amount_minor END)
          FROM settlements_posting line JOIN settlements_journalentry entry ON entry.id = line.entry_id
         WHERE line.account_id = (SELECT id FROM settlements_account WHERE code = %s) AND line.business_date = %s
           AND entry.posted_at <= %s), 0)
"""
_FOREVER = "infinity"

# What an officer wrote of a correction between two merchants may name the other one: neither is shown it.
# The balance at the top is of the same moment as the rows: an entry that commits meanwhile, with a number below theirs, would
# shift all of them by its amount.
_MOVEMENTS = """
WITH page AS MATERIALIZED (
    SELECT line.business_date, line.entry_id,
           sum(CASE line.side WHEN 'D' THEN line.amount_minor ELSE -line.amount_minor END) AS net
      FROM settlements_posting line
     WHERE line.account_id = (SELECT id FROM settlements_account WHERE code = %(code)s)
       AND line.business_date >= %(first)s AND (line.business_date, line.entry_id) < (%(day)s, %(entry)s)
     GROUP BY line.business_date, line.entry_id
     ORDER BY line.business_date DESC, line.entry_id DESC LIMIT %(size)s
), newest AS (
    SELECT business_date, entry_id FROM page ORDER BY business_date DESC, entry_id DESC LIMIT 1
), top AS MATERIALIZED (
    SELECT ledger_balance(%(code)s, newest.business_date - 1) + coalesce(
           (SELECT sum(CASE line.side WHEN 'D' THEN line.amount_minor ELSE -line.amount_minor END)
              FROM settlements_posting line
             WHERE line.account_id = (SELECT id FROM settlements_account WHERE code = %(code)s)
               AND line.business_date = newest.business_date AND line.entry_id <= newest.entry_id), 0) AS balance
      FROM newest
)
SELECT entry.id, entry.business_date, entry.posted_at, entry.recipe, entry.reference,
       CASE WHEN EXISTS (SELECT 1 FROM settlements_posting other
                           JOIN settlements_account theirs ON theirs.id = other.account_id
                          WHERE other.entry_id = entry.id AND theirs.merchant_id <>
                                (SELECT merchant_id FROM settlements_account WHERE code = %(code)s))
            THEN '' ELSE entry.description END, page.net, top.balance
  FROM page JOIN settlements_journalentry entry ON entry.id = page.entry_id CROSS JOIN top
 ORDER BY entry.business_date DESC, entry.id DESC
"""


class Place(NamedTuple):
    """A place in an account's statement: the entry of ``day`` with this id."""

    day: date
    entry_id: int


@dataclass(frozen=True, slots=True)
class Movement:
    """What one entry did to an account: ``amount_minor`` debits less credits, and the balance after it."""

    entry_id: int
    business_date: date
    posted_at: datetime
    recipe: str
    reference: str
    description: str
    amount_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Movements, the newest first, and where the page before them in time begins (None: there is none)."""

    movements: tuple[Movement, ...]
    older: Place | None


def balance_minor(account: AccountName) -> int:
    """Debits less credits of ``account`` now; 0 where nothing was ever posted."""
    return _figure(_BALANCE, [account.code, _FOREVER])


def total_minor(kind: str, asset: Asset) -> int:
    """Debits less credits of all accounts of ``kind`` in ``asset`` now."""
    return _figure(_TOTAL, [_FOREVER, kind, asset.code])


def at_close(account: AccountName, day: date) -> int:
    """The balance at the end of the business day ``day``; final once the day is closed."""
    return _figure(_BALANCE, [account.code, day])


def total_at_close(kind: str, asset: Asset, day: date) -> int:
    """The balance of all accounts of ``kind`` in ``asset`` at the end of the business day ``day``."""
    return _figure(_TOTAL, [day, kind, asset.code])


def as_of(account: AccountName, instant: datetime) -> int:
    """The balance after every entry that counts at ``instant`` or before; final once that day is closed."""
    day = business_date(instant)
    return _figure(_AS_OF, [account.code, day - timedelta(days=1), account.code, day, instant])


def statement_page(
    account: AccountName, *, first: date, last: date, before: Place | None = None, size: int = PAGE_SIZE
) -> StatementPage:
    """The newest ``size`` movements of the business days ``first`` to ``last``, or those older than ``before``.

    A page costs what it shows, whatever the account's history: the rows are read off the index from the place on, and the
    balance at the page's top is the last closing balance with the rest of its day.
    """
    end = before if before and before.day <= last else Place(last + timedelta(days=1), 0)
    bounds: dict[str, Any] = {
        "code": account.code,
        "first": first,
        "day": end.day,
        "entry": end.entry_id,
        "size": size + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MOVEMENTS, bounds)
        rows = cursor.fetchall()
    shown = rows[:size]
    if not shown:
        return StatementPage((), None)
    balance = int(shown[0][-1])
    movements = []
    for entry_id, day, posted_at, recipe, reference, description, net, _top in shown:
        movements.append(
            Movement(entry_id, day, posted_at, recipe, reference, description, int(net), balance)
        )
        balance -= int(net)
    older = Place(shown[-1][1], shown[-1][0]) if len(rows) > size else None
    return StatementPage(tuple(movements), older)


def _figure(statement: str, parameters: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.fetchone()[0])
