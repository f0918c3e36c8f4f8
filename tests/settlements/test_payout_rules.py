"""What the database itself holds about payouts, attacked around Python; and what happens when two come at once."""

import threading
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, connections, transaction

from settlements import ledger, payouts
from settlements.entries import payout_reserved
from settlements.models import Payout, PayoutBatch, PayoutStatus
from tests.settlements import paid_out

NOW = paid_out.NOW


def run(sql, *values):
    with transaction.atomic(), connection.cursor() as cursor:
        # PostgreSQL truncates no table whose deferred triggers have yet to run.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(sql, values)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.django_db
class TestTheDatabase:
    def refuse(self, reason, sql, *values):
        before = list(Payout.objects.order_by("pk").values()), list(PayoutBatch.objects.values())
        with pytest.raises(DatabaseError, match=reason):
            run(sql, *values)
        assert (list(Payout.objects.order_by("pk").values()), list(PayoutBatch.objects.values())) == before

    def test_nobody_approves_what_they_prepared(self):
        batch = paid_out.batch()
        self.refuse(
            "payout_batch_takes_two_people",
            "UPDATE settlements_payoutbatch SET status = 'AwaitingPayment', approved_at = now(), approved_by_id = prepared_by_id",
        )
        self.refuse(
            "its approver prepared",
            "UPDATE settlements_payoutbatch SET status = 'AwaitingPayment', approved_at = now(), approved_by_id = %s",
            batch.payouts.get().prepared_by_id,
        )

    @pytest.mark.parametrize(
        ("reason", "change"),
        [
            ("payout_batch_is_approved", "status = 'AwaitingPayment'"),
            ("payout_batch_approval_is_whole", "approved_at = now()"),
            ("does not move", "status = 'Completed'"),
            ("payout_batch_status", "status = 'Paid'"),
            ("never changes", "total_tiyn = 1"),
            ("never changes", "number = 7"),
        ],
    )
    def test_a_batch_is_not_bent(self, reason, change):
        paid_out.batch()
        self.refuse(f"{reason}|does not move", f"UPDATE settlements_payoutbatch SET {change}")

    def test_an_approval_stands(self):
        batch = paid_out.approved_batch()
        self.refuse("never changes", "UPDATE settlements_payoutbatch SET approved_by_id = sent_by_id")
        self.refuse("never changes", "UPDATE settlements_payoutbatch SET value_date = value_date - 1")
        payouts.take_file(batch, actor=paid_out.officer(), now=paid_out.NOW)
        self.refuse("never changes", "UPDATE settlements_payoutbatch SET value_date = value_date + 1")
        self.refuse("never deleted", "DELETE FROM settlements_payoutbatch")

    def test_what_is_approved_adds_up(self):
        batch, officer = paid_out.batch(paid_out.payout(500000), paid_out.payout(300000)), paid_out.officer()
        run("UPDATE settlements_payout SET batch_id = NULL WHERE id = %s", batch.payouts.first().pk)
        self.refuse(
            "does not add up",
            "UPDATE settlements_payoutbatch SET status = 'AwaitingPayment', approved_at = now(), approved_by_id = %s",
            officer.pk,
        )

    def test_a_batch_is_not_made_approved(self):
        batch, officer = paid_out.batch(), paid_out.officer()
        self.refuse(
            "prepared before it is approved",
            "INSERT INTO settlements_payoutbatch (number, servicing_bank_id, value_date, status, payout_count, total_tiyn,"
            " prepared_by_id, prepared_at, approved_by_id, approved_at, reason)"
            " VALUES (9, %s, '2026-11-23', 'AwaitingPayment', 1, 1, %s, now(), %s, now(), '')",
            batch.servicing_bank_id,
            batch.prepared_by_id,
            officer.pk,
        )

    @pytest.mark.parametrize(
        ("reason", "change"),
        [
            ("never changes", "amount_tiyn = 1, other_tiyn = other_tiyn - amount_tiyn + 1"),
            ("never changes", "gross_tiyn = gross_tiyn + 1"),
            ("never changes", "purpose = 'x'"),
            ("never changes", "number = 9"),
            ("payee of payout", "iban = 'KZ39601A001000000017'"),
            ("payee of payout", "payee_name = 'x'"),
            ("not in an approved batch", "status = 'AwaitingPayment'"),
            ("not in an approved batch", "status = 'Completed', completed_at = now()"),
            ("does not move|payout_status", "status = 'Paid'"),
            ("without an entry", "status = 'Cancelled', reason = 'x'"),
            ("payout_cancelled_has_reason", "status = 'Cancelled'"),
            ("payout_returned_is_cancelled", "returned_at = now()"),
        ],
    )
    def test_a_payout_is_not_bent(self, reason, change):
        paid_out.batch()
        self.refuse(reason, f"UPDATE settlements_payout SET {change}")

    @pytest.mark.parametrize(
        ("reason", "change"),
        [
            ("without an entry", "status = 'Completed', completed_at = now()"),
            ("payout_completed_when|without an entry", "status = 'Completed'"),
            ("not in an approved batch", "batch_id = NULL"),
            ("does not move", "status = 'AwaitingApproval'"),
            ("payee of payout", "iban = 'KZ39601A001000000017'"),
        ],
    )
    def test_a_payout_that_was_sent_is_not_bent(self, reason, change):
        paid_out.sent_batch()
        self.refuse(reason, f"UPDATE settlements_payout SET {change}")

    def test_a_payout_that_was_sent_does_not_change_to_another_batch(self):
        bank = paid_out.servicing_bank()
        first, second = paid_out.sent_batch(bank=bank), paid_out.sent_batch(bank=bank)
        self.refuse(
            "stays in its batch",
            "UPDATE settlements_payout SET batch_id = %s WHERE batch_id = %s",
            second.pk,
            first.pk,
        )

    @pytest.mark.parametrize(
        "change",
        [
            "batch_id = %s, status = 'AwaitingPayment'",
            "batch_id = %s, status = 'InProgress'",
            "batch_id = %s",
        ],
    )
    def test_nothing_joins_a_batch_that_is_approved(self, change):
        bank, other = paid_out.servicing_bank(), paid_out.payout(300000)
        approved = paid_out.approved_batch(bank=bank)
        self.refuse(
            "before it is approved|does not move",
            f"UPDATE settlements_payout SET {change} WHERE id = %s",
            approved.pk,
            other.pk,
        )

    def test_nothing_joins_a_batch_that_was_taken_apart(self):
        batch, other = paid_out.batch(), paid_out.payout(300000)
        payouts.take_apart(batch, actor=paid_out.officer(), reason="x", now=NOW)
        self.refuse(
            "before it is approved",
            "UPDATE settlements_payout SET batch_id = %s WHERE id = %s",
            batch.pk,
            other.pk,
        )

    @pytest.mark.parametrize(
        "change",
        ["iban = 'KZ84722C000012345678'", "payer_name = 'x'", "knp = '710'", "remittance_template = ''"],
    )
    def test_the_account_that_a_batch_is_paid_from_stays(self, change):
        unused = paid_out.servicing_bank(valid_from=date(2026, 1, 2))
        used = paid_out.batch().servicing_bank
        with pytest.raises(DatabaseError, match="only its last day changes"):
            run(f"UPDATE settlements_servicingbank SET {change} WHERE id = %s", used.pk)
        run("UPDATE settlements_servicingbank SET valid_to = '2027-12-31' WHERE id = %s", used.pk)
        run(f"UPDATE settlements_servicingbank SET {change} WHERE id = %s", unused.pk)

    def test_a_completed_payout_is_only_returned(self):
        payout = paid_out.sent_batch().payouts.get()
        payouts.complete(payout, bank_reference="1", now=NOW)
        self.refuse("does not move", "UPDATE settlements_payout SET status = 'Cancelled', reason = 'x'")
        self.refuse("does not move", "UPDATE settlements_payout SET status = 'InProgress'")
        self.refuse(
            "without an entry",
            "UPDATE settlements_payout SET status = 'Cancelled', reason = 'x', returned_at = now()",
        )

    def test_a_payout_without_its_reservation_does_not_stand(self):
        payout = paid_out.payout()
        columns = [field.column for field in Payout._meta.fields if field.column not in ("id", "number")]
        names = ", ".join(columns)
        self.refuse(
            "no reservation",
            f"INSERT INTO settlements_payout (number, {names}) SELECT 2, {names} FROM settlements_payout WHERE id = %s",
            payout.pk,
        )

    @pytest.mark.parametrize(("of_another", "less_tiyn"), [(True, 0), (False, 1)])
    def test_a_payout_is_reserved_whole_and_from_its_own_merchant(self, of_another, less_tiyn):
        payout = paid_out.payout()
        merchant = paid_out.merchant() if of_another else payout.merchant
        number, amount_tiyn = payout.pk + 1000, payout.amount_tiyn - less_tiyn
        with transaction.atomic():
            ledger.post(
                payout_reserved(merchant_id=merchant.pk, amount_tiyn=amount_tiyn),
                idempotency_key=f"payout:{number}:reserved",
                reference=f"payout:{number}",
                now=NOW,
            )
        columns = [field.column for field in Payout._meta.fields if field.column not in ("id", "number")]
        names = ", ".join(columns)
        self.refuse(
            "no reservation",
            f"INSERT INTO settlements_payout (id, number, {names}) SELECT %s, 2, {names} FROM settlements_payout WHERE id = %s",
            number,
            payout.pk,
        )

    def test_a_payout_is_never_deleted_and_its_history_only_grows(self):
        paid_out.payout()
        self.refuse("never deleted", "DELETE FROM settlements_payout")
        for attack in (
            "DELETE FROM settlements_payoutevent",
            "UPDATE settlements_payoutevent SET reason = 'x'",
            "TRUNCATE settlements_payoutevent",
            "TRUNCATE settlements_payout CASCADE",
            "TRUNCATE settlements_payoutbatch CASCADE",
        ):
            self.refuse("append-only", attack)

    def test_figures_that_do_not_add_up_are_refused(self):
        payout = paid_out.payout()
        columns = [
            field.column for field in Payout._meta.fields if field.column not in ("id", "number", "fee_tiyn")
        ]
        names = ", ".join(columns)
        self.refuse(
            "payout_figures_add_up",
            f"INSERT INTO settlements_payout (number, fee_tiyn, {names})"
            f" SELECT 2, 1, {names} FROM settlements_payout WHERE id = %s",
            payout.pk,
        )

    @pytest.mark.parametrize(
        ("reason", "values"),
        [
            ("payout_policy_schedule", "'hourly', 0, 0, ''"),
            ("payout_policy_weekday", "'weekly', 5, 0, ''"),
            ("payout_policy_has_threshold", "'threshold', 0, 0, ''"),
            ("payout_policy_kbe", "'daily', 0, 0, '37'"),
        ],
    )
    def test_a_policy_is_one_that_can_be(self, reason, values):
        merchant = paid_out.merchant()
        with pytest.raises(DatabaseError, match=reason):
            run(
                "INSERT INTO settlements_payoutpolicy (merchant_id, schedule, weekday, threshold_tiyn, kbe, minimum_tiyn,"
                f" updated_at) VALUES (%s, {values}, 0, now())",
                merchant.pk,
            )


