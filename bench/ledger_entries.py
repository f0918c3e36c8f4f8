"""Entries of four postings a second with eight workers, beside the ORM's; and what the database's balance check costs.

The ways take turns, so that what else the machine does falls on all of them alike. Each worker is a process with a connection of
its own; no two have a key in common, all of them post to the platform's own accounts.
"""

from __future__ import annotations

import multiprocessing
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from bench import installation
from bench.figures import Figure, times_more

if TYPE_CHECKING:
    from multiprocessing.pool import Pool

    from settlements.entry import Entry

WORKERS = 8
ROUNDS = 8
BATCH = 100
# What the platform's coins cost: every settled payment moves it.
PLATFORM = "position:KZT:BTC"
# How many entries a worker posts in a turn: about a second's work each.
TURNS = {"create": 50, "create locked": 30, "in batches": 1000, "one by one": 150, "unchecked": 150}
SINGLE = f"entries of four postings, one a database transaction, {WORKERS} workers"
BATCHES = f"entries of four postings, {BATCH} a database transaction, {WORKERS} workers"
CHECKS = [("settlements_posting", "posting_balance")]


def measure() -> Iterator[Figure]:
    """Let eight processes post each way in turns, and compare the medians."""
    installation.start()
    from django.db import connections

    _prepare()
    # Forked workers must not share a connection with us.
    connections.close_all()
    with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
        rates = _measure_in_turns(pool)
    locked = "ORM with select_for_update on the platform's account, its balance beside it"
    for name, way, rival, rival_way, times in [
        (SINGLE, "one by one", "ORM create, append-only", "create", 3),
        (SINGLE, "one by one", locked, "create locked", 8),
        (BATCHES, "in batches", "ORM create, append-only", "create", 15),
        (BATCHES, "in batches", locked, "create locked", 40),
        (f"{SINGLE}, with the balance check", "one by one", "the same without it", "unchecked", 0.85),
    ]:
        yield times_more(
            name, rates[way], "entries/s", rival=rival, rival_values=rates[rival_way], times=times
        )


def _measure_in_turns(pool: Pool) -> dict[str, list[float]]:
    """Entries a second of each way, round by round; the first round is for what only it pays."""
    rates: dict[str, list[float]] = {way: [] for way in TURNS}
    for round_number in range(ROUNDS + 1):
        # There and back, so that none always comes after the same one.
        for way, count in sorted(TURNS.items(), reverse=round_number % 2 == 0):
            if way == "unchecked":
                _switch_checks("DISABLE")
            # Whoever was changed plans anew: that is not measured.
            pool.starmap(_post, [(way, BATCH if way == "in batches" else 8)] * WORKERS, chunksize=1)
            started = time.perf_counter()
            pool.starmap(_post, [(way, count)] * WORKERS, chunksize=1)
            rates[way].append(WORKERS * count / (time.perf_counter() - started))
            if way == "unchecked":
                _switch_checks("ENABLE")
    return {way: values[1:] for way, values in rates.items()}


def _post(way: str, count: int) -> None:
    """In a worker: ``count`` entries in this way, under keys that nobody used."""
    keys = [f"{secrets.token_hex(8)}:{number}" for number in range(count)]
    _WAYS[way](keys, datetime.now().astimezone())


def _one_by_one(keys: list[str], now: datetime) -> None:
    from django.db import transaction

    from settlements import ledger

    for key in keys:
        with transaction.atomic():
            ledger.post(_entry(key), idempotency_key=key, reference="measured", now=now)


def _in_batches(keys: list[str], now: datetime) -> None:
    from django.db import transaction

    from settlements import ledger

    for start in range(0, len(keys), BATCH):
        part = keys[start : start + BATCH]
        with transaction.atomic():
            ledger.post_many([ledger.Voucher(_entry(key), key, "measured", now) for key in part])


def _create(keys: list[str], now: datetime) -> None:
    from bench import ledger_rivals
    from settlements.models import Account

    accounts = {account.code: account for account in Account.objects.all()}
    for key in keys:
        ledger_rivals.create(_entry(key), key=key, now=now, accounts=accounts)


def _create_locked(keys: list[str], now: datetime) -> None:
    from bench import ledger_rivals
    from settlements.models import Account

    accounts = {account.code: account for account in Account.objects.all()}
    for key in keys:
        ledger_rivals.create_locked(_entry(key), key=key, now=now, accounts=accounts, lock="position:KZT:BTC")


_WAYS: dict[str, Callable[[list[str], datetime], None]] = {
    "one by one": _one_by_one,
    "in batches": _in_batches,
    "create": _create,
    "create locked": _create_locked,
    "unchecked": _one_by_one,
}


def _entry(key: str) -> Entry:
    """Coin into the reserve and against the position; tenge to what it cost and to one of sixteen others."""
    from alatau_pay.assets import KZT, Asset
    from settlements.entry import AccountName, entry_of

    number = int(key[:8], 16)
    bitcoin = Asset("BTC", "BTC", 8)
    return entry_of(
        "measured",
        (AccountName("reserve", bitcoin, part="w1.payments"), "D", 1 + number),
        (AccountName("position", bitcoin), "C", 1 + number),
        (AccountName("position", KZT, part="BTC"), "D", 2 + number),
        (AccountName("capital", KZT, part=f"m{number % 16}"), "C", 2 + number),
    )


def _prepare() -> None:
    """The rivals' tables, and every account opened."""
    from django.db import connection, transaction

    from bench import ledger_rivals
    from settlements import ledger

    with connection.cursor() as cursor:
        cursor.execute(ledger_rivals.TABLES)
    now = datetime.now().astimezone()
    with transaction.atomic():
        keys = [f"{number:08x}:first" for number in range(16)]
        ledger.post_many([ledger.Voucher(_entry(key), key, "measured", now) for key in keys])
    ledger_rivals.BenchAccount.objects.create(code=PLATFORM, balance_minor=0)


def _switch_checks(how: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for table, trigger in CHECKS:
            cursor.execute(f"ALTER TABLE {table} {how} TRIGGER {trigger}")
    connection.close()
