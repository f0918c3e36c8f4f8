"""Invoices, payments, blocks, reorganisations and restarts at random on the development chain; the invariants after each step.

What is checked is design.md's list: every entry balances, a transfer is credited at most once, what the ledger calls the
reserve is to the satoshi what the chain holds at addresses that were ever shown, and a settled invoice has its money.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q, Sum
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from alatau_pay.assets import Asset
from chains import watcher
from chains.models import DepositAddress, Network, Transfer, TransferState
from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.bitcoin_wallet import BitcoinWallet, WalletError
from devnet.process import JsonRpcError
from payments import deadlines, held, invoices, matching
from payments.models import Invoice, Payment, PaymentStatus
from settlements import ledger
from settlements.models import Posting
from tests import world as city

BTC = Asset("BTC", "BTC", 8)
REORG_DEPTH_MAX = 6
STEPS = 50
# 10 walks of 50 steps each time; a night's run asks for more: STATE_MACHINE_WALKS=40 make test-long.
WALKS = int(os.environ.get("STATE_MACHINE_WALKS", "10"))
# What a step does is drawn without looking at the chain, since a walk must be drawn alike when it is drawn again.
CHOICE = st.integers(0, 9)

UNBALANCED = """
    SELECT entry_id, asset_code FROM settlements_posting GROUP BY entry_id, asset_code
    HAVING sum(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) <> 0
