"""The ledger: the only writer of accounts, journal entries and postings.

``post`` runs inside the caller's database transaction, so that a status and its entry stand or fall together. The
idempotency key is unique in the database: whoever comes second reads the first one's entry. An entry is one statement,
however many lines it has (the function ``ledger_post_one``, migration 0011); so are many entries (``ledger_post``, 0006).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connection, transaction

from alatau_pay.assets import Asset
from merchants.models import Merchant
from settlements import balances
from settlements.business_day import business_date
from settlements.entries import payable, reversal
from settlements.entry import AccountName, Entry, Line
from settlements.models import Account, JournalEntry
from settlements.vouchers import Parameter, Voucher, parameters_of_many, parameters_of_one, posted_entry

__all__ = [
    "DayClosed",
    "LedgerConflict",
    "Voucher",
    "asset_of",
    "balance_minor",
    "business_date",
    "lines_of",
    "name_of",
    "owed_tiyn",
    "post",
    "post_many",
    "reverse",
    "total_minor",
]
# The database's word for "that day takes no entry any more" (migration 0006).
_DAY_CLOSED_SQLSTATE = "LD001"
# What its answer begins with when an account is missing and nothing was written.
_ACCOUNT_MISSING = 0
_POST_ONE = "SELECT ledger_post_one(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
_POST = (
    "SELECT number, entry_id FROM ledger_post(%s::text[], %s::bytea[], %s::text[], %s::date[], %s::text[], %s::text[],"
    " %s::bigint[], %s::timestamptz[], %s::smallint[], %s::integer[], %s::text[], %s::text[], %s::numeric[])"
)


class LedgerConflict(Exception):
    """The idempotency key was used before with other content, or for another cause."""


class DayClosed(Exception):
    """The moment to post at lies in a business day that is closed; post it with a later moment."""


def post(
    entry: Entry, *, idempotency_key: str, reference: str, now: datetime, reverses: JournalEntry | None = None
) -> JournalEntry:
    """Write ``entry`` once. The same key, content and cause again returns the entry that stands.

    Guarantees: one entry per key; every asset balances (checked here and by the database); nothing is written when
    anything is refused.

    Raises:
        LedgerConflict: the key stands for another entry, or for one with another cause.
        DayClosed: the day of ``now`` takes no entry any more; the caller's database transaction has to be undone.
        TransactionManagementError: called outside a database transaction.
    """
    _require_database_transaction()
    voucher = Voucher(entry, idempotency_key, reference, now, reverses)
    return _insert_one(voucher) or _standing([voucher])[idempotency_key]


def post_many(vouchers: Sequence[Voucher]) -> list[JournalEntry]:
    """``post`` for each of ``vouchers`` in one statement: their entries in the order given, all or none.

    Raises: as ``post`` does.
    """
    _require_database_transaction()
    by_key = _by_key(vouchers)
    posted = _insert(by_key)
    if len(posted) < len(by_key):
        posted |= _standing([voucher for key, voucher in by_key.items() if key not in posted])
    return [posted[voucher.idempotency_key] for voucher in vouchers]


def reverse(entry: JournalEntry, *, idempotency_key: str, now: datetime) -> JournalEntry:
    """Write the entry that undoes ``entry``; one entry is reversed at most once (unique in the database)."""
    undone = reversal(entry.recipe, lines_of(entry))
    return post(undone, idempotency_key=idempotency_key, reference=entry.reference, now=now, reverses=entry)


def lines_of(entry: JournalEntry) -> list[Line]:
    """The lines of an entry that stands, in the order they were posted."""
    return [
        Line(name_of(posting.account), posting.side, posting.amount_minor)
        for posting in entry.postings.select_related("account").order_by("id")
    ]


def balance_minor(account: AccountName) -> int:
    """Debits less credits of ``account`` in smallest units; 0 where nothing was ever posted."""
    return balances.balance_minor(account)


def total_minor(kind: str, asset: Asset) -> int:
    """Debits less credits of all accounts of ``kind`` in ``asset``: a reserve over all wallets, what is owed to all."""
    return balances.total_minor(kind, asset)


def owed_tiyn(merchant: Merchant) -> int:
    """What the operator owes ``merchant`` now, in tiyn."""
    return -balance_minor(payable(merchant.pk))


def asset_of(account: Account) -> Asset:
    """The asset that ``account`` is kept in; the ledger knows it by code and decimals."""
    return Asset(code=account.asset_code, symbol=account.asset_code, decimals=account.asset_decimals)


def name_of(account: Account) -> AccountName:
    """The name by which recipes know ``account``."""
    return AccountName(account.kind, asset_of(account), account.merchant_id or "", account.part)


def _by_key(vouchers: Sequence[Voucher]) -> dict[str, Voucher]:
    """The vouchers by their keys; one that comes twice is one.

    Raises:
        LedgerConflict: two of them have one key and other content.
    """
    by_key: dict[str, Voucher] = {}
    for voucher in vouchers:
        first = by_key.setdefault(voucher.idempotency_key, voucher)
        if first is not voucher and _said(first) != _said(voucher):
            raise LedgerConflict(f"{voucher.idempotency_key} is given for two entries")
    return by_key


def _insert_one(voucher: Voucher) -> JournalEntry | None:
    """Insert the entry unless its key stands already; a rival with the same key is waited for."""
    [(entry_id,)] = _write(_POST_ONE, parameters_of_one(voucher), [voucher])
    return None if entry_id is None else posted_entry(voucher, entry_id, database=connection.alias)


def _insert(by_key: dict[str, Voucher]) -> dict[str, JournalEntry]:
    """Insert the entries whose keys stand for nothing yet, and say which; a rival with the same key is waited for."""
    vouchers = list(by_key.values())
    if not vouchers:
        return {}
    rows = _write(_POST, parameters_of_many(vouchers), vouchers)
    posted = [
        posted_entry(vouchers[number - 1], entry_id, database=connection.alias) for number, entry_id in rows
    ]
    return {entry.idempotency_key: entry for entry in posted}


def _write(statement: str, parameters: list[Parameter], vouchers: Sequence[Voucher]) -> list[tuple[Any, ...]]:
    """The database's answer, once every account is open."""
    rows = _call(statement, parameters)
    if _is_account_missing(rows):
        _open_accounts(vouchers)
        rows = _call(statement, parameters)
        assert not _is_account_missing(rows), "an account never goes away"
    return rows


