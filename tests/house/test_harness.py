"""The harness itself: tests that really commit start from empty tables, also those that refuse to be emptied."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone

from settlements.business_day import business_date
from settlements.models import Account, AccountKind, JournalEntry, Posting, VatRate


def post_an_entry() -> None:
    """One balanced entry, committed; the ledger's own tests show that it cannot be taken back."""
    now = timezone.now()
    day = business_date(now)
    sides = [
        (
            Account.objects.create(
                code=f"{kind}:KZT", kind=kind, asset_code="KZT", asset_decimals=2, created_at=now
            ),
            side,
        )
        for kind, side in ((AccountKind.FEE_INCOME, "C"), (AccountKind.HELD, "D"))
    ]
    with transaction.atomic():
        entry = JournalEntry.objects.create(
            idempotency_key="harness",
            content_sha256=b"",
            recipe="test",
            business_date=day,
            posted_at=now,
            posting_count=2,
        )
        Posting.objects.bulk_create(
            Posting(
                entry=entry,
                account=account,
                business_date=day,
                asset_code="KZT",
                side=side,
                amount_minor=1,
            )
            for account, side in sides
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", [1, 2])
def test_a_committed_row_is_gone_in_the_next_test(attempt):
    assert JournalEntry.objects.count() == 0
    assert VatRate.objects.count() == 2, "what the migrations wrote is there for every test"
    post_an_entry()
    connections.close_all()
    assert Posting.objects.count() == 2
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute("TRUNCATE settlements_posting CASCADE")


@pytest.mark.django_db
def test_triggers_fire_in_tests_although_the_harness_can_switch_them_off():
    with connection.cursor() as cursor:
        cursor.execute("SHOW session_replication_role")
        assert cursor.fetchone() == ("origin",)


def test_each_process_has_a_redis_of_its_own(redis_server):
    cache.set("till", "open")
    assert cache.get("till") == "open"
    redis_server.flush()
    assert cache.get("till") is None


def test_programs_started_by_a_test_work_on_its_database(program_environment):
    assert program_environment["DATABASE_URL"].endswith(connection.settings_dict["NAME"])
    assert connection.settings_dict["NAME"].startswith("test_")
