"""What a merchant with 1,000,000 postings is owed, beside the sum over all its postings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from bench import journal
from bench.figures import Figure, against, noted

ROUNDS = 9
# How often a read of a millisecond is asked in a round.
READS = 20


def measure() -> Iterator[Figure]:
    """Fill the ledger; ask both ways in turns, and compare what they say."""
    journal.fill()
    from settlements import balances

    account = journal.payable()
    assert balances.balance_minor(account) == _sum_over_all()
    instant = datetime.combine(journal.LAST_DAY - timedelta(days=100), datetime.min.time()).astimezone()
    now, then, page, summed = _fastest(
        (READS, lambda: balances.balance_minor(account)),
        (READS, lambda: balances.as_of(account, instant)),
        (
            READS,
            lambda: balances.statement_page(account, first=journal.FIRST_DAY, last=journal.LAST_DAY),
        ),
        (1, _sum_over_all),
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


def _fastest(*ways: tuple[int, Callable[[], object]]) -> list[float]:
    """Seconds of the fastest run of each way, taken in turns: what else the machine does can only add to a millisecond."""
    fastest = [float("inf")] * len(ways)
    for _round in range(ROUNDS):
        for place, (times, way) in enumerate(ways):
            for _time in range(times):
                started = time.perf_counter()
                way()
                fastest[place] = min(fastest[place], time.perf_counter() - started)
    return fastest


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