def at_once(count, act):
    """Run ``act`` in ``count`` threads that start together, each with a connection of its own; returns what they raised."""
    barrier, raised = threading.Barrier(count), []

    def work():
        try:
            barrier.wait(timeout=20)
            act()
        except Exception as error:  # noqa: BLE001 — what a thread raises is what the test looks at
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return raised


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_the_same_tenge_is_never_reserved_twice(self):
        merchant, officer = paid_out.merchant(), paid_out.officer()
        paid_out.owed(merchant, 500000)
        raised = at_once(6, lambda: payouts.prepare(merchant, actor=officer, now=NOW))
        assert [type(error) for error in raised] == [payouts.NothingToPay] * 5
        assert Payout.objects.get().amount_tiyn == 500000
        assert ledger.owed_tiyn(merchant) == 0

    def test_the_schedule_and_a_person_reserve_once(self):
        merchant, officer = paid_out.merchant(), paid_out.officer()
        paid_out.owed(merchant, 500000)
        acts = iter(
            [lambda: payouts.prepare_due(now=NOW), lambda: payouts.prepare(merchant, actor=officer, now=NOW)]
        )
        at_once(2, lambda: next(acts)())
        assert Payout.objects.get().amount_tiyn == 500000
        assert ledger.owed_tiyn(merchant) == 0

    def test_a_payout_completed_by_two_is_completed_once(self):
        payout = paid_out.sent_batch().payouts.get()
        assert at_once(4, lambda: payouts.complete(payout, bank_reference="1", now=NOW)) == []
        assert payout.events.filter(to_status=PayoutStatus.COMPLETED).count() == 1

    def test_a_payout_cancelled_and_batched_at_once_is_one_of_the_two(self):
        payout, bank, officer = paid_out.payout(), paid_out.servicing_bank(), paid_out.officer()
        acts = iter(
            [
                lambda: payouts.cancel(payout, actor=officer, reason="x", now=NOW),
                lambda: payouts.batch([payout], bank=bank, actor=officer, now=NOW),
            ]
        )
        raised = at_once(2, lambda: next(acts)())
        payout.refresh_from_db()
        # Batched first, the cancellation takes the batch apart; cancelled first, the batch is refused.
        assert payout.status == PayoutStatus.CANCELLED
        assert all(isinstance(error, payouts.PayoutRefused) for error in raised)
        assert not PayoutBatch.objects.filter(status=PayoutStatus.AWAITING_APPROVAL).exists()

    def test_a_batch_approved_and_taken_apart_at_once_is_one_of_the_two(self):
        batch = paid_out.batch(paid_out.payout(500000), paid_out.payout(300000))
        officer, other = paid_out.officer(), paid_out.officer()
        acts = iter(
            [
                lambda: payouts.approve(batch, actor=other, now=NOW),
                lambda: payouts.take_apart(batch, actor=officer, reason="x", now=NOW),
            ]
        )
        raised = at_once(2, lambda: next(acts)())
        batch.refresh_from_db()
        assert [type(error) for error in raised] == [payouts.PayoutRefused]
        statuses = set(Payout.objects.values_list("status", flat=True))
        assert (batch.status, statuses) in [
            ("AwaitingPayment", {"AwaitingPayment"}),
            ("Cancelled", {"AwaitingApproval"}),
        ]

    def test_a_payout_cancelled_and_its_batch_approved_at_once_is_one_of_the_two(self):
        bank = paid_out.servicing_bank()
        officer, other = paid_out.officer(), paid_out.officer()
        for _ in range(4):
            rows = [paid_out.payout(500000), paid_out.payout(300000)]
            batch = paid_out.batch(*rows, bank=bank)
            acts = iter(
                [
                    lambda batch=batch: payouts.approve(batch, actor=other, now=NOW),
                    lambda rows=rows: payouts.cancel(rows[1], actor=officer, reason="x", now=NOW),
                ]
            )
            raised = at_once(2, lambda acts=acts: next(acts)())
            assert [type(error) for error in raised] == [payouts.PayoutRefused]
            batch.refresh_from_db()
            statuses = [row.status for row in batch.payouts.all()]
            assert (batch.status, statuses) in [
                ("AwaitingPayment", ["AwaitingPayment"] * 2),
                ("Cancelled", []),
            ]

    def test_two_batches_made_at_once_have_two_numbers(self):
        rows = iter([paid_out.payout(500000), paid_out.payout(300000)])
        bank, officer = paid_out.servicing_bank(), paid_out.officer()
        assert at_once(2, lambda: payouts.batch([next(rows)], bank=bank, actor=officer, now=NOW)) == []
        assert sorted(PayoutBatch.objects.values_list("number", flat=True)) == [1, 2]

    def test_a_sale_that_arrives_meanwhile_is_neither_lost_nor_paid_twice(self):
        merchant, officer = paid_out.merchant(), paid_out.officer()
        paid_out.owed(merchant, 500000)
        acts = iter(
            [
                lambda: payouts.prepare(merchant, actor=officer, now=NOW),
                lambda: paid_out.sale(merchant, 70000, fee=0, vat=0, now=NOW - timedelta(days=1)),
            ]
        )
        assert at_once(2, lambda: next(acts)()) == []
        paid = Payout.objects.get().amount_tiyn
        assert paid in (500000, 570000)
        assert ledger.owed_tiyn(merchant) == 570000 - paid
