"""The ledger writes once, and the database itself refuses what would bend it. The attacks go around Python."""

import threading
from datetime import UTC, date, datetime

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction

from alatau_pay.assets import KZT, Asset
from settlements import ledger
from settlements.entries import payment_held
from settlements.entry import AccountName, Entry, Line
from settlements.models import Account, JournalEntry, Posting

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
DAY = date(2026, 11, 24)
HELD = AccountName("held", BTC)


def post(key="k1", amount=500):
    with transaction.atomic():
        return ledger.post(
            payment_held(coin=BTC, wallet="w7", received_minor=amount),
            idempotency_key=key,
            reference="test:1",
            now=NOW,
        )


def test_an_entry_is_written_with_its_lines_and_its_day_in_almaty():
    entry = post()
    assert entry.business_date == date(2026, 11, 24)
    assert [(p.account.code, p.side, p.amount_minor) for p in entry.postings.all()] == [
        ("reserve:BTC:w7.payments", "D", 500),
        ("held:BTC", "C", 500),
    ]
    assert ledger.balance_minor(HELD) == -500


def test_the_same_key_and_content_writes_nothing_more():
    assert post() == post()
    assert JournalEntry.objects.count() == 1
    assert Posting.objects.count() == 2


def test_the_same_key_with_other_content_is_refused():
    post()
    with pytest.raises(ledger.LedgerConflict):
        post(amount=501)
    assert ledger.balance_minor(HELD) == -500


@pytest.mark.parametrize("other", [{"reference": "test:2"}, {"reverses": True}])
def test_the_same_key_and_lines_with_another_cause_are_refused(other):
    """Two entries alike, undone under one key: the second would stay as it is and be taken for undone."""
    entry = post()
    if other.get("reverses"):
        other = {"reverses": entry}
    held = payment_held(coin=BTC, wallet="w7", received_minor=500)
    command = {"idempotency_key": "k1", "reference": "test:1", "now": NOW, **other}
    with pytest.raises(ledger.LedgerConflict), transaction.atomic():
        ledger.post(held, **command)
    with pytest.raises(ledger.LedgerConflict), transaction.atomic():
        ledger.post_many([ledger.Voucher(held, "new", "test:1", NOW), ledger.Voucher(held, **command)])
    assert JournalEntry.objects.count() == 1


def test_posting_outside_a_database_transaction_is_refused(transactional_db):
    with pytest.raises(transaction.TransactionManagementError):
        ledger.post(
            payment_held(coin=BTC, wallet="w7", received_minor=1),
            idempotency_key="k",
            reference="test:1",
            now=NOW,
        )
    assert not JournalEntry.objects.exists()


def test_a_reversal_brings_the_balances_back_and_happens_once():
    entry = post()
    with transaction.atomic():
        undone = ledger.reverse(entry, idempotency_key="k1:reversed", now=NOW)
    assert undone.reverses == entry
    assert ledger.balance_minor(HELD) == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        ledger.reverse(entry, idempotency_key="another key", now=NOW)


def test_a_balance_of_an_account_never_used_is_zero():
    assert ledger.balance_minor(AccountName("payable", KZT, "nobody")) == 0


def test_amounts_of_78_digits_survive():
    post(amount=2**256 - 1)
    assert ledger.balance_minor(HELD) == -(2**256 - 1)


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE settlements_posting SET amount_minor = 1",
        "DELETE FROM settlements_posting",
        "TRUNCATE settlements_posting",
        "UPDATE settlements_journalentry SET business_date = '2020-01-01'",
        "DELETE FROM settlements_journalentry",
        "TRUNCATE settlements_journalentry CASCADE",
    ],
)
def test_the_database_refuses_to_change_what_was_posted(attack):
    post()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        # PostgreSQL truncates no table whose deferred triggers have yet to run.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(attack)
    assert ledger.balance_minor(HELD) == -500


