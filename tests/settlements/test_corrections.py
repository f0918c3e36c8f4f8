"""Corrections: lines that balance, a paper, two people; what was prepared is what is posted."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from alatau_pay.assets import KZT, Asset
from merchants.models import Merchant, User
from settlements import corrections, ledger, two_people
from settlements.entries import payable, reserve
from settlements.entry import CREDIT, DEBIT, AccountName, Line
from settlements.models import Correction, CorrectionLine, JournalEntry
from settlements.two_people import DocumentRefused

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FEES = AccountName("fee_income", KZT)


@pytest.fixture
def officer(db: None) -> User:
    return User.objects.create_user("officer@city.example", "city-officer-password")


@pytest.fixture
def controller(db: None) -> User:
    return User.objects.create_user("controller@city.example", "city-controller-password")


def fee_given_back(merchant: Merchant) -> list[Line]:
    return [Line(FEES, DEBIT, 5_000), Line(payable(merchant.pk), CREDIT, 5_000)]


def prepare(lines: list[Line], user: User, **changes: Any) -> Correction:
    values: dict[str, Any] = {
        "document_number": "Act 7",
        "document_date": date(2026, 11, 20),
        "reason": "The fee of 19.11 was taken twice",
        "user": user,
        "now": NOW,
    }
    return corrections.prepare(lines, **values | changes)


def test_a_correction_is_posted_when_a_second_person_approves(
    merchant: Merchant, officer: User, controller: User
) -> None:
    correction = prepare(fee_given_back(merchant), officer)
    assert (ledger.owed_tiyn(merchant), JournalEntry.objects.count()) == (0, 0)
    entry = corrections.approve(correction.pk, user=controller, now=NOW).ledger_entry
    assert ledger.lines_of(entry) == fee_given_back(merchant)
    assert (entry.recipe, entry.reference) == ("correction", f"correction:{correction.pk}")
    assert entry.description == "Act 7: The fee of 19.11 was taken twice"
    assert ledger.owed_tiyn(merchant) == 5_000


def test_a_correction_moves_coins_of_the_reserve_from_one_wallet_to_another(
    officer: User, controller: User
) -> None:
    """An account that nothing was ever posted to is opened."""
    lines = [Line(reserve(BTC, "w8"), DEBIT, 7), Line(reserve(BTC, "w7"), CREDIT, 7)]
    corrections.approve(prepare(lines, officer).pk, user=controller, now=NOW)
    assert ledger.balance_minor(reserve(BTC, "w8")) == 7


def test_whoever_prepared_it_does_not_approve_it(merchant: Merchant, officer: User) -> None:
    correction = prepare(fee_given_back(merchant), officer)
    with pytest.raises(DocumentRefused, match="whoever prepared"):
        corrections.approve(correction.pk, user=officer, now=NOW)
    assert not JournalEntry.objects.exists()


def test_a_refused_correction_is_not_posted(merchant: Merchant, officer: User, controller: User) -> None:
    correction = prepare(fee_given_back(merchant), officer)
    two_people.refuse(Correction, correction.pk, user=officer, reason="wrong shop", now=NOW)
    with pytest.raises(DocumentRefused, match="decided already"):
        corrections.approve(correction.pk, user=controller, now=NOW)
    assert not JournalEntry.objects.exists()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([Line(FEES, DEBIT, 5), Line(AccountName("bank", KZT), CREDIT, 4)], "does not balance"),
        ([Line(FEES, DEBIT, 5)], "two lines"),
        ([], "two lines"),
        ([Line(FEES, DEBIT, 5), Line(AccountName("till", KZT), CREDIT, 5)], "no account till:KZT"),
        ([Line(FEES, DEBIT, 5), Line(AccountName("payable", KZT), CREDIT, 5)], "merchant's account"),
        ([Line(FEES, DEBIT, 5), Line(AccountName("bank", KZT, "m1"), CREDIT, 5)], "merchant's account"),
        ([Line(FEES, DEBIT, 5), Line(payable("nobody"), CREDIT, 5)], "no such merchant: nobody"),
        # Accounts that look like others and that nobody reads; a line break in one stops the day's sealing for good.
        (
            [Line(FEES, DEBIT, 5), Line(AccountName("bank", KZT, part="x"), CREDIT, 5)],
            "no account bank:KZT:x",
        ),
        ([Line(FEES, DEBIT, 5), Line(AccountName("position", KZT), CREDIT, 5)], "no account position:KZT"),
        (
            [Line(AccountName("bank", BTC), DEBIT, 5), Line(AccountName("held", BTC), CREDIT, 5)],
            "no account bank:BTC",
        ),
        ([Line(FEES, DEBIT, 5), Line(AccountName("held", KZT), CREDIT, 5)], "no account held:KZT"),
        (
            [Line(reserve(BTC, "w7", "paymnts"), DEBIT, 5), Line(AccountName("held", BTC), CREDIT, 5)],
            "no account reserve:BTC:w7.paymnts",
        ),
        (
            [Line(reserve(BTC, "w7\n"), DEBIT, 5), Line(AccountName("held", BTC), CREDIT, 5)],
            "no account reserve:BTC:w7\n",
        ),
    ],
)
def test_lines_that_cannot_be_posted_are_refused(officer: User, lines: list[Line], message: str) -> None:
    with pytest.raises(DocumentRefused, match=message):
        prepare(lines, officer)
    assert not Correction.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"document_number": ""}, {"reason": " "}, {"document_date": date(2027, 1, 1)}]
)
def test_a_correction_without_its_paper_is_refused(
    merchant: Merchant, officer: User, changes: dict[str, Any]
) -> None:
    with pytest.raises(DocumentRefused):
        prepare(fee_given_back(merchant), officer, **changes)
    assert not Correction.objects.exists()


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE settlements_correctionline SET amount_minor = 1",
        "DELETE FROM settlements_correctionline",
        "TRUNCATE settlements_correctionline",
        "UPDATE settlements_correction SET reason = 'another'",
        "DELETE FROM settlements_correction",
    ],
)
def test_the_database_keeps_what_was_prepared(merchant: Merchant, officer: User, attack: str) -> None:
    prepare(fee_given_back(merchant), officer)
    with pytest.raises(DatabaseError, match=r"refused|as it was prepared"), transaction.atomic():
        execute(attack)


def test_the_database_lets_nobody_add_a_line(merchant: Merchant, officer: User) -> None:
    correction = prepare(fee_given_back(merchant), officer)
    extra = CorrectionLine.objects.filter(correction=correction).values().first()
    del extra["id"]
    with pytest.raises(IntegrityError, match="has all its lines"), transaction.atomic():
        CorrectionLine.objects.create(**extra)


def test_the_database_wants_the_number_of_lines_that_is_stated(officer: User) -> None:
    with pytest.raises(IntegrityError, match="another number of lines"), transaction.atomic():
        Correction.objects.create(
            document_number="1",
            document_date=date(2026, 11, 20),
            reason="no lines",
            line_count=2,
            prepared_by=officer,
            prepared_at=NOW,
        )
        execute("SELECT 1")


def test_the_database_wants_two_people(merchant: Merchant, officer: User) -> None:
    correction = prepare(fee_given_back(merchant), officer)
    with pytest.raises(IntegrityError, match="correction_"), transaction.atomic():
        Correction.objects.filter(pk=correction.pk).update(
            status="Approved", approved_by=officer, approved_at=NOW
        )


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)
