"""A closed day takes no entry, whoever tries and however; its seal and its closing balances are what was posted."""

import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction

from alatau_pay.assets import Asset
from settlements import balances, days, ledger, seal
from settlements.entries import payment_held
from settlements.entry import AccountName
from settlements.models import Account, ClosedDay, ClosingBalance, DaySeal, JournalEntry
from settlements.tasks import close_days

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
HELD = AccountName("held", BTC)
# Noon in Almaty.
NOON = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
ONE_DAY = timedelta(days=1)


def post(key, amount=100, *, at=NOON):
    with transaction.atomic():
        return ledger.post(
            payment_held(coin=BTC, wallet="w7", received_minor=amount),
            idempotency_key=key,
            reference="test:1",
            now=at,
        )


def held_at_close():
    rows = ClosingBalance.objects.filter(account__code="held:BTC").order_by("day_id")
    return [(row.day_id, row.balance_minor) for row in rows]


def test_days_that_are_over_are_closed_and_sealed_one_after_another_empty_ones_too():
    post("a")
    post("b", at=NOON + 2 * ONE_DAY)
    post("c", at=NOON + 3 * ONE_DAY)
    assert days.close_due(NOON + 3 * ONE_DAY) == [DAY, DAY + ONE_DAY, DAY + 2 * ONE_DAY]
    assert days.closed_through() == days.sealed_through() == DAY + 2 * ONE_DAY
    counts = DaySeal.objects.order_by("day_id").values_list("entry_count", flat=True)
    assert list(counts) == [1, 0, 1]
    assert held_at_close() == [(DAY, -100), (DAY + 2 * ONE_DAY, -200)]
    assert days.close_due(NOON + 3 * ONE_DAY) == []


def test_a_day_ends_at_midnight_in_almaty():
    post("a", at=datetime(2026, 11, 20, 18, 59, 59, tzinfo=UTC))
    post("b", at=datetime(2026, 11, 20, 19, 0, tzinfo=UTC))
    assert days.close_due(datetime(2026, 11, 20, 18, 59, 59, tzinfo=UTC)) == []
    assert days.close_due(datetime(2026, 11, 20, 19, 0, tzinfo=UTC)) == [DAY]
    assert held_at_close() == [(DAY, -100)]


def test_a_ledger_without_entries_closes_nothing():
    assert days.close_due(NOON) == []
    assert days.closed_through() is None


def test_the_task_closes_what_is_over_by_the_clock():
    post("long ago")
    closed = close_days()
    assert closed[0] == DAY.isoformat()
    assert days.sealed_through() == ledger.business_date(datetime.now(UTC)) - ONE_DAY


def test_an_entry_of_a_closed_day_is_refused_and_of_today_is_not():
    post("a")
    days.close_due(NOON + ONE_DAY)
    with pytest.raises(ledger.DayClosed, match="2026-11-20"), transaction.atomic():
        post("late")
    assert not JournalEntry.objects.filter(idempotency_key="late").exists()
    post("today", at=NOON + ONE_DAY)
    assert ledger.balance_minor(HELD) == -200


def test_a_repeated_command_of_a_closed_day_still_reads_its_entry():
    entry = post("a")
    days.close_due(NOON + ONE_DAY)
    assert post("a") == entry


def test_a_batch_with_one_entry_of_a_closed_day_posts_nothing():
    post("a")
    days.close_due(NOON + ONE_DAY)
    held = payment_held(coin=BTC, wallet="w7", received_minor=1)
    with pytest.raises(ledger.DayClosed), transaction.atomic():
        ledger.post_many(
            [
                ledger.Voucher(held, "today", "test:1", NOON + ONE_DAY),
                ledger.Voucher(held, "late", "test:1", NOON),
            ]
        )
    assert JournalEntry.objects.count() == 1


def test_the_seal_is_over_every_entry_and_chained_to_the_day_before():
    post("a")
    post("b")
    post("c", at=NOON + ONE_DAY)
    days.close_due(NOON + 2 * ONE_DAY)
    first, second = DaySeal.objects.order_by("day_id")
    leaves = seal.split_hashes(bytes(first.leaf_hashes))
    assert len(leaves) == 2
    assert bytes(first.root) == seal.root_of(leaves)
    assert bytes(first.seal) == seal.seal_of(previous=seal.NO_SEAL, day=DAY, root=bytes(first.root))
    assert bytes(second.seal) == seal.seal_of(
        previous=bytes(first.seal), day=DAY + ONE_DAY, root=bytes(second.root)
    )


def test_a_leaf_is_the_entry_with_all_its_lines_and_the_entry_that_it_undoes():
    entry = post("a", 700)
    with transaction.atomic():
        ledger.reverse(entry, idempotency_key="a:reversed", now=NOON)
    days.close_due(NOON + ONE_DAY)
    lines = (("reserve:BTC:w7.payments", "C", "700"), ("held:BTC", "D", "700"))
    undone = seal.LeafEntry(
        idempotency_key="a:reversed",
        recipe="payment_held_reversed",
        business_date=DAY,
        posted_at=NOON,
        reference="test:1",
        description="",
        reverses="a",
        lines=lines,
    )
    leaves = seal.split_hashes(bytes(DaySeal.objects.get().leaf_hashes))
    assert leaves[1] == seal.leaf_hash(seal.leaf_bytes(undone))


