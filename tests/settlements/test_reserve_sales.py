"""Sales of reserve coins: two people, the average cost, the realised difference; no cost is ever taken twice."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction

from alatau_pay.assets import KZT, Asset
from merchants.models import Merchant, User
from settlements import entries, ledger, reserve_sales
from settlements.entry import AccountName, Entry
from settlements.fee_terms import Fee
from settlements.models import JournalEntry, ReserveSale
from settlements.two_people import DocumentRefused

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DIFFERENCE = AccountName("exchange_diff", KZT)


@pytest.fixture
def officer(db: None) -> User:
    return User.objects.create_user("officer@city.example", "city-officer-password")


@pytest.fixture
def controller(db: None) -> User:
    return User.objects.create_user("controller@city.example", "city-controller-password")


def post(entry: Entry) -> JournalEntry:
    with transaction.atomic():
        key = f"test:{JournalEntry.objects.count()}"
        return ledger.post(entry, idempotency_key=key, reference="test:1", now=NOW)


def receive(merchant: Merchant, satoshi: int, gross_tiyn: int, *, credited: int | None = None) -> None:
    """A settled payment into wallet 7, a part of it perhaps held for the resident."""
    post(
        entries.payment_settled(
            merchant_id=merchant.pk,
            coin=BTC,
            wallet="w7",
            received_minor=satoshi,
            credited_minor=satoshi if credited is None else credited,
            gross_tiyn=gross_tiyn,
            fee=Fee(0, 0),
        )
    )


def prepare(user: User, **changes: Any) -> ReserveSale:
    values: dict[str, Any] = {
        "coin": BTC,
        "wallet": "w7",
        "source": "payments",
        "amount_minor": 1_000,
        "proceeds_tiyn": 400_000,
        "document_number": "ATX-1",
        "document_date": date(2026, 11, 23),
        "reason": "Sold at the exchange",
        "user": user,
        "now": NOW,
    }
    return reserve_sales.prepare(**values | changes)


def test_a_sale_takes_its_share_of_the_average_cost(
    merchant: Merchant, officer: User, controller: User
) -> None:
    receive(merchant, 2_000, 600_000)
    receive(merchant, 1_000, 390_001)
    sale = prepare(officer)
    assert (sale.cost_tiyn, sale.difference_tiyn, ledger.balance_minor(DIFFERENCE)) == (None, None, 0)
    sold = reserve_sales.approve(sale.pk, user=controller, now=NOW)
    # 990 001 × 1 000 ÷ 3 000 = 330 000.33…, half up to 330 000; brought 400 000.
    assert (sold.cost_tiyn, sold.difference_tiyn) == (330_000, 70_000)
    assert ledger.balance_minor(DIFFERENCE) == -70_000
    assert ledger.balance_minor(AccountName("bank", KZT)) == 400_000
    assert ledger.balance_minor(entries.reserve(BTC, "w7")) == 2_000
    assert ledger.balance_minor(entries.position_cost(BTC)) == 660_001


def test_the_last_sale_takes_all_that_is_left_of_the_cost(
    merchant: Merchant, officer: User, controller: User
) -> None:
    receive(merchant, 3_000, 1_000_000)
    for number in ("1", "2", "3"):
        sale = prepare(officer, document_number=number, proceeds_tiyn=300_000)
        reserve_sales.approve(sale.pk, user=controller, now=NOW)
    assert list(ReserveSale.objects.order_by("id").values_list("cost_tiyn", flat=True)) == [
        333_333,
        333_334,
        333_333,
    ]
    assert ledger.balance_minor(entries.position_cost(BTC)) == 0
    # Sold for less than they cost: a loss stands on the debit side.
    assert ledger.balance_minor(DIFFERENCE) == 100_000


def test_more_than_the_account_holds_is_not_sold(merchant: Merchant, officer: User, controller: User) -> None:
    receive(merchant, 1_000, 400_000)
    for changes in ({"amount_minor": 1_001}, {"wallet": "w8"}, {"source": "seizure"}):
        with pytest.raises(DocumentRefused, match="the reserve holds less"):
            prepare(officer, **changes)
    first, second = prepare(officer), prepare(officer, document_number="ATX-2")
    reserve_sales.approve(first.pk, user=controller, now=NOW)
    with pytest.raises(DocumentRefused, match="the reserve holds less"):
        reserve_sales.approve(second.pk, user=controller, now=NOW)
    second.refresh_from_db()
    assert (second.status, second.cost_tiyn) == ("Prepared", None)
    assert ledger.balance_minor(entries.reserve(BTC, "w7")) == 0


def test_coins_that_are_owed_to_residents_are_not_sold(merchant: Merchant, officer: User) -> None:
    receive(merchant, 1_000, 300_000, credited=800)
    with pytest.raises(DocumentRefused, match="owed to residents"):
        prepare(officer, amount_minor=801)
    assert prepare(officer, amount_minor=800).status == "Prepared"


def test_whoever_prepared_it_does_not_approve_it(merchant: Merchant, officer: User) -> None:
    receive(merchant, 1_000, 300_000)
    sale = prepare(officer)
    with pytest.raises(DocumentRefused, match="whoever prepared"):
        reserve_sales.approve(sale.pk, user=officer, now=NOW)
    assert ledger.balance_minor(entries.reserve(BTC, "w7")) == 1_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amount_minor": 0}, "has an amount"),
        ({"proceeds_tiyn": 0}, "has an amount"),
        ({"source": "gift"}, "no such source"),
        ({"document_number": ""}, "document has a number"),
    ],
)
def test_a_sale_without_its_figures_is_refused(
    merchant: Merchant, officer: User, changes: dict[str, Any], message: str
) -> None:
    receive(merchant, 1_000, 300_000)
    with pytest.raises(DocumentRefused, match=message):
        prepare(officer, **changes)
    assert not ReserveSale.objects.exists()


def test_the_same_sale_is_entered_once(merchant: Merchant, officer: User) -> None:
    receive(merchant, 5_000, 300_000)
    prepare(officer)
    with pytest.raises(DocumentRefused, match="entered before"):
        prepare(officer)


def test_the_database_keeps_a_sale_as_it_was_decided(
    merchant: Merchant, officer: User, controller: User
) -> None:
    receive(merchant, 1_000, 300_000)
    sale = prepare(officer)
    for attack, error, words in (
        ("UPDATE settlements_reservesale SET proceeds_tiyn = 1", DatabaseError, "as it was prepared"),
        ("UPDATE settlements_reservesale SET cost_tiyn = 1", IntegrityError, "has_cost_when_approved"),
        ("DELETE FROM settlements_reservesale", DatabaseError, "DELETE refused"),
        ("TRUNCATE settlements_reservesale", DatabaseError, "TRUNCATE refused"),
    ):
        with pytest.raises(error, match=words), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(attack)
    reserve_sales.approve(sale.pk, user=controller, now=NOW)
    with pytest.raises(DatabaseError, match="decided already"), transaction.atomic():
        ReserveSale.objects.update(cost_tiyn=1)


@pytest.mark.django_db(transaction=True)
def test_a_sale_waits_for_whoever_is_posting_and_takes_its_share_of_what_they_leave(
    merchant: Merchant, officer: User, controller: User
) -> None:
    """A network's fee takes 1 000 of 3 000 satoshi with half of the cost; the sale of the rest takes the other half."""
    receive(merchant, 3_000, 1_000_000)
    sale = prepare(officer, amount_minor=2_000)
    posted, may_commit = threading.Event(), threading.Event()

    def pay_network_fee() -> None:
        fee = entries.network_fee_paid(coin=BTC, wallet="w7", fee_minor=1_000, value_tiyn=500_000)
        try:
            with transaction.atomic():
                post(fee)
                posted.set()
                may_commit.wait(timeout=10)
        finally:
            connections.close_all()

    def approve() -> None:
        try:
            reserve_sales.approve(sale.pk, user=controller, now=NOW)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=pay_network_fee), threading.Thread(target=approve)]
    threads[0].start()
    assert posted.wait(timeout=10)
    threads[1].start()
    time.sleep(0.3)
    may_commit.set()
    for thread in threads:
        thread.join(timeout=30)
    assert ReserveSale.objects.get().cost_tiyn == 500_000
    assert ledger.balance_minor(entries.position_cost(BTC)) == 0


