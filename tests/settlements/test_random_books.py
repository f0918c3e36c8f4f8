"""Random recipes through the ledger: every asset sums to zero, and no balance is ever on the side that it may not be on.

The walk knows what the program's verbs demand before they post (so much is held, owed, in transit) and offers the ledger any
recipe within that, and a reversal of anything that nothing later stands on. What it knows is kept in figures of its own.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alatau_pay.assets import KZT, Asset
from merchants.models import Merchant
from settlements import entries, ledger
from settlements.entry import AccountName, Entry, Line
from settlements.fee_terms import Fee, FeeTerms, fee_of
from tests.settlements import paid_out

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
COINS = [Asset("BTC", "BTC", 8), Asset("ETH", "ETH", 18), Asset("USDT", "USDT", 6)]
MINOR = st.integers(1, 10**24)
TIYN = st.integers(1, 10**12)
PART = st.fractions(0, 1)
# Debits less credits may be: at most 0 (we owe it, or earned it), or at least 0 (we have it, or paid it).
OWED = {"held", "refund", "screened", "payout", "fee_income", "vat_payable", "capital"}
OURS = {"reserve", "network_cost", "fee_receivable"}

BALANCES = """
    SELECT account.code, account.kind, account.asset_code,
           sum(CASE line.side WHEN 'D' THEN line.amount_minor ELSE -line.amount_minor END)
      FROM settlements_posting line JOIN settlements_account account ON account.id = line.account_id
     GROUP BY account.id
