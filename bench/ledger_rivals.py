"""The ledger as the ORM would write it: the same columns, indexes, foreign keys and append-only triggers in tables of its own.

Rows come one by one, so no rule of the database checks that an entry balances: the rivals are spared what ours pays for.
"""

from __future__ import annotations

from datetime import datetime

from django.db import models, transaction

from alatau_pay.fields import MinorAmountField
from settlements.business_day import business_date
from settlements.entry import DEBIT, Entry
from settlements.models import Account

TABLES = """
CREATE TABLE bench_entry (LIKE settlements_journalentry INCLUDING ALL);
CREATE TABLE bench_posting (LIKE settlements_posting INCLUDING ALL);
ALTER TABLE bench_posting ADD FOREIGN KEY (account_id, asset_code) REFERENCES settlements_account (id, asset_code);
ALTER TABLE bench_posting ADD FOREIGN KEY (business_date, entry_id) REFERENCES bench_entry (business_date, id);
CREATE TABLE bench_account (code text PRIMARY KEY, balance_minor numeric(78) NOT NULL);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bench_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bench_posting FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""


class BenchAccount(models.Model):
    """An account with its balance beside it, as one keeps it who locks."""

    code = models.TextField(primary_key=True)
    balance_minor = MinorAmountField()

    class Meta:
        app_label = "bench"
        db_table = "bench_account"
        managed = False


class BenchEntry(models.Model):
    idempotency_key = models.CharField(max_length=120)
    content_sha256 = models.BinaryField(max_length=32)
    recipe = models.CharField(max_length=40)
    business_date = models.DateField()
    reference = models.CharField(max_length=80)
    description = models.CharField(max_length=300)
    posted_at = models.DateTimeField()
    posting_count = models.PositiveSmallIntegerField()

    class Meta:
        app_label = "bench"
        db_table = "bench_entry"
        managed = False


class BenchPosting(models.Model):
    entry = models.ForeignKey(BenchEntry, on_delete=models.PROTECT)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    business_date = models.DateField()
    asset_code = models.CharField(max_length=32)
    side = models.CharField(max_length=1)
    amount_minor = MinorAmountField()

    class Meta:
        app_label = "bench"
        db_table = "bench_posting"
        managed = False


def create(entry: Entry, *, key: str, now: datetime, accounts: dict[str, Account]) -> None:
    """The entry and its lines by ``create``, in a database transaction; the accounts are known beforehand."""
    with transaction.atomic():
        _create(entry, key=key, now=now, accounts=accounts)


def create_locked(entry: Entry, *, key: str, now: datetime, accounts: dict[str, Account], lock: str) -> None:
    """The same with the account ``lock`` held, as one does who keeps its balance beside it: locked, read, written."""
    with transaction.atomic():
        platform = BenchAccount.objects.select_for_update().get(code=lock)
        _create(entry, key=key, now=now, accounts=accounts)
        for line in entry.lines:
            if line.account.code == lock:
                platform.balance_minor += line.amount_minor if line.side == DEBIT else -line.amount_minor
        platform.save(update_fields=["balance_minor"])


def _create(entry: Entry, *, key: str, now: datetime, accounts: dict[str, Account]) -> None:
    day = business_date(now)
    made = BenchEntry.objects.create(
        idempotency_key=key,
        content_sha256=entry.content_sha256,
        recipe=entry.recipe,
        business_date=day,
        reference="measured",
        description="",
        posted_at=now,
        posting_count=len(entry.lines),
    )
    for line in entry.lines:
        BenchPosting.objects.create(
            entry=made,
            account=accounts[line.account.code],
            business_date=day,
            asset_code=line.account.asset.code,
            side=line.side,
            amount_minor=line.amount_minor,
        )
