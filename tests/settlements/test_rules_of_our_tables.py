"""The database's rules look at our tables: a session's own temporary ones, named alike, change nothing."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from settlements import days
from settlements.models import Account, JournalEntry
from tests.settlements.test_ledger import DAY, NOW, post, raw_post

HELD, RESERVE = "held:BTC", "reserve:BTC:w7.payments"


def in_a_session_with(*statements):
    """A fresh connection, whose functions have planned nothing yet."""
    connection.close()
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def own_session(transactional_db):
    post()
    yield
    # Temporary tables go with it.
    connection.close()


def test_a_closed_day_stays_closed(own_session):
    days.close_due(NOW + timedelta(days=2))
    in_a_session_with("CREATE TEMPORARY TABLE settlements_closedday (day date)")
    with pytest.raises(DatabaseError, match="the day is closed"):
        raw_post([(RESERVE, "BTC", "D", 7), (HELD, "BTC", "C", 7)])


def test_a_posting_is_in_its_accounts_asset(own_session):
    in_a_session_with(
        "CREATE TEMPORARY TABLE settlements_account AS"
        " SELECT id, code, 'ETH' AS asset_code, asset_decimals, kind, part, merchant_id, created_at FROM settlements_account"
    )
    with pytest.raises(DatabaseError, match="not of this asset"):
        raw_post([(RESERVE, "ETH", "D", 7), (HELD, "ETH", "C", 7)])


def test_an_entry_has_as_many_lines_as_it_states(own_session):
    """Lines added to an entry that stands, while the table that they are counted in seems to hold them alone."""
    entry = JournalEntry.objects.get()
    accounts = [Account.objects.get(code=code).pk for code in (RESERVE, HELD)]
    in_a_session_with(
        f"CREATE TEMPORARY TABLE settlements_posting AS SELECT {entry.pk} AS entry_id FROM generate_series(1, 2)"
    )
    added = ", ".join(
        f"({entry.pk}, {pk}, '{DAY}', 'BTC', '{side}', 7)" for pk, side in zip(accounts, "DC", strict=True)
    )
    with pytest.raises(DatabaseError, match="another number of postings"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO public.settlements_posting"
                f" (entry_id, account_id, business_date, asset_code, side, amount_minor) VALUES {added}"
            )


@pytest.mark.django_db
def test_every_rule_says_where_its_tables_are():
    """Also of rules that are written one day: nothing but the function itself can say it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
            " AND prorettype = 'trigger'::regtype"
            " AND NOT coalesce(array_to_string(proconfig, ';') LIKE '%%search_path=public, pg_temp%%', false)"
        )
        assert cursor.fetchall() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "columns",
    [
        ("bank:KZT", "payable", "KZT", ""),
        ("bank:KZT\nx", "bank", "KZT", "\nx"),
        ("bank:KZT x", "bank", "KZT x", ""),
        ("payable:KZT:somebody", "bank", "KZT", ""),
        ("reserve:BTC:w7.payments", "reserve", "BTC", "w8.payments"),
    ],
)
def test_an_account_is_what_its_code_says(columns):
    with pytest.raises(DatabaseError, match="account_is_what_its_code_says"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO settlements_account (code, kind, asset_code, part, asset_decimals, created_at)"
                " VALUES (%s, %s, %s, %s, 2, now())",
                columns,
            )


@pytest.mark.django_db
@pytest.mark.parametrize("moment", ["infinity", "-infinity", "9999-12-30 12:00+05"])
def test_no_entry_counts_beyond_the_calendar(moment):
    with pytest.raises(DatabaseError, match=r"entry_counts_on_its_day|out of range"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO settlements_journalentry (idempotency_key, content_sha256, recipe, business_date, reference,"
                " description, posted_at, posting_count)"
                " VALUES ('k', '', 'raw', (%s::timestamptz AT TIME ZONE 'Asia/Almaty')::date, '', '', %s, 2)",
                [moment, moment],
            )
