"""The story's own bookkeeping: what every ledger account must hold, worked out from the API's answers alone.

It shares no code with the ledger that it checks: the fee is 1 %, the VAT 16 % of the fee, each rounded half up to a tiyn.
"""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg

TIYN = Decimal("0.01")
DECIMALS = {"KZT": 2, "BTC": 8, "ETH": 18, "USDT": 6}

BALANCES = """
    SELECT CASE account.kind WHEN 'reserve' THEN 'reserve:' || account.asset_code ELSE account.code END AS name,
           sum(CASE posting.side WHEN 'D' THEN posting.amount_minor ELSE -posting.amount_minor END)
      FROM settlements_account account JOIN settlements_posting posting ON posting.account_id = account.id
     GROUP BY name
"""


def expected(
    invoices: list[tuple[dict[str, Any], list[dict[str, Any]]]], *, merchant_id: str
) -> dict[str, int]:
    """Debits less credits in smallest units by account code, for settled invoices and their payment methods."""
    books: Counter[str] = Counter()
    for invoice, methods in invoices:
        gross = Decimal(invoice["amount"])
        fee = (gross / 100).quantize(TIYN, ROUND_HALF_UP)
        vat = (fee * 16 / 100).quantize(TIYN, ROUND_HALF_UP)
        books[f"payable:KZT:{merchant_id}"] -= _minor(gross - fee - vat, "KZT")
        books["fee_income:KZT"] -= _minor(fee, "KZT")
        books["vat_payable:KZT"] -= _minor(vat, "KZT")
        for method in methods:
            paid = _minor(Decimal(method["paymentMethodPaid"]), method["currency"])
            books[f"reserve:{method['currency']}"] += paid
            books[f"position:{method['currency']}"] -= paid
            # Each of the story's invoices is paid by one method.
            books[f"position:KZT:{method['currency']}"] += _minor(gross, "KZT") if paid else 0
    return {code: amount for code, amount in books.items() if amount}


def actual(database_url: str) -> dict[str, int]:
    """The same out of the database, every account that ever moved."""
    with psycopg.connect(database_url) as connection:
        return {code: int(amount) for code, amount in connection.execute(BALANCES).fetchall() if amount}


def differences(wanted: dict[str, int], found: dict[str, int]) -> list[str]:
    """One line for each account on which the two disagree."""
    codes = sorted(wanted.keys() | found.keys())
    return [
        f"{code}: {found.get(code, 0)} instead of {wanted.get(code, 0)}"
        for code in codes
        if found.get(code, 0) != wanted.get(code, 0)
    ]


def _minor(amount: Decimal, currency: str) -> int:
    scaled = amount.scaleb(DECIMALS[currency])
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} {currency} is finer than its smallest unit")
    return int(scaled)
