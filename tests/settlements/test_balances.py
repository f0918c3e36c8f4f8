"""Balances now and at any moment are what summing every posting gives, whatever is closed, sealed or posted late at night."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alatau_pay.assets import Asset
from settlements import balances, days, ledger
from settlements.balances import Place
from settlements.entries import correction, payment_held
from settlements.entry import AccountName, Line
from settlements.models import Posting

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
HELD = AccountName("held", BTC)
DAY = date(2026, 11, 20)
MIDNIGHT = datetime(2026, 11, 19, 19, 0, tzinfo=UTC)
ONE_DAY = timedelta(days=1)


def post(key, amount, *, at, wallet="w7"):
    with transaction.atomic():
        return ledger.post(
            payment_held(coin=BTC, wallet=wallet, received_minor=amount),
            idempotency_key=key,
            reference=f"test:{key}",
            now=at,
        )


def summed(account, *, until=None):
    """Every posting of the account added up one by one, by hand."""
    rows = Posting.objects.filter(account__code=account.code).select_related("entry")
    return sum(
        row.amount_minor if row.side == "D" else -row.amount_minor
        for row in rows
        if until is None or row.entry.posted_at <= until
    )


# Hours since the first midnight, and an amount; posted in this order, which is not that of the hours.
postings = st.lists(st.tuples(st.integers(0, 119), st.integers(1, 10**20)), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(postings, st.integers(0, 5), st.integers(0, 125))
def test_a_balance_is_the_sum_of_its_postings_at_every_moment(posted, closed_days, hour):
    with transaction.atomic():
        for number, (at, amount) in enumerate(posted):
            post(f"k{number}", amount, at=MIDNIGHT + timedelta(hours=at))
        days.close_due(MIDNIGHT + closed_days * ONE_DAY)
        last = MIDNIGHT + 5 * ONE_DAY
        post("today", 7, at=last)
        assert balances.balance_minor(HELD) == summed(HELD)
        assert balances.total_minor("reserve", BTC) == -summed(HELD)
        instant = MIDNIGHT + timedelta(hours=hour)
        assert balances.as_of(HELD, instant) == summed(HELD, until=instant)
        for number in range(-1, 6):
            end = MIDNIGHT + (number + 1) * ONE_DAY - timedelta(microseconds=1)
            assert balances.at_close(HELD, DAY + number * ONE_DAY) == summed(HELD, until=end)
            assert balances.total_at_close("held", BTC, DAY + number * ONE_DAY) == summed(HELD, until=end)
        transaction.set_rollback(True)


def test_an_account_that_nobody_opened_holds_nothing():
    nobody = AccountName("payable", BTC, "nobody")
    assert balances.balance_minor(nobody) == 0
    assert balances.at_close(nobody, DAY) == 0
    assert balances.as_of(nobody, MIDNIGHT) == 0
    assert balances.statement_page(nobody, first=DAY, last=DAY) == balances.StatementPage((), None)


def test_a_total_is_over_all_accounts_of_the_kind():
    post("a", 5, at=MIDNIGHT, wallet="w7")
    days.close_due(MIDNIGHT + ONE_DAY)
    post("b", 8, at=MIDNIGHT + ONE_DAY, wallet="w8")
    assert balances.total_minor("reserve", BTC) == 13
    assert balances.total_at_close("reserve", BTC, DAY) == 5
    assert balances.total_minor("reserve", Asset("ETH", "ETH", 18)) == 0


def test_an_instant_of_a_sealed_day_counts_what_was_posted_until_then():
    post("a", 5, at=MIDNIGHT)
    post("b", 8, at=MIDNIGHT + timedelta(hours=5))
    days.close_due(MIDNIGHT + 2 * ONE_DAY)
    assert balances.as_of(HELD, MIDNIGHT + timedelta(hours=4, minutes=59)) == -5
    assert balances.as_of(HELD, MIDNIGHT + timedelta(hours=5)) == -13


def test_sealed_days_are_not_summed_again():
    """The figure comes from the closing balance: with one changed behind the database's back, it is another one."""
    post("a", 5, at=MIDNIGHT)
    days.close_due(MIDNIGHT + ONE_DAY)
    post("b", 8, at=MIDNIGHT + ONE_DAY)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE settlements_closingbalance SET balance_minor = -1000 WHERE balance_minor = -5")
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert balances.balance_minor(HELD) == -1008