def test_closing_or_sealing_twice_does_nothing():
    post("a")
    assert days.close(DAY, now=NOON + ONE_DAY)
    assert not days.close(DAY, now=NOON + ONE_DAY)
    assert days.seal_day(DAY, now=NOON + ONE_DAY)
    assert not days.seal_day(DAY, now=NOON + ONE_DAY)
    assert ClosingBalance.objects.count() == 2


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (DAY + 2 * ONE_DAY, "one after another"),
        (DAY - ONE_DAY, "one after another"),
        (DAY + ONE_DAY, "closed_when_over"),
    ],
)
def test_no_day_is_left_out_and_none_is_closed_before_it_is_over(day, reason):
    post("a")
    days.close_due(NOON + ONE_DAY)
    with pytest.raises(IntegrityError, match=reason), transaction.atomic():
        days.close(day, now=NOON + ONE_DAY)


def test_the_first_day_to_be_closed_has_no_entry_before_it():
    post("a")
    with pytest.raises(IntegrityError, match="first day"), transaction.atomic():
        days.close(DAY + ONE_DAY, now=NOON + 9 * ONE_DAY)


def test_a_day_that_is_not_closed_is_not_sealed():
    post("a")
    with pytest.raises(ClosedDay.DoesNotExist):
        days.seal_day(DAY, now=NOON + ONE_DAY)


CLOSED = "INSERT INTO settlements_dayseal (day_id, entry_count, root, seal, leaf_hashes, sealed_at)"
ZEROS = "decode(repeat('00', 32), 'hex')"


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("UPDATE settlements_closedday SET day = '2030-01-01'", "append-only"),
        ("DELETE FROM settlements_closedday", "append-only"),
        ("TRUNCATE settlements_closedday CASCADE", "append-only"),
        ("UPDATE settlements_dayseal SET entry_count = 0", "append-only"),
        ("DELETE FROM settlements_dayseal", "append-only"),
        ("TRUNCATE settlements_dayseal", "append-only"),
        ("UPDATE settlements_closingbalance SET balance_minor = 0", "append-only"),
        ("DELETE FROM settlements_closingbalance", "append-only"),
        ("TRUNCATE settlements_closingbalance", "append-only"),
        (
            "INSERT INTO settlements_closingbalance (account_id, day_id, balance_minor)"
            " SELECT account_id, '2026-11-21', 0 FROM settlements_closingbalance",
            "in no other way",
        ),
        (f"{CLOSED} VALUES ('2026-11-23', 0, {ZEROS}, {ZEROS}, '', now())", "one after another"),
        (f"{CLOSED} VALUES ('2026-11-22', 1, {ZEROS}, {ZEROS}, {ZEROS}, now())", "another number of entries"),
        (f"{CLOSED} VALUES ('2026-11-22', 0, {ZEROS}, '', '', now())", "seal_is_sha256"),
        (f"{CLOSED} VALUES ('2026-11-22', 0, {ZEROS}, {ZEROS}, {ZEROS}, now())", "seal_has_every_leaf"),
        ("UPDATE settlements_account SET code = 'held:KZT' WHERE code = 'held:BTC'", "keeps its name"),
        ("UPDATE settlements_account SET merchant_id = NULL", "keeps its name"),
        ("DELETE FROM settlements_account", "keeps its name"),
        ("TRUNCATE settlements_account CASCADE", "keeps its name|append-only"),
    ],
)
def test_the_database_refuses_to_bend_what_is_closed(attack, reason):
    post("a")
    days.close_due(NOON + 2 * ONE_DAY)
    for day in (DAY + 2 * ONE_DAY, DAY + 3 * ONE_DAY):
        days.close(day, now=NOON + 4 * ONE_DAY)
    before = held_at_close(), list(DaySeal.objects.values_list("seal", flat=True))
    with pytest.raises(DatabaseError, match=reason), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(attack)
    assert (held_at_close(), list(DaySeal.objects.values_list("seal", flat=True))) == before


