"""What a merchant with 1,000,000 postings is owed, beside the sum over all its postings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from bench import journal
from bench.figures import Figure, against, noted
from bench.turns import wall_seconds

ROUNDS = 9


def measure() -> Iterator[Figure]:
    """Fill the ledger; ask both ways in turns, and compare what they say."""
    journal.fill()
    from settlements import balances

    account = journal.payable()
    assert balances.balance_minor(account) == _sum_over_all()
    instant = datetime.combine(journal.LAST_DAY - timedelta(days=100), datetime.min.time()).astimezone()
    now, summed, then, page = wall_seconds(
        lambda: balances.balance_minor(account),
        _sum_over_all,
        lambda: balances.as_of(account, instant),
        lambda: balances.statement_page(account, first=journal.FIRST_DAY, last=journal.LAST_DAY),
        rounds=ROUNDS,
    )
    yield against(
        f"balance of a merchant with {journal.ENTRIES:,} postings",
        now * 1000,
        "ms",
        rival="SUM over all",
        rival_value=summed * 1000,
        times_less=100,
    )
    yield noted("the same as of an instant 100 days ago", then * 1000, "ms")
    yield noted("a page of 50 movements of its statement, with the balance after each", page * 1000, "ms")


def _sum_over_all() -> int:
    """The sum at its best: one statement, on the index that holds side and amount."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) FROM settlements_posting"
            " WHERE account_id = (SELECT id FROM settlements_account WHERE code = %s)",
            [journal.PAYABLE],
        )
        return int(cursor.fetchone()[0])