def test_a_statement_runs_page_by_page_with_the_balance_after_each_entry():
    for number in range(7):
        post(f"k{number}", 10**number, at=MIDNIGHT + timedelta(hours=10 * number))
    days.close_due(MIDNIGHT + 2 * ONE_DAY)
    seen, place = [], None
    while True:
        page = balances.statement_page(HELD, first=DAY, last=DAY + 9 * ONE_DAY, before=place, size=3)
        seen += page.movements
        place = page.older
        if place is None:
            break
    assert [move.amount_minor for move in seen] == [-(10**number) for number in reversed(range(7))]
    assert [move.balance_minor for move in seen] == [
        -int("1" * (number + 1)) for number in reversed(range(7))
    ]
    assert [move.reference for move in seen] == [f"test:k{number}" for number in reversed(range(7))]


def test_a_statement_of_a_period_begins_and_ends_at_its_balances():
    for number in range(7):
        post(f"k{number}", 10**number, at=MIDNIGHT + timedelta(hours=10 * number))
    page = balances.statement_page(HELD, first=DAY + ONE_DAY, last=DAY + ONE_DAY)
    newest, oldest = page.movements[0], page.movements[-1]
    assert {move.business_date for move in page.movements} == {DAY + ONE_DAY}
    assert newest.balance_minor == balances.at_close(HELD, DAY + ONE_DAY)
    assert oldest.balance_minor - oldest.amount_minor == balances.at_close(HELD, DAY)


def test_entries_around_midnight_stand_in_the_order_of_their_days():
    """Posted after the next day's first entry, but counting the evening before."""
    post("tomorrow", 100, at=MIDNIGHT + ONE_DAY)
    post("tonight", 1, at=MIDNIGHT + ONE_DAY - timedelta(seconds=1))
    page = balances.statement_page(HELD, first=DAY, last=DAY + ONE_DAY, size=1)
    assert [(move.reference, move.balance_minor) for move in page.movements] == [("test:tomorrow", -101)]
    page = balances.statement_page(HELD, first=DAY, last=DAY + ONE_DAY, before=page.older, size=1)
    assert [(move.reference, move.balance_minor) for move in page.movements] == [("test:tonight", -1)]
    assert page.older is None


def test_an_entry_with_two_lines_on_one_account_is_one_movement():
    post("a", 10, at=MIDNIGHT)
    reserve = AccountName("reserve", BTC, part="w7.payments")
    lines = [Line(HELD, "D", 4), Line(HELD, "C", 1), Line(reserve, "C", 3)]
    with transaction.atomic():
        ledger.post(
            correction(lines, description="counted twice"),
            idempotency_key="correction",
            reference="correction:1",
            now=MIDNIGHT,
        )
    page = balances.statement_page(HELD, first=DAY, last=DAY)
    assert [(move.amount_minor, move.balance_minor) for move in page.movements] == [(3, -7), (-10, -10)]


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_commits_while_a_page_is_read_does_not_shift_its_balances():
    """Its number is below the newest one's; it commits as soon as the page's first statement has been read."""
    post("first", 1, at=MIDNIGHT)
    inserted, may_commit = threading.Event(), threading.Event()

    def slow_till():
        try:
            with transaction.atomic():
                post("slow", 1_000, at=MIDNIGHT)
                inserted.set()
                may_commit.wait(timeout=10)
        finally:
            connections.close_all()

    till = threading.Thread(target=slow_till)
    till.start()
    assert inserted.wait(timeout=10)
    post("newest", 20, at=MIDNIGHT)

    def then_commit(execute, *statement):
        outcome = execute(*statement)
        may_commit.set()
        till.join(timeout=10)
        return outcome

    with connection.execute_wrapper(then_commit):
        page = balances.statement_page(HELD, first=DAY, last=DAY)
    assert [(move.amount_minor, move.balance_minor) for move in page.movements] == [(-20, -21), (-1, -1)]
    assert balances.balance_minor(HELD) == -1_021


def test_a_place_after_the_period_shows_the_period_from_its_end():
    post("a", 10, at=MIDNIGHT)
    page = balances.statement_page(HELD, first=DAY, last=DAY, before=Place(DAY + 9 * ONE_DAY, 1))
    assert len(page.movements) == 1
