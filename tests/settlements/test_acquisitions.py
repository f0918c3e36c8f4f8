"""Acquisitions take two people, are posted once, and stay as they were; the attacks go around Python."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction

from alatau_pay.assets import KZT, Asset
from merchants.models import User
from settlements import acquisitions, ledger, two_people
from settlements.entries import payment_held, position, position_cost, reserve
from settlements.entry import AccountName
from settlements.models import Acquisition, JournalEntry
from settlements.two_people import DocumentRefused

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def officer(db: None) -> User:
    return User.objects.create_user("officer@city.example", "city-officer-password")


@pytest.fixture
def controller(db: None) -> User:
    return User.objects.create_user("controller@city.example", "city-controller-password")


def prepare(user: User, **changes: Any) -> Acquisition:
    values: dict[str, Any] = {
        "coin": BTC,
        "wallet": "w7",
        "source": "seizure",
        "amount_minor": 150_000_000,
        "value_tiyn": 5_100_000_000,
        "document_number": "1-445",
        "document_date": date(2026, 11, 20),
        "reason": "Court decision of 18.11.2026",
        "user": user,
        "now": NOW,
    }
    return acquisitions.prepare(**values | changes)


def test_nothing_is_posted_before_a_second_person_approves(officer: User, controller: User) -> None:
    acquisition = prepare(officer)
    assert (acquisition.status, JournalEntry.objects.count()) == ("Prepared", 0)
    approved = acquisitions.approve(acquisition.pk, user=controller, now=NOW)
    entry = approved.ledger_entry
    assert (approved.status, approved.approved_by) == ("Approved", controller)
    assert (entry.recipe, entry.reference) == ("reserve_acquired", f"acquisition:{acquisition.pk}")
    assert ledger.balance_minor(reserve(BTC, "w7", "seizure")) == 150_000_000
    assert ledger.balance_minor(position(BTC)) == -150_000_000
    assert ledger.balance_minor(position_cost(BTC)) == 5_100_000_000
    assert ledger.balance_minor(AccountName("capital", KZT)) == -5_100_000_000


def test_a_purchase_is_paid_out_of_the_bank_account(officer: User, controller: User) -> None:
    acquisition = prepare(officer, source="purchase", wallet="")
    acquisitions.approve(acquisition.pk, user=controller, now=NOW)
    assert ledger.balance_minor(AccountName("bank", KZT)) == -5_100_000_000
    assert ledger.balance_minor(reserve(BTC, "", "purchase")) == 150_000_000


def test_whoever_prepared_it_does_not_approve_it(officer: User) -> None:
    acquisition = prepare(officer)
    with pytest.raises(DocumentRefused, match="whoever prepared"):
        acquisitions.approve(acquisition.pk, user=officer, now=NOW)
    acquisition.refresh_from_db()
    assert (acquisition.status, JournalEntry.objects.count()) == ("Prepared", 0)


def test_it_is_decided_once(officer: User, controller: User) -> None:
    acquisition = prepare(officer)
    acquisitions.approve(acquisition.pk, user=controller, now=NOW)
    for decide in (
        lambda: acquisitions.approve(acquisition.pk, user=controller, now=NOW),
        lambda: two_people.refuse(Acquisition, acquisition.pk, user=controller, reason="no", now=NOW),
    ):
        with pytest.raises(DocumentRefused, match="decided already"):
            decide()
    assert JournalEntry.objects.count() == 1


def test_a_refused_one_posts_nothing_and_may_be_entered_again(officer: User, controller: User) -> None:
    acquisition = prepare(officer)
    with pytest.raises(DocumentRefused, match="reason"):
        two_people.refuse(Acquisition, acquisition.pk, user=controller, reason=" ", now=NOW)
    refused = two_people.refuse(Acquisition, acquisition.pk, user=controller, reason="wrong amount", now=NOW)
    assert (refused.status, refused.refusal_reason) == ("Refused", "wrong amount")
    with pytest.raises(DocumentRefused, match="decided already"):
        acquisitions.approve(acquisition.pk, user=controller, now=NOW)
    again = prepare(officer, amount_minor=140_000_000)
    assert acquisitions.approve(again.pk, user=controller, now=NOW).status == "Approved"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"document_number": "  "}, "document has a number"),
        ({"document_number": "1" * 81}, "document has a number"),
        ({"reason": ""}, "document has a reason"),
        ({"document_date": date(2026, 11, 24)}, "has not come"),
        ({"amount_minor": 0}, "has an amount"),
        ({"value_tiyn": -1}, "has an amount"),
        ({"source": "purchase", "value_tiyn": 0}, "has an amount"),
        ({"source": "payments"}, "no such source"),
    ],
)
def test_an_acquisition_without_its_paper_or_figures_is_refused(
    officer: User, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DocumentRefused, match=message):
        prepare(officer, **changes)
    assert not Acquisition.objects.exists()


def test_the_same_document_is_entered_once(officer: User) -> None:
    prepare(officer)
    with pytest.raises(DocumentRefused, match="entered before"):
        prepare(officer)
    # Another coin of the same paper is another row.
    prepare(officer, coin=Asset("ETH", "ETH", 18))
    assert Acquisition.objects.count() == 2


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE settlements_acquisition SET amount_minor = 1",
        "UPDATE settlements_acquisition SET reason = 'another'",
        "UPDATE settlements_acquisition SET prepared_by_id = {controller}",
        "DELETE FROM settlements_acquisition",
        "TRUNCATE settlements_acquisition",
    ],
)
def test_the_database_keeps_what_was_prepared(officer: User, controller: User, attack: str) -> None:
    prepare(officer)
    with pytest.raises(DatabaseError, match="prepared"), transaction.atomic():
        execute(attack.format(controller=controller.pk))


def test_the_database_wants_two_people_and_an_entry(officer: User, controller: User) -> None:
    acquisition = prepare(officer)
    with transaction.atomic():
        entry = ledger.post(
            payment_held(coin=BTC, wallet="w7", received_minor=1),
            idempotency_key="k",
            reference="test:1",
            now=NOW,
        )
    decided = "UPDATE settlements_acquisition SET status = 'Approved', approved_at = now(), approved_by_id"
    for attack, constraint in (
        (f"{decided} = {controller.pk}", "acquisition_is_decided_whole"),
        (f"{decided} = {officer.pk}, ledger_entry_id = {entry.pk}", "acquisition_takes_two_people"),
    ):
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            execute(attack)
    acquisitions.approve(acquisition.pk, user=controller, now=NOW)
    with pytest.raises(DatabaseError, match="decided already"), transaction.atomic():
        execute("UPDATE settlements_acquisition SET refusal_reason = 'late'")


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql)


@pytest.mark.django_db(transaction=True)
def test_two_approvals_at_once_post_once(officer: User, controller: User) -> None:
    acquisition = prepare(officer)
    outcomes: list[str] = []

    def approve() -> None:
        try:
            outcomes.append(acquisitions.approve(acquisition.pk, user=controller, now=NOW).status)
        except DocumentRefused as refusal:
            outcomes.append(str(refusal))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=approve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(outcomes) == ["Approved"] + ["this document was decided already"] * 3
    assert JournalEntry.objects.count() == 1