"""


def part_of(whole: int, part) -> int:
    """A part of ``whole`` in whole units, at least one."""
    return max(1, int(whole * part))


class Books(RuleBasedStateMachine):
    """One walk over an empty ledger."""

    merchants: list[Merchant]

    @initialize()
    def begin(self) -> None:
        """Nothing is owed to anybody."""
        self.expected: Counter[str] = Counter()
        self.posted = 0
        self.settled: list = []

    def post(self, entry: Entry):
        """Post, and count the lines in by themselves."""
        self.posted += 1
        for line in entry.lines:
            self.expected[line.account.code] += line.amount_minor if line.side == "D" else -line.amount_minor
        with transaction.atomic():
            return ledger.post(entry, idempotency_key=f"walk:{self.posted}", reference="walk:1", now=NOW)

    def has(self, account: AccountName) -> int:
        """What is on an account, by the walk's own count; positive on either side."""
        return abs(self.expected[account.code])

    @rule(
        coin=st.sampled_from(COINS),
        who=st.integers(0, 1),
        received=MINOR,
        part=PART,
        gross=TIYN,
        terms=st.builds(FeeTerms, st.integers(0, 2000), st.integers(0, 500), st.integers(0, 500)),
    )
    def sell(self, coin, who, received, part, gross, terms) -> None:
        """A payment settles; a part of it may be excess."""
        fee = fee_of(gross, terms=terms, vat_basis_points=1600)
        entry = entries.payment_settled(
            merchant_id=self.merchants[who].pk,
            coin=coin,
            wallet="w7",
            received_minor=received,
            credited_minor=part_of(received, part),
            gross_tiyn=gross,
            fee=fee,
        )
        self.settled.append(self.post(entry))

    @rule(coin=st.sampled_from(COINS), received=MINOR, is_screened=st.booleans())
    def keep(self, coin, received, is_screened) -> None:
        """Money comes that nobody is credited with."""
        recipe = entries.payment_screened if is_screened else entries.payment_held
        self.post(recipe(coin=coin, wallet="w7", received_minor=received))

    @rule(coin=st.sampled_from(COINS), part=PART)
    def release(self, coin, part) -> None:
        """What screening stopped was clean."""
        if screened := self.has(AccountName("screened", coin)):
            self.post(entries.screened_released(coin=coin, released_minor=part_of(screened, part)))

    @rule(
        coin=st.sampled_from(COINS),
        who=st.integers(0, 1),
        part=PART,
        gross=TIYN,
        is_refunded=st.booleans(),
    )
    def decide(self, coin, who, part, gross, is_refunded) -> None:
        """Held money is accepted for a merchant, or owed back."""
        if not (held := self.has(AccountName("held", coin))):
            return
        amount = part_of(held, part)
        if is_refunded:
            self.post(entries.held_refund_due(coin=coin, refunded_minor=amount))
            return
        fee = fee_of(gross, terms=FeeTerms(100), vat_basis_points=1600)
        merchant_id = self.merchants[who].pk
        self.post(
            entries.held_accepted(
                merchant_id=merchant_id, coin=coin, accepted_minor=amount, gross_tiyn=gross, fee=fee
            )
        )

    @rule(coin=st.sampled_from(COINS), who=st.integers(0, 1), part=PART)
    def give_back(self, coin, who, part) -> None:
        """A settled payment goes back: within what the merchant is owed and what the operator's position is."""
        owed = -self.expected[entries.payable(self.merchants[who].pk).code]
        position = self.has(entries.position(coin))
        if owed > 0 and position:
            self.post(
                entries.payment_refund_due(
                    merchant_id=self.merchants[who].pk,
                    coin=coin,
                    refunded_minor=part_of(position, part),
                    value_tiyn=part_of(owed, part),
                )
            )

    @rule(coin=st.sampled_from(COINS), part=PART, fee=PART)
    def send(self, coin, part, fee) -> None:
        """A refund leaves, and the network takes its fee."""
        if not (due := min(self.has(AccountName("refund", coin)), self.has(entries.reserve(coin, "w7")))):
            return
        self.post(entries.refund_sent(coin=coin, wallet="w7", sent_minor=part_of(due, part)))
        if left := min(self.has(entries.reserve(coin, "w7")), self.has(entries.position(coin))):
            self.post(
                entries.network_fee_paid(
                    coin=coin, wallet="w7", fee_minor=part_of(left, fee / 1000), value_tiyn=1
                )
            )

    @rule(coin=st.sampled_from(COINS), part=PART, proceeds=TIYN)
    def trade(self, coin, part, proceeds) -> None:
        """Coins of the operator's own are sold."""
        position, cost = self.has(entries.position(coin)), self.expected[entries.position_cost(coin).code]
        there = min(position, self.has(entries.reserve(coin, "w7")))
        if there and cost >= 0:
            sold = part_of(there, part)
            self.post(
                entries.reserve_sold(
                    coin=coin,
                    wallet="w7",
                    sold_minor=sold,
                    cost_tiyn=entries.cost_of(sold, position_minor=position, position_cost_tiyn=cost),
                    proceeds_tiyn=proceeds,
                )
            )

    @rule(
        coin=st.sampled_from(COINS),
        source=st.sampled_from(["purchase", "seizure", "other"]),
        amount=MINOR,
        value=st.integers(0, 10**12),
    )
    def acquire(self, coin, source, amount, value) -> None:
        """Coins come otherwise."""
        self.post(
            entries.reserve_acquired(
                coin=coin, wallet="w9", source=source, acquired_minor=amount, value_tiyn=value
            )
        )

    @rule(who=st.integers(0, 1), part=PART, end=st.sampled_from(["completed", "cancelled", "returned", ""]))
    def pay_out(self, who, part, end) -> None:
        """A payout, and how it ends; "" leaves it in transit."""
        merchant_id = self.merchants[who].pk
        owed = -self.expected[entries.payable(merchant_id).code]
        if owed <= 0:
            return
        amount = part_of(owed, part)
        self.post(entries.payout_reserved(merchant_id=merchant_id, amount_tiyn=amount))
        if end in ("completed", "returned"):
            self.post(entries.payout_completed(amount_tiyn=amount))
        if end == "returned":
            self.post(entries.payout_returned(merchant_id=merchant_id, amount_tiyn=amount))
        if end == "cancelled":
            self.post(entries.payout_cancelled(merchant_id=merchant_id, amount_tiyn=amount))

    @rule(who=st.integers(0, 1), fee=TIYN)
    def settle_directly(self, who, fee) -> None:
        """A payment into a store's own wallet."""
        self.post(entries.direct_settled(merchant_id=self.merchants[who].pk, fee=Fee(fee, fee // 7)))

    @rule(amount=TIYN)
    def correct(self, amount) -> None:
        """Two people put something right."""
        lines = [
            Line(AccountName("bank", KZT), "D", amount),
            Line(AccountName("capital", KZT), "C", amount),
        ]
        self.post(entries.correction(lines, description="capital paid in"))

    @precondition(lambda self: self.settled)
    @rule(which=st.integers(0, 10**6))
    def reorganise(self, which) -> None:
        """The chain takes a settled payment away, where nothing that came later stands on its coin."""
        entry = self.settled[which % len(self.settled)]
        lines = ledger.lines_of(entry)
        left = Counter(self.expected)
        for line in lines:
            left[line.account.code] -= line.amount_minor if line.side == "D" else -line.amount_minor
        if any(not is_allowed(line.account.kind, left[line.account.code]) for line in lines):
            return
        self.settled.remove(entry)
        self.posted += 1
        self.expected = left
        with transaction.atomic():
            ledger.reverse(entry, idempotency_key=f"walk:{self.posted}", now=NOW)

    @invariant()
    def every_asset_sums_to_zero_and_every_balance_is_allowed(self) -> None:
        """The database's figures, and the walk's own."""
        with connection.cursor() as cursor:
            cursor.execute(BALANCES)
            rows = cursor.fetchall()
        assert {code: int(balance) for code, _kind, _asset, balance in rows if balance} == {
            code: balance for code, balance in self.expected.items() if balance
        }
        sums: Counter[str] = Counter()
        for code, kind, asset, balance in rows:
            sums[asset] += int(balance)
            assert is_allowed(kind, int(balance)), (code, balance)
            assert ledger.total_minor(kind, Asset(asset, asset, 0)) == sum(
                int(other) for _code, same, coin, other in rows if (same, coin) == (kind, asset)
            )
        assert not any(sums.values())


def is_allowed(kind: str, balance: int) -> bool:
    """Whether a balance (debits less credits) is on the side where its kind may be.

    A payable may be a debt of the merchant's (a payment that vanished after it was paid out), and the position's cost, the
    bank and the differences may be either; all others may not.
    """
    if kind in OWED:
        return balance <= 0
    return balance >= 0 if kind in OURS else True


def test_random_recipes_keep_the_books(world):
    """Each walk runs in a savepoint that is undone."""
    Books.merchants = [world.merchant, paid_out.merchant()]

    class Walk(Books):
        def __init__(self) -> None:
            super().__init__()
            self.savepoint = transaction.savepoint()

        def teardown(self) -> None:
            transaction.savepoint_rollback(self.savepoint)

    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