@pytest.mark.django_db(transaction=True)
def test_sales_at_once_never_sell_more_than_there_is(
    merchant: Merchant, officer: User, controller: User
) -> None:
    receive(merchant, 3_000, 1_000_000)
    sales = [prepare(officer, document_number=str(number), amount_minor=2_000) for number in range(4)]
    together, refused = threading.Barrier(len(sales)), []

    def approve(sale: ReserveSale) -> None:
        try:
            connection.ensure_connection()
            together.wait(timeout=10)
            reserve_sales.approve(sale.pk, user=controller, now=NOW)
        except DocumentRefused as error:
            refused.append(str(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=approve, args=(sale,)) for sale in sales]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert refused == ["the reserve holds less than that in this wallet from this source"] * 3
    assert ledger.balance_minor(entries.reserve(BTC, "w7")) == 1_000


@pytest.mark.django_db(transaction=True)
def test_sales_at_once_never_share_a_cost(merchant: Merchant, officer: User, controller: User) -> None:
    receive(merchant, 3_000, 1_000_000)
    sales = [prepare(officer, document_number=str(number), amount_minor=750) for number in range(4)]

    def approve(sale: ReserveSale) -> None:
        try:
            reserve_sales.approve(sale.pk, user=controller, now=NOW)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=approve, args=(sale,)) for sale in sales]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert [sale.cost_tiyn for sale in ReserveSale.objects.all()] == [250_000] * 4
    assert ledger.balance_minor(entries.position_cost(BTC)) == 0
    assert ledger.balance_minor(entries.position(BTC)) == 0