def _is_account_missing(rows: list[tuple[Any, ...]]) -> bool:
    return bool(rows) and rows[0][0] == _ACCOUNT_MISSING


def _call(statement: str, parameters: list[Parameter]) -> list[tuple[Any, ...]]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) == _DAY_CLOSED_SQLSTATE:
            raise DayClosed(str(error.__cause__).partition("\n")[0]) from error
        raise


def _standing(vouchers: list[Voucher]) -> dict[str, JournalEntry]:
    """The entries that stand under the keys of ``vouchers``, if they are what the vouchers say.

    Moment and description may differ: the same command comes again later, and then may word itself otherwise.
    """
    keys = [voucher.idempotency_key for voucher in vouchers]
    standing = {
        entry.idempotency_key: entry for entry in JournalEntry.objects.filter(idempotency_key__in=keys)
    }
    for voucher in vouchers:
        entry = standing[voucher.idempotency_key]
        if (bytes(entry.content_sha256), entry.reference, entry.reverses_id) != _said(voucher):
            raise LedgerConflict(f"{voucher.idempotency_key} stands for another entry")
    return standing


def _said(voucher: Voucher) -> tuple[bytes, str, int | None]:
    """What makes a command the same one: recipe and lines, what caused it, and the entry that it undoes."""
    return voucher.entry.content_sha256, voucher.reference, voucher.reverses_id


def _open_accounts(vouchers: Sequence[Voucher]) -> None:
    """Open the accounts that are missing. Two first payments may race for one: the loser reads the winner's row."""
    missing = {
        line.account.code: Account(
            code=line.account.code,
            kind=line.account.kind,
            asset_code=line.account.asset.code,
            asset_decimals=line.account.asset.decimals,
            merchant_id=line.account.merchant_id or None,
            part=line.account.part,
            created_at=voucher.now,
        )
        for voucher in vouchers
        for line in voucher.entry.lines
    }
    # In the order of their codes, so that two who open the same ones do not wait for each other in a circle.
    Account.objects.bulk_create((missing[code] for code in sorted(missing)), ignore_conflicts=True)


def _require_database_transaction() -> None:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "the ledger posts inside the caller's database transaction"
        )
