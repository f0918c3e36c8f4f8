"""The ledger: the only writer of accounts, journal entries and postings.

``post`` runs inside the caller's database transaction, so that a status and its entry stand or fall together. The
idempotency key is unique in the database: whoever comes second reads the first one's entry.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Case, F, Q, Sum, Value, When

from alatau_pay.assets import Asset
from alatau_pay.fields import MinorAmountField
from merchants.models import Merchant
from settlements.entries import payable, reversal
from settlements.entry import AccountName, Entry, Line
from settlements.models import Account, JournalEntry, Posting, Side

ALMATY = ZoneInfo("Asia/Almaty")


class LedgerConflict(Exception):
    """The idempotency key was used before with other content."""


def post(
    entry: Entry, *, idempotency_key: str, reference: str, now: datetime, reverses: JournalEntry | None = None
) -> JournalEntry:
    """Write ``entry`` once. The same key and content again returns the entry that stands.

    Guarantees: one entry per key; every asset balances (checked here and by the database); nothing is written when
    anything is refused.

    Raises:
        LedgerConflict: the key stands for another entry.
        TransactionManagementError: called outside a database transaction.
    """
    _require_database_transaction()
    if not _claim(entry, idempotency_key=idempotency_key, reference=reference, now=now, reverses=reverses):
        standing = JournalEntry.objects.get(idempotency_key=idempotency_key)
        if bytes(standing.content_sha256) != entry.content_sha256:
            raise LedgerConflict(f"{idempotency_key} stands for another entry")
        return standing
    standing = JournalEntry.objects.get(idempotency_key=idempotency_key)
    accounts = _accounts({line.account for line in entry.lines}, now=now)
    # One statement for all lines: the balance trigger looks once, and never at half an entry.
    Posting.objects.bulk_create(
        Posting(
            entry=standing,
            account=accounts[line.account.code],
            asset_code=line.account.asset.code,
            side=line.side,
            amount_minor=line.amount_minor,
        )
        for line in entry.lines
    )
    return standing


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
    return _balance(Q(account__code=account.code))


def total_minor(kind: str, asset: Asset) -> int:
    """Debits less credits of all accounts of ``kind`` in ``asset``: a reserve over all wallets, what is owed to all."""
    return _balance(Q(account__kind=kind, account__asset_code=asset.code))


def _balance(which: Q) -> int:
    signed = Case(
        When(side=Side.DEBIT, then=F("amount_minor")),
        default=F("amount_minor") * Value(-1),
        output_field=MinorAmountField(),
    )
    total = Posting.objects.filter(which).aggregate(total=Sum(signed, output_field=MinorAmountField()))[
        "total"
    ]
    return int(total or 0)


def owed_tiyn(merchant: Merchant) -> int:
    """What the operator owes ``merchant`` now, in tiyn."""
    return -balance_minor(payable(merchant.pk))


def business_date(moment: datetime) -> date:
    """The calendar day in Almaty on which ``moment`` counts."""
    return moment.astimezone(ALMATY).date()


def asset_of(account: Account) -> Asset:
    """The asset that ``account`` is kept in; the ledger knows it by code and decimals."""
    return Asset(code=account.asset_code, symbol=account.asset_code, decimals=account.asset_decimals)


def _claim(
    entry: Entry, *, idempotency_key: str, reference: str, now: datetime, reverses: JournalEntry | None
) -> bool:
    """Insert the entry's row unless the key stands already; a rival with the same key is waited for.

    In SQL because Django's ``ignore_conflicts`` names no constraint: it would also swallow a second reversal.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO settlements_journalentry (idempotency_key, content_sha256, recipe, business_date, reference,"
            " description, reverses_id, posted_at, posting_count) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (idempotency_key) DO NOTHING",
            [
                idempotency_key,
                entry.content_sha256,
                entry.recipe,
                business_date(now),
                reference,
                entry.description,
                reverses.pk if reverses else None,
                now,
                len(entry.lines),
            ],
        )
        return cursor.rowcount == 1


def name_of(account: Account) -> AccountName:
    """The name by which recipes know ``account``."""
    return AccountName(account.kind, asset_of(account), account.merchant_id or "", account.part)


def _accounts(names: set[AccountName], *, now: datetime) -> dict[str, Account]:
    by_code = {name.code: name for name in names}
    found = {account.code: account for account in Account.objects.filter(code__in=by_code)}
    missing = [
        Account(
            code=code,
            kind=name.kind,
            asset_code=name.asset.code,
            asset_decimals=name.asset.decimals,
            merchant_id=name.merchant_id or None,
            part=name.part,
            created_at=now,
        )
        for code, name in sorted(by_code.items())
        if code not in found
    ]
    if missing:
        # Two first payments may race to open an account: the loser reads the winner's row.
        Account.objects.bulk_create(missing, ignore_conflicts=True)
        found = {account.code: account for account in Account.objects.filter(code__in=by_code)}
    return found


def _require_database_transaction() -> None:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "the ledger posts inside the caller's database transaction"
        )
