"""What the database itself holds of refunds, attacked by SQL that goes around Python, and by two connections at once."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, connections, transaction

from alatau_pay.assets import KZT
from payments import refunds
from payments.models import Payment, Refund
from payments.quoting import RateUnavailable
from settlements import ledger, payout_reservation
from settlements.entry import AccountName
from tests import world as city
from tests.payments.refunding import BITCOIN_ADDRESS, approved, send
from tests.world import NOW, make_invoice, pay

INSERT = (
    "INSERT INTO payments_refund (link_id, payment_id, source, basis, amount_minor, value_tiyn, status, reason,"
    " requested_at, sendings, cancelled_reason)"
    " VALUES (md5(random()::text), %s, %s, 'Amount', %s, 0, 'AwaitingAddress', '', %s, 0, '')"
)


def insert(payment, amount_minor, *, source="Credited", at=NOW):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT, [payment.pk, source, amount_minor, at])


def paid_invoice(world):
    invoice = make_invoice(world.store)
    pay(invoice)
    pay(make_invoice(world.store, "100000.00"))
    return invoice.payments.get()


@pytest.fixture
def paid(world):
    return paid_invoice(world)


@pytest.mark.django_db
class TestRules:
    def test_refunds_never_exceed_what_came(self, paid):
        insert(paid, 36_000)
        with pytest.raises(IntegrityError, match="exceed what it brought"):
            insert(paid, 766)
        with pytest.raises(IntegrityError, match="exceed what it brought"):
            insert(paid, 766, source="Held")
        insert(paid, 765)

    def test_one_that_was_called_off_makes_room_and_cannot_come_back(self, paid):
        insert(paid, 36_765)
        Refund.objects.update(status="Cancelled", cancelled_at=NOW)
        insert(paid, 36_765)
        with pytest.raises(IntegrityError, match="exceed what it brought"), transaction.atomic():
            Refund.objects.filter(status="Cancelled").update(status="AwaitingAddress", cancelled_at=None)

    @pytest.mark.parametrize("amount", [0, -1])
    def test_an_amount_is_positive(self, paid, amount):
        with pytest.raises(IntegrityError):
            insert(paid, amount)

    @pytest.mark.parametrize("column", ["amount_minor", "value_tiyn"])
    def test_how_much_stays_as_it_was_asked_for(self, paid, column):
        insert(paid, 5)
        with pytest.raises(IntegrityError, match="stays as it was asked for"), transaction.atomic():
            Refund.objects.update(**{column: 4})

    def test_not_after_365_days(self, paid):
        insert(paid, 1, at=paid.received_at + timedelta(days=365))
        with pytest.raises(IntegrityError, match="365 days"):
            insert(paid, 1, at=paid.received_at + timedelta(days=365, seconds=1))

    def test_none_is_deleted(self, paid):
        insert(paid, 1)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in ("DELETE FROM payments_refund", "TRUNCATE payments_refund CASCADE"):
            with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
                connection.cursor().execute(statement)

    def test_nothing_is_sent_that_nobody_approved(self, paid):
        insert(paid, 1)
        for status in ("Approved", "Sending", "Completed"):
            with pytest.raises(IntegrityError), transaction.atomic():
                Refund.objects.update(status=status)

    def test_nothing_is_complete_without_a_transfer_and_its_entry(self, world, paid):
        approved(paid, user=world.owner)
        with pytest.raises(IntegrityError, match="refund_completed_by_a_transfer"), transaction.atomic():
            Refund.objects.update(status="Completed", completed_at=NOW)

    def test_what_was_sent_is_not_called_off(self, world, paid):
        send(approved(paid, user=world.owner))
        with pytest.raises(IntegrityError, match="cannot be called off"), transaction.atomic():
            Refund.objects.update(status="Cancelled", cancelled_at=NOW)

    def test_one_transfer_pays_one_refund(self, world, paid):
        row = send(approved(paid, user=world.owner, basis="Amount", amount_minor=1_000)).outgoing
        other = approved(paid, user=world.owner, basis="Amount", amount_minor=1_000)
        with pytest.raises(IntegrityError), transaction.atomic():
            Refund.objects.filter(pk=other.pk).update(outgoing=row, status="Sending")

    def test_held_money_goes_back_once(self, paid):
        insert(paid, 1, source="Held")
        with pytest.raises(IntegrityError, match="one_refund_of_held_money"):
            insert(paid, 1, source="Held")


def race(*steps):
    """Each of ``steps`` at once on a connection of its own; what each raised, or None."""
    outcomes = [None] * len(steps)
    barrier = threading.Barrier(len(steps))

    def run(number, step):
        barrier.wait()
        try:
            step()
        except (IntegrityError, refunds.RefundRefused, RateUnavailable) as error:
            outcomes[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(steps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_two_connections_by_raw_sql(self):
        payment = paid_invoice(city.build())
        outcomes = race(*[lambda: insert(payment, 20_000)] * 2)
        assert sum(error is None for error in outcomes) == 1
        assert Refund.objects.count() == 1

    def test_the_second_waits_for_the_first_to_commit(self):
        payment = paid_invoice(city.build())
        second = threading.Event()
        failed = []

        def rival():
            try:
                second.set()
                insert(payment, 20_000)
            except IntegrityError as error:
                failed.append(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=rival)
        with transaction.atomic():
            connection.cursor().execute(INSERT, [payment.pk, "Credited", 20_000, NOW])
            thread.start()
            second.wait(5)
            thread.join(0.5)
            assert thread.is_alive()
        thread.join(10)
        assert len(failed) == 1

    def test_two_people_who_start_at_once(self):
        world = city.build()
        payment = paid_invoice(world)
        outcomes = race(
            *[
                lambda: refunds.start(
                    payment.pk, basis="Amount", amount_minor=20_000, user=world.owner, reason="x", now=NOW
                )
            ]
            * 4
        )
        assert sum(error is None for error in outcomes) == 1
        assert Refund.objects.count() == 1

    def test_two_approvals_never_take_the_same_tenge(self):
        world = city.build()
        payments = []
        for _ in range(2):
            invoice = make_invoice(world.store)
            pay(invoice)
            payments.append(invoice.payments.get())
        # Both together are owed less than both refunds.
        waiting = []
        for payment in payments:
            refund = refunds.start(payment.pk, basis="Then", user=world.owner, reason="x", now=NOW)
            refunds.give_address(refund.pk, address=BITCOIN_ADDRESS, now=NOW)
            waiting.append(refund)
        outcomes = race(
            *[lambda pk=refund.pk: refunds.approve(pk, user=world.owner, now=NOW) for refund in waiting]
        )
        assert sum(error is None for error in outcomes) == 1
        assert ledger.owed_tiyn(world.merchant) > 0

    def test_a_payout_at_the_same_moment_never_takes_it_as_well(self):
        world = city.build()
        invoice = make_invoice(world.store)
        pay(invoice)
        pay(make_invoice(world.store, "500.00"))
        refund = refunds.start(invoice.payments.get().pk, basis="Then", user=world.owner, reason="x", now=NOW)
        refunds.give_address(refund.pk, address=BITCOIN_ADDRESS, now=NOW)
        # What is owed covers the refund and no more than a little beside it.
        next_day = NOW + timedelta(days=1)
        race(
            lambda: payout_reservation.prepare(world.merchant, actor=world.admin, now=next_day),
            lambda: refunds.approve(refund.pk, user=world.owner, now=next_day),
        )
        refund.refresh_from_db()
        reserved = ledger.balance_minor(AccountName("payout", KZT))
        assert ledger.owed_tiyn(world.merchant) >= 0
        assert (refund.status == "Approved") + (-reserved > 1_000_000) == 1

    def test_one_refund_is_approved_once(self):
        world = city.build()
        payment = paid_invoice(world)
        refund = refunds.start(payment.pk, basis="Then", user=world.owner, reason="x", now=NOW)
        refunds.give_address(refund.pk, address=BITCOIN_ADDRESS, now=NOW)
        outcomes = race(*[lambda: refunds.approve(refund.pk, user=world.owner, now=NOW)] * 3)
        assert sum(error is None for error in outcomes) == 1
        assert Payment.objects.get(pk=payment.pk).refunds.get().status == "Approved"
