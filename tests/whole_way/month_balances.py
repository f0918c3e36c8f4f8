"""The balances of the month's accounts out of the database's rows, now and at the end of every day.

Imports nothing of the project: a merchant is named by its place in the list that is given.
"""

from __future__ import annotations

from collections import Counter

from django.db import connection

BALANCES = """
    SELECT CASE account.kind WHEN 'reserve' THEN 'reserve:' || account.asset_code ELSE account.code END AS name,
           sum(CASE posting.side WHEN 'D' THEN posting.amount_minor ELSE -posting.amount_minor END)
      FROM settlements_account account JOIN settlements_posting posting ON posting.account_id = account.id
     GROUP BY name
"""
CLOSINGS = """
    SELECT sealed.day_id, CASE account.kind WHEN 'reserve' THEN 'reserve:' || account.asset_code ELSE account.code END AS name,
           coalesce(sum((SELECT balance_minor FROM settlements_closingbalance closing
                          WHERE closing.account_id = account.id AND closing.day_id <= sealed.day_id
                          ORDER BY closing.day_id DESC LIMIT 1)), 0)
      FROM settlements_dayseal sealed CROSS JOIN settlements_account account GROUP BY sealed.day_id, name
"""


def found(merchants) -> dict[str, int]:
    """Every account's balance out of the database, merchants named by their number."""
    with connection.cursor() as cursor:
        cursor.execute(BALANCES)
        return named(cursor.fetchall(), merchants)


def at_closings(merchants, year: int, month: int) -> dict[int, dict[str, int]]:
    """Every account's balance at the end of every day, as the sealing wrote it."""
    with connection.cursor() as cursor:
        cursor.execute(CLOSINGS)
        rows = cursor.fetchall()
    days = sorted({day for day, _name, _amount in rows if (day.year, day.month) == (year, month)})
    return {day.day: named([row[1:] for row in rows if row[0] == day], merchants) for day in days}


def named(rows, merchants) -> dict[str, int]:
    """Balances that are not nothing, by the account's code with the merchant's number in it."""
    numbers = {merchant.pk: str(number) for number, merchant in enumerate(merchants)}
    sums: Counter[str] = Counter()
    for code, amount in rows:
        *words, last = code.split(":")
        sums[":".join([*words, numbers.get(last, last)])] += int(amount)
    return without_nothing(sums)


def without_nothing(balances) -> dict[str, int]:
    return {code: amount for code, amount in balances.items() if amount}