def insert_entry(cursor, posting_count):
    cursor.execute(
        "INSERT INTO settlements_journalentry (idempotency_key, content_sha256, recipe, business_date, reference,"
        " description, posted_at, posting_count) VALUES ('raw', '', 'raw', %s, '', '', %s, %s) RETURNING id",
        [DAY, NOW, posting_count],
    )
    return cursor.fetchone()[0]


def raw_post(lines, posting_count=2):
    """An entry written around Python: lines of (account code, asset code, side, amount)."""
    with transaction.atomic(), connection.cursor() as cursor:
        entry_id = insert_entry(cursor, posting_count)
        if lines:
            values = [
                (entry_id, Account.objects.get(code=code).pk, DAY, asset, side, amount)
                for code, asset, side, amount in lines
            ]
            placeholders = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(values))
            cursor.execute(
                "INSERT INTO settlements_posting (entry_id, account_id, business_date, asset_code, side, amount_minor)"
                f" VALUES {placeholders}",
                [field for value in values for field in value],
            )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_database_takes_a_balanced_entry_written_around_python():
    post()
    raw_post([("reserve:BTC:w7.payments", "BTC", "D", 7), ("held:BTC", "BTC", "C", 7)])
    assert ledger.balance_minor(HELD) == -507


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([("reserve:BTC:w7.payments", "BTC", "D", 7), ("held:BTC", "BTC", "C", 6)], "does not balance"),
        (
            [("reserve:BTC:w7.payments", "BTC", "D", 7), ("held:BTC", "KZT", "C", 7)],
            "does not balance|not of this asset",
        ),
        (
            [("reserve:BTC:w7.payments", "KZT", "D", 7), ("held:BTC", "KZT", "C", 7)],
            "not of this asset",
        ),
        ([("reserve:BTC:w7.payments", "BTC", "D", 7)], "does not balance"),
        (
            [("reserve:BTC:w7.payments", "BTC", "D", 0), ("held:BTC", "BTC", "C", 0)],
            "posting_amount_positive",
        ),
        (
            [("reserve:BTC:w7.payments", "BTC", "D", -7), ("held:BTC", "BTC", "C", -7)],
            "posting_amount_positive",
        ),
        ([("reserve:BTC:w7.payments", "BTC", "X", 7), ("held:BTC", "BTC", "C", 7)], "posting_side"),
        ([], "no postings"),
    ],
)
def test_the_database_refuses_an_entry_that_bends_the_rules(lines, reason):
    post()
    with pytest.raises(DatabaseError, match=reason):
        raw_post(lines)
    assert ledger.balance_minor(HELD) == -500


def test_the_database_refuses_a_posting_to_an_unknown_account():
    post()
    with pytest.raises(DatabaseError, match="not of this asset"), transaction.atomic():
        with connection.cursor() as cursor:
            entry_id = insert_entry(cursor, 2)
            cursor.execute(
                "INSERT INTO settlements_posting (entry_id, account_id, business_date, asset_code, side, amount_minor)"
                " VALUES (%s, -1, %s, 'BTC', 'D', 7), (%s, -1, %s, 'BTC', 'C', 7)",
                [entry_id, DAY, entry_id, DAY],
            )
    assert ledger.balance_minor(HELD) == -500


def test_the_database_refuses_more_lines_for_an_entry_that_stands():
    entry = post()
    reserve, held = Account.objects.get(code="reserve:BTC:w7.payments"), Account.objects.get(code="held:BTC")
    with pytest.raises(DatabaseError, match="another number of postings"), transaction.atomic():
        Posting.objects.bulk_create(
            [
                Posting(
                    entry=entry,
                    account=reserve,
                    business_date=DAY,
                    asset_code="BTC",
                    side="D",
                    amount_minor=1,
                ),
                Posting(
                    entry=entry, account=held, business_date=DAY, asset_code="BTC", side="C", amount_minor=1
                ),
            ]
        )


@pytest.mark.django_db(transaction=True)
def test_eight_writers_with_one_key_write_one_entry():
    failures = []

    def write():
        try:
            post("raced")
        except Exception as error:  # noqa: BLE001 — the thread's failure is the test's
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert JournalEntry.objects.count() == 1
    assert ledger.balance_minor(HELD) == -500