"""


class GatewayMachine(RuleBasedStateMachine):
    """One walk. Earlier walks' invoices stay: the invariants speak of everything there is."""

    node: BitcoinNodeProcess
    world: city.World

    def __init__(self) -> None:
        super().__init__()
        self.wallet = BitcoinWallet(self.node.rpc)
        self.late_by = timedelta(0)
        self.open: list[Invoice] = []
        self.unconfirmed: list[str] = []

    @property
    def now(self) -> datetime:
        """The gateway's clock; it runs ahead as the walk lets time pass."""
        return timezone.now() + self.late_by

    @initialize()
    def begin(self) -> None:
        """Coins to pay with, and everything read so far."""
        self.wallet.fund(coins=10)
        self.look()

    @rule(amount=st.sampled_from(["0.50", "1500.00", "12500.00", "999999.99"]))
    def ask(self, amount: str) -> None:
        """A shop asks for tenge."""
        from payments import observations

        observations.fetch_all(now=self.now)
        self.open.append(city.make_invoice(self.world.store, amount, now=self.now))

    @rule(which=CHOICE, tenths=st.sampled_from([3, 5, 10, 10, 10, 12]), replaceable=st.booleans())
    def pay(self, which: int, tenths: int, replaceable: bool) -> None:
        """A resident pays, too little, enough or too much."""
        if self.open:
            self._send([(self.open[which % len(self.open)], tenths)], replaceable=replaceable)

    @rule(which=CHOICE)
    def pay_two_at_once(self, which: int) -> None:
        """One broadcast that pays two invoices."""
        if len(self.open) > 1:
            first = which % (len(self.open) - 1)
            self._send([(invoice, 10) for invoice in self.open[first : first + 2]], replaceable=True)

    @rule(which=CHOICE)
    def double_spend(self, which: int) -> None:
        """The payer takes an unconfirmed payment back."""
        if not self.unconfirmed:
            return
        txid = self.unconfirmed[which % len(self.unconfirmed)]
        try:
            self.wallet.double_spend_of(txid)
        except (WalletError, JsonRpcError):
            return  # it was mined or replaced meanwhile, or its change was spent
        self.unconfirmed.remove(txid)

    @rule(blocks=st.integers(1, 3))
    def mine(self, blocks: int) -> None:
        """Blocks come."""
        self.wallet.mine(blocks)
        self.unconfirmed.clear()

    @rule(depth=st.integers(1, REORG_DEPTH_MAX), empty=st.booleans())
    def reorganise(self, depth: int, empty: bool) -> None:
        """Blocks are undone; the new ones hold what the mempool holds, or nothing."""
        tip: int = self.node.rpc("getblockcount")
        self.node.rpc("invalidateblock", self.node.rpc("getblockhash", tip - depth + 1))
        address = BitcoinWallet(self.node.rpc, phrase=f"miner {tip}").address
        for _ in range(depth + 1):
            if empty:
                self.node.rpc("generateblock", address, [])
            else:
                self.node.rpc("generatetoaddress", 1, address)

    @rule()
    def restart_node(self) -> None:
        """The node forgets its mempool."""
        self.node.restart()
        self.unconfirmed.clear()

    @rule(minutes=st.sampled_from([1, 20, 1500]))
    def wait(self, minutes: int) -> None:
        """Time passes: invoices expire, and monitoring ends."""
        self.late_by += timedelta(minutes=minutes)
        self.look()
        deadlines.decide_due(now=self.now)

    @rule()
    def look(self) -> None:
        """The watcher, the matcher and the confirmer do their work until nothing is new."""
        for _ in range(100):
            result = watcher.step(self.world.bitcoin.pk, now=self.now)
            if result.status == "current":
                break
        assert str(result.status) == "current", result
        matching.match_pending(now=self.now)
        deadlines.confirm(None, now=self.now)
        self._compare_with_chain()

    @rule(choice=st.sampled_from(["refund", "leave", "attach"]))
    def decide_about_held_money(self, choice: str) -> None:
        """Somebody decides about what is held."""
        payment = held.waiting().first()
        if payment is None:
            return
        try:
            if choice == "refund":
                held.refund(payment.pk, address="", user=self.world.owner, reason="walk", now=self.now)
            elif choice == "leave":
                held.leave(payment.pk, user=self.world.owner, reason="walk", now=self.now)
            else:
                invoices.attach(
                    payment.pk,
                    target_id=payment.invoice_id,
                    user=self.world.owner,
                    reason="walk",
                    now=self.now,
                )
        except (held.DecisionRefused, invoices.AttachRefused):
            pass

    @invariant()
    def every_entry_balances(self) -> None:
        """Debits are credits, in every entry and asset."""
        with connection.cursor() as cursor:
            cursor.execute(UNBALANCED)
            assert cursor.fetchall() == []

    @invariant()
    def every_standing_entry_is_a_settled_payments(self) -> None:
        """Money is booked exactly for the payments that count as confirmed, whole, once."""
        settled = Q(status=PaymentStatus.SETTLED)
        assert not Payment.objects.filter(settled, ledger_entry__isnull=True).exists()
        assert not Payment.objects.filter(~settled, ledger_entry__isnull=False).exists()
        booked = Payment.objects.filter(ledger_entry__isnull=False).aggregate(total=Sum("amount_minor"))[
            "total"
        ]
        assert ledger.total_minor("reserve", BTC) == int(booked or 0)

    @invariant()
    def what_is_owed_adds_up(self) -> None:
        """The reserve is what is held, to be refunded, or exchanged; nothing else."""
        accounts = [ledger.total_minor(kind, BTC) for kind in ("reserve", "held", "refund", "position")]
        assert sum(accounts) == 0
        assert min(-accounts[1], -accounts[2]) >= 0

    @invariant()
    def a_settled_invoice_has_its_money(self) -> None:
        """Settled by payments means credited in full, at the invoice's own rates."""
        for invoice in Invoice.objects.filter(pk__in=[row.pk for row in self.open], status="Settled"):
            credited = sum(
                int(payment.booked_as.split(":")[2])
                for payment in invoice.payments.filter(booked_as__startswith="credited")
            )
            assert credited == invoice.amount_tiyn

    @invariant()
    def postings_only_grow(self) -> None:
        """No posting has disappeared."""
        count = Posting.objects.count()
        assert count >= getattr(self, "_postings", 0)
        self._postings = count

    def _send(self, parts: list[tuple[Invoice, int]], *, replaceable: bool) -> None:
        outputs = []
        for invoice, tenths in parts:
            quote = invoice.quotes.get(asset_id="BTC")
            # At least what a node relays.
            outputs.append((quote.deposit_address.address, max(600, int(quote.amount_minor) * tenths // 10)))
        try:
            self.unconfirmed.append(self.wallet.pay_many(outputs, replaceable=replaceable))
        except (WalletError, JsonRpcError):
            self.mine(1)  # coins are tied up in long unconfirmed chains

    def _compare_with_chain(self) -> None:
        """At one confirmation everything mined is booked: the ledger's reserve is what the chain holds at our addresses."""
        addresses = list(
            DepositAddress.objects.filter(network=self.world.bitcoin).values_list("address", flat=True)
        )
        scanned: dict[str, Any] = self.node.rpc(
            "scantxoutset", "start", [f"addr({address})" for address in addresses]
        )
        assert ledger.total_minor("reserve", BTC) == int(scanned["total_amount"] * 10**8)
        mined = Transfer.objects.filter(state=TransferState.MINED)
        assert mined.filter(payment__isnull=True).count() == 0


@pytest.fixture
def walked(transactional_db: None, tmp_path: Any, settings: Any) -> Iterator[type[GatewayMachine]]:
    """The machine's class with a node and a small city at the true time."""
    with BitcoinNodeProcess(tmp_path / "node", keep_mempool=False) as node:
        settings.NODE_URLS = {"bitcoin": [node.url]}
        world = city.build(now=timezone.now())
        genesis = node.rpc("getblockhash", 0)
        Network.objects.filter(pk=world.bitcoin.pk).update(
            anchor_hash_hex=genesis, cursor_height=None, cursor_hash=None
        )
        # The EVM chain has its own tests; here its silence must not keep invoices from expiring.
        Network.objects.filter(pk=world.evm.pk).update(observed_at=timezone.now() + timedelta(days=3650))
        yield type("Walk", (GatewayMachine,), {"node": node, "world": world})


def test_the_invariants_hold_on_every_walk(walked):
    run_state_machine_as_test(
        walked,
        settings=settings(
            max_examples=WALKS,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=False,
            database=None,
            # The chain and the database go on from walk to walk, so a shorter walk cannot be tried again from the start.
            phases=[Phase.generate],
        ),
    )
