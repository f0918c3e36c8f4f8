"""Random weeks of sales, refunds and payouts: nobody is promised more than they are owed, and no tiyn is lost on the way.

The walk keeps figures of its own: what each merchant was credited with, and what it was paid. It presses any button at any
time; a button that does not fit is refused and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from alatau_pay.assets import KZT
from settlements import entries, ledger, payouts
from settlements.entry import AccountName
from settlements.models import Payout, PayoutBatch, PayoutStatus
from tests.settlements import books, paid_out

pytestmark = pytest.mark.django_db
TIYN = st.integers(1, 10**9)
WHICH = st.integers(0, 10**6)
OPEN = [PayoutStatus.AWAITING_APPROVAL, PayoutStatus.AWAITING_PAYMENT, PayoutStatus.IN_PROGRESS]


class Weeks(RuleBasedStateMachine):
    """One walk through days of business, with three merchants, one bank and two officers."""

    @initialize()
    def begin(self) -> None:
        """A Thursday before Nauryz; nobody is owed anything."""
        self.now = paid_out.NOW.replace(month=3, day=19)
        self.credited: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()

    def row(self, rows, which):
        """Any of ``rows``, or None."""
        found = list(rows.order_by("pk"))
        return found[which % len(found)] if found else None

    def press(self, verb, *args, **kwargs) -> bool:
        """True where the button did something."""
        try:
            with transaction.atomic():
                verb(*args, **kwargs, now=self.now)
        except payouts.PayoutRefused:
            return False
        return True

    @rule(hours=st.integers(1, 40))
    def wait(self, hours) -> None:
        """Time goes by."""
        self.now += timedelta(hours=hours)

    @rule(who=st.integers(0, 2), gross=TIYN)
    def sell(self, who, gross) -> None:
        """A merchant is credited."""
        paid_out.sale(self.merchants[who], gross, fee=0, vat=0, now=self.now)
        self.credited[self.merchants[who].pk] += gross

    @rule(who=st.integers(0, 2), value=TIYN)
    def refund(self, who, value) -> None:
        """A merchant gives something back; it may come to owe the operator."""
        merchant = self.merchants[who]
        entry = entries.payment_refund_due(
            merchant_id=merchant.pk, coin=books.BTC, refunded_minor=1, value_tiyn=value
        )
        books.post(entry, now=self.now, reference="refund:1")
        self.credited[merchant.pk] -= value

    @rule()
    def the_schedule_looks(self) -> None:
        """Whatever it prepares was owed."""
        before = {merchant.pk: ledger.owed_tiyn(merchant) for merchant in self.merchants}
        for payout in payouts.prepare_due(now=self.now):
            assert 0 < payout.amount_tiyn <= before[payout.merchant_id]

    @rule(who=st.integers(0, 2))
    def ask(self, who) -> None:
        """A payout by hand takes no more than is owed, and a second one at once takes nothing."""
        merchant = self.merchants[who]
        before = ledger.owed_tiyn(merchant)
        if self.press(payouts.prepare, merchant, actor=self.preparer):
            payout = Payout.objects.filter(merchant=merchant).latest("number")
            assert 0 < payout.amount_tiyn <= before
        assert not self.press(payouts.prepare, merchant, actor=self.preparer)

    @rule(who=st.integers(0, 2), gross=TIYN, steps=st.integers(1, 5))
    def go_on(self, who, gross, steps) -> None:
        """A payout goes its usual way, as far as ``steps`` lead: random buttons alone seldom come to the bank."""
        self.sell(who, gross)
        self.now += timedelta(days=1)
        self.ask(who)
        payout = Payout.objects.filter(merchant=self.merchants[who], batch=None).order_by("-number").first()
        if payout is None or payout.status != PayoutStatus.AWAITING_APPROVAL:
            return
        self.press(payouts.batch, [payout], bank=self.bank, actor=self.preparer)
        payout.refresh_from_db()
        for step in (payouts.approve, payouts.send)[: steps - 1]:
            self.press(step, payout.batch, actor=self.approver)
        if steps >= 4:
            self.complete_one(payout)
        if steps == 5:
            self.return_one(Payout.objects.get(pk=payout.pk))

    @rule(count=st.integers(1, 3))
    def make_batch(self, count) -> None:
        """Some of the payouts that wait, together."""
        rows = Payout.objects.filter(status=PayoutStatus.AWAITING_APPROVAL, batch=None)[:count]
        self.press(payouts.batch, rows, bank=self.bank, actor=self.preparer)

    @rule(which=WHICH, verb=st.sampled_from([payouts.approve, payouts.send]))
    def move_a_batch(self, which, verb) -> None:
        """The second person moves any batch on."""
        if batch := self.row(PayoutBatch.objects.all(), which):
            self.press(verb, batch, actor=self.approver)

    @rule(which=WHICH, verb=st.sampled_from([payouts.take_apart, payouts.cancel_batch]))
    def stop_a_batch(self, which, verb) -> None:
        """An officer stops any batch."""
        if batch := self.row(PayoutBatch.objects.all(), which):
            self.press(verb, batch, actor=self.preparer, reason="random")

    @rule(which=WHICH)
    def cancel(self, which) -> None:
        """An officer cancels any payout."""
        if payout := self.row(Payout.objects.all(), which):
            self.press(payouts.cancel, payout, actor=self.preparer, reason="random")

    @rule(which=WHICH)
    def complete(self, which) -> None:
        """The bank's statement pays any payout, perhaps a second time."""
        if payout := self.row(Payout.objects.all(), which):
            self.complete_one(payout)

    def complete_one(self, payout) -> None:
        """Counted once."""
        was_paid = payout.status == PayoutStatus.COMPLETED
        if self.press(payouts.complete, payout, bank_reference="1") and not was_paid:
            self.paid[payout.merchant_id] += payout.amount_tiyn

    @rule(which=WHICH)
    def send_back(self, which) -> None:
        """The bank's statement returns any payout, perhaps a second time."""
        if payout := self.row(Payout.objects.all(), which):
            self.return_one(payout)

    def return_one(self, payout) -> None:
        """Tenge comes back only where it had gone."""
        was_paid = payout.status == PayoutStatus.COMPLETED
        if self.press(payouts.return_, payout, reason="random") and was_paid:
            self.paid[payout.merchant_id] -= payout.amount_tiyn

    @invariant()
    def no_tiyn_is_lost_or_promised_twice(self) -> None:
        """Credited = owed + on its way + paid, for each merchant; and the ledger's transit and bank accounts agree."""
        open_payouts = list(Payout.objects.filter(status__in=OPEN))
        for merchant in self.merchants:
            on_its_way = sum(row.amount_tiyn for row in open_payouts if row.merchant_id == merchant.pk)
            assert (
                self.credited[merchant.pk] == ledger.owed_tiyn(merchant) + on_its_way + self.paid[merchant.pk]
            )
        assert ledger.balance_minor(AccountName("payout", KZT)) == -sum(
            row.amount_tiyn for row in open_payouts
        )
        assert ledger.balance_minor(AccountName("bank", KZT)) == -sum(self.paid.values())

    @invariant()
    def batches_and_payouts_tell_one_story(self) -> None:
        """What is approved adds up, was approved by another person, and holds no payout that awaits approval."""
        for batch in PayoutBatch.objects.filter(approved_at__isnull=False).prefetch_related("payouts"):
            rows = list(batch.payouts.all())
            assert (len(rows), sum(row.amount_tiyn for row in rows)) == (batch.payout_count, batch.total_tiyn)
            assert batch.approved_by_id != batch.prepared_by_id
            assert PayoutStatus.AWAITING_APPROVAL not in {row.status for row in rows}

    def teardown(self) -> None:
        """Check what the database puts off until the end of a database transaction, and undo the walk."""
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        transaction.savepoint_rollback(self.savepoint)


def test_random_weeks_of_payouts():
    """Each walk runs in a savepoint that is undone."""
    Weeks.merchants = [paid_out.merchant() for _ in range(3)]
    Weeks.bank = paid_out.servicing_bank()
    Weeks.preparer, Weeks.approver = paid_out.officer(), paid_out.officer()

    class Walk(Weeks):
        def __init__(self) -> None:
            super().__init__()
            self.savepoint = transaction.savepoint()

    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