def posted_alone(entry, *, reverses=None, **voucher):
    return ledger.post(entry, **voucher, reverses=reverses)


def posted_among_many(entry, *, reverses=None, **voucher):
    other = ledger.Voucher(payment_held(coin=BTC, wallet="w7", received_minor=1), "other", "test:2", NOW)
    return ledger.post_many([other, ledger.Voucher(entry, **voucher, reverses=reverses), other])[1]


@pytest.mark.parametrize("way", [posted_alone, posted_among_many])
@pytest.mark.parametrize(
    "text", ['Түзету: "екі рет" есептелген', "a\\b\\", "{a,b}", "NULL", "line\nbreak", "%s", "'; --", ""]
)
def test_any_text_comes_back_as_it_was_given(text, way):
    lines = (
        Line(HELD, "D", 10**77),
        Line(AccountName("reserve", BTC, part="w7.payments"), "C", 10**77 - 5),
        Line(AccountName("reserve", BTC, part="w8.payments"), "C", 5),
    )
    undone = post("undone")
    with transaction.atomic():
        posted = way(
            Entry("correction", lines, text),
            idempotency_key=f"key {text}",
            reference=f"test:{text}",
            now=NOW,
            reverses=undone,
        )
    read = JournalEntry.objects.get(pk=posted.pk)
    assert (read.description, read.idempotency_key, read.reference) == (text, f"key {text}", f"test:{text}")
    fields = [field.attname for field in JournalEntry._meta.concrete_fields]
    assert {name: getattr(read, name) for name in fields} == {name: getattr(posted, name) for name in fields}
    assert tuple(ledger.lines_of(read)) == lines


@pytest.mark.parametrize("way", [posted_alone, posted_among_many])
def test_a_standing_key_is_read_also_where_the_new_entry_names_an_unknown_account(way):
    post()
    lines = (Line(AccountName("held", KZT), "D", 5), Line(AccountName("bank", KZT), "C", 5))
    with pytest.raises(ledger.LedgerConflict), transaction.atomic():
        way(Entry("correction", lines), idempotency_key="k1", reference="test:1", now=NOW)
    assert [entry.idempotency_key for entry in JournalEntry.objects.all()] == ["k1"]


def test_many_are_posted_in_order_and_what_stands_is_read():
    standing = post("b")
    held = payment_held(coin=BTC, wallet="w7", received_minor=500)
    with transaction.atomic():
        entries = ledger.post_many([ledger.Voucher(held, key, "test:1", NOW) for key in ("a", "b", "c", "a")])
    assert [entry.idempotency_key for entry in entries] == ["a", "b", "c", "a"]
    assert entries[1] == standing
    assert entries[0].pk < entries[2].pk
    assert JournalEntry.objects.count() == 3
    assert ledger.balance_minor(HELD) == -1500


def test_of_many_with_one_conflict_none_is_posted():
    post("b")
    held = payment_held(coin=BTC, wallet="w7", received_minor=7)
    with pytest.raises(ledger.LedgerConflict), transaction.atomic():
        ledger.post_many([ledger.Voucher(held, key, "test:1", NOW) for key in ("a", "b")])
    with pytest.raises(ledger.LedgerConflict, match="two entries"), transaction.atomic():
        other = payment_held(coin=BTC, wallet="w7", received_minor=8)
        ledger.post_many([ledger.Voucher(held, "c", "x:1", NOW), ledger.Voucher(other, "c", "x:1", NOW)])
    assert JournalEntry.objects.count() == 1


def test_posting_nothing_writes_nothing():
    with transaction.atomic():
        assert ledger.post_many([]) == []


def test_a_second_entry_under_one_key_is_refused_around_python():
    post("raw")
    with pytest.raises(IntegrityError, match="one_entry_per_key"), transaction.atomic():
        raw_post([("reserve:BTC:w7.payments", "BTC", "D", 7), ("held:BTC", "BTC", "C", 7)])
    assert ledger.balance_minor(HELD) == -500