def test_the_database_refuses_an_entry_of_a_closed_day_written_around_python():
    post("a")
    days.close_due(NOON + ONE_DAY)
    with pytest.raises(DatabaseError, match="the day is closed"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO settlements_journalentry (idempotency_key, content_sha256, recipe, business_date, reference,"
                " description, posted_at, posting_count) VALUES ('raw', '', 'raw', %s, '', '', %s, 2)",
                [DAY, NOON],
            )


def test_the_database_refuses_an_entry_that_counts_on_another_day_than_its_moments():
    with pytest.raises(DatabaseError, match="entry_counts_on_its_day"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO settlements_journalentry (idempotency_key, content_sha256, recipe, business_date, reference,"
                " description, posted_at, posting_count) VALUES ('raw', '', 'raw', %s, '', '', %s, 2)",
                [DAY + ONE_DAY, NOON],
            )


@pytest.mark.parametrize(("days_later", "entries_later"), [(1, 0), (0, 1)])
def test_the_database_refuses_postings_of_another_day_or_of_no_entry(days_later, entries_later):
    """An entry that states two lines and has none yet, so that only the day, or the entry, is wrong."""
    post("a")
    accounts = [Account.objects.get(code=code).pk for code in ("reserve:BTC:w7.payments", "held:BTC")]
    with pytest.raises(DatabaseError, match="another day"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO settlements_journalentry (idempotency_key, content_sha256, recipe, business_date, reference,"
                " description, posted_at, posting_count) VALUES ('raw', '', 'raw', %s, '', '', %s, 2) RETURNING id",
                [DAY, NOON],
            )
            entry, day = cursor.fetchone()[0] + entries_later, DAY + days_later * ONE_DAY
            cursor.execute(
                "INSERT INTO settlements_posting (entry_id, account_id, business_date, asset_code, side, amount_minor)"
                " VALUES (%s, %s, %s, 'BTC', 'D', 1), (%s, %s, %s, 'BTC', 'C', 1)",
                [entry, accounts[0], day, entry, accounts[1], day],
            )
    assert balances.at_close(HELD, DAY + ONE_DAY) == -100


@pytest.mark.django_db(transaction=True)
def test_posting_in_an_older_snapshot_is_refused():
    with pytest.raises(DatabaseError, match="READ COMMITTED"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        post("a")


@pytest.mark.django_db(transaction=True)
def test_closing_in_an_older_snapshot_is_refused():
    """It would not see who posted while it waited: the day would be sealed without an entry."""
    post("a")
    with pytest.raises(DatabaseError, match="READ COMMITTED"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(
                "INSERT INTO settlements_closedday (day, closed_at) VALUES (%s, %s)", [DAY, NOON + ONE_DAY]
            )
    assert not ClosedDay.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_closing_waits_for_whoever_is_posting_and_sees_their_entry():
    post("a")
    posted, may_commit, outcome = threading.Event(), threading.Event(), []

    def slow_till():
        try:
            with transaction.atomic():
                post("slow")
                posted.set()
                may_commit.wait(timeout=10)
        finally:
            connections.close_all()

    def office():
        try:
            outcome.append(days.close_due(NOON + ONE_DAY))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=slow_till), threading.Thread(target=office)]
    threads[0].start()
    assert posted.wait(timeout=10)
    threads[1].start()
    time.sleep(0.3)
    assert outcome == [], "the day is not closed while somebody posts into it"
    may_commit.set()
    for thread in threads:
        thread.join(timeout=20)
    assert outcome == [[DAY]]
    assert DaySeal.objects.get().entry_count == 2


@pytest.mark.django_db(transaction=True)
def test_whoever_posts_while_a_day_is_being_closed_is_refused():
    post("a")
    closing, may_commit, refused = threading.Event(), threading.Event(), []

    def office():
        try:
            with transaction.atomic():
                days.close(DAY, now=NOON + ONE_DAY)
                closing.set()
                may_commit.wait(timeout=10)
        finally:
            connections.close_all()

    def till():
        try:
            post("late")
        except ledger.DayClosed as error:
            refused.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=office), threading.Thread(target=till)]
    threads[0].start()
    assert closing.wait(timeout=10)
    threads[1].start()
    time.sleep(0.3)
    assert refused == [], "posting waits for the closing to end"
    may_commit.set()
    for thread in threads:
        thread.join(timeout=20)
    assert len(refused) == 1
    assert JournalEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_closers_close_and_seal_each_day_once():
    post("a")
    post("b", at=NOON + ONE_DAY)
    sealed, failures = [], []

    def close():
        try:
            sealed.extend(days.close_due(NOON + 2 * ONE_DAY))
        except Exception as error:  # noqa: BLE001 — the thread's failure is the test's
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(sealed) == [DAY, DAY + ONE_DAY]
    assert held_at_close() == [(DAY, -100), (DAY + ONE_DAY, -200)]


def test_the_admin_shows_days_seals_and_closing_balances(world, admin_client):
    post("a")
    days.close_due(NOON + ONE_DAY)
    balance = ClosingBalance.objects.first()
    for page in (
        "closedday/",
        "dayseal/",
        "closingbalance/",
        "dayseal/2026-11-20/change/",
        "closedday/2026-11-20/change/",
    ):
        assert admin_client.get(f"/admin/settlements/{page}").status_code == 200, page
    assert admin_client.get(f"/admin/settlements/closingbalance/{balance.pk}/change/").status_code == 200
    seal_hex = bytes(DaySeal.objects.get().seal).hex()
    assert seal_hex in admin_client.get("/admin/settlements/dayseal/").content.decode()
