"""The payouts against the bank's statements: paid and shown, paid and not shown, shown and not ours, and at the bank too long."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import connection

from payments.reconciliation import payouts_to_statements
from settlements import payouts, statements
from settlements.models import BankStatement, BankStatementLine, CalendarDay, Payout
from tests.settlements import paid_out
from tests.settlements.paid_out import NOW

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 23)


def told(today: date = TODAY) -> list[tuple[str, str, int | None, int | None]]:
    compared = payouts_to_statements.compare(today=today)
    return [(each.kind, each.subject, each.left_minor, each.right_minor) for each in compared.findings]


def line(amount_tiyn: int, **fields: object) -> BankStatementLine:
    """A line of a statement of the operator's account, as the import stores it."""
    number = BankStatementLine.objects.count() + 1
    statement = BankStatement.objects.create(
        format="1C",
        file_name=f"{number}.txt",
        content=b"",
        content_sha256=number.to_bytes(32, "big"),
        line_count=1,
        new_line_count=1,
        imported_at=NOW,
    )
    values = {
        "position": 1,
        "identity_sha256": number.to_bytes(32, "big"),
        "account_iban": "KZ39601A001000000017",
        "direction": "out",
        "booked_on": TODAY,
        "is_return": False,
        "raw": [],
        "counterparty_name": "ТОО «Достық кофе»",
        **fields,
    }
    return BankStatementLine.objects.create(statement=statement, amount_tiyn=amount_tiyn, **values)


def completed() -> Payout:
    payout = paid_out.sent_batch().payouts.get()
    return payouts.complete(payout, bank_reference="B-1", now=NOW)


def test_a_payout_that_a_statement_shows_agrees() -> None:
    payout = completed()
    line(payout.amount_tiyn, status="Matched", payout=payout)
    compared = payouts_to_statements.compare(today=TODAY)
    assert (list(compared.findings), compared.checked_count) == ([], 2)


def test_a_completed_payout_that_no_statement_shows_is_found() -> None:
    payout = completed()
    assert told() == [("payout_without_line", f"payout:{payout.pk}", payout.amount_tiyn, None)]


def test_a_payout_that_came_back_needs_the_line_that_paid_it_too() -> None:
    payout = completed()
    payouts.return_(payout, reason="account closed", now=NOW)
    line(payout.amount_tiyn, direction="in", is_return=True, status="Matched", payout=payout)
    assert told() == [("payout_without_line", f"payout:{payout.pk}", payout.amount_tiyn, None)]
    line(payout.amount_tiyn, status="Matched", payout=payout)
    assert told() == []


def test_a_line_that_matches_nothing_is_found_until_somebody_sets_it_aside() -> None:
    paid, got = line(70_000), line(30_000, direction="in")
    assert told() == [
        ("line_without_payout", f"line:{paid.pk}", None, -70_000),
        ("line_without_payout", f"line:{got.pk}", None, 30_000),
    ]
    statements.set_aside(paid, actor=paid_out.officer(), reason="the bank's own fee", now=NOW)
    assert told() == [("line_without_payout", f"line:{got.pk}", None, 30_000)]


def test_a_line_of_another_amount_than_its_payout_is_found() -> None:
    """Nobody can match such a line; somebody who bends the table can."""
    payout = completed()
    matched = line(payout.amount_tiyn, status="Matched", payout=payout)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE settlements_bankstatementline SET amount_tiyn = amount_tiyn - 1 WHERE id = %s",
            [matched.pk],
        )
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert told() == [
        ("payout_amount", f"line:{matched.pk}", payout.amount_tiyn, payout.amount_tiyn - 1),
    ]


def test_each_bent_line_of_a_payout_is_a_difference_of_its_own() -> None:
    """The payment and its return: two lines of one payout, and a run has to be able to write both."""
    payout = completed()
    payouts.return_(payout, reason="account closed", now=NOW)
    paid = line(payout.amount_tiyn, status="Matched", payout=payout)
    back = line(payout.amount_tiyn, direction="in", is_return=True, status="Matched", payout=payout)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE settlements_bankstatementline SET amount_tiyn = amount_tiyn - 1")
        cursor.execute("SET LOCAL session_replication_role = origin")
    subjects = [subject for _kind, subject, _left, _right in told()]
    assert subjects == [f"line:{paid.pk}", f"line:{back.pk}"]


@pytest.mark.parametrize(
    ("days", "late"),
    [(0, False), (1, False), (2, False), (3, True)],
)
def test_a_payout_at_the_bank_for_more_than_two_business_days_is_found(days: int, late: bool) -> None:
    """Sent on Monday for Monday: Wednesday is the second business day, Thursday the third."""
    payout = paid_out.sent_batch().payouts.get()
    day = payout.batch.value_date + timedelta(days=days)
    expected = [("payout_overdue", f"payout:{payout.pk}", payout.amount_tiyn, None)] if late else []
    assert told(day) == expected


def test_days_off_are_not_counted_against_the_bank() -> None:
    payout = paid_out.sent_batch().payouts.get()
    start = payout.batch.value_date
    for number in (1, 2, 3):
        CalendarDay.objects.create(date=start + timedelta(days=number), is_working=False, note="moved")
    assert told(start + timedelta(days=6)) == []
