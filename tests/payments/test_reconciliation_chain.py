"""The payments and the reserve against what a chain holds at one height: what moved in between is taken into account exactly.

What the node says is written by hand here, figure by figure; ``test_reconciliation_nodes`` asks real ones.
"""

from __future__ import annotations

import pytest
from django.db import transaction

from alatau_pay.assets import Asset
from chains.balances import Balances
from chains.models import Block, DepositAddress, Network, Transfer, Wallet
from chains.observation import Position
from payments import invoices, refund_watching
from payments.models import Payment
from payments.reconciliation import ledger_to_payments, payments_to_chain
from payments.reconciliation.findings import Compared, Held
from settlements import entries, ledger
from tests.payments.refunding import approved, leave, send
from tests.world import NOW, World, make_invoice, pay

pytestmark = pytest.mark.django_db
BTC = Asset("BTC", "BTC", 8)
HEIGHT = 97


@pytest.fixture(autouse=True)
def _blocks(world: World) -> None:
    """The blocks at which nodes are asked, as they were read."""
    for network in (world.bitcoin, world.evm):
        for height in (94, HEIGHT, 98):
            Block.objects.create(
                network=network,
                height=height,
                hash=block_hash(height),
                parent_hash=block_hash(height - 1),
                time=NOW,
            )


def block_hash(height: int) -> bytes:
    return height.to_bytes(32, "big")


def paid(world: World, code: str = "BTC", *, height: int = 90, **how: object) -> Payment:
    """A settled payment in a block at ``height``."""
    invoice = make_invoice(world.store)
    transfer = pay(invoice, code, **how)  # type: ignore[arg-type]
    Transfer.objects.filter(pk=transfer.pk).update(block_height=height)
    return invoice.payments.get()


def said(world: World, deposits: dict[Payment, int], elsewhere: int = 0, *, height: int = HEIGHT) -> Compared:
    """The comparison with a Bitcoin node that says so much of each payment's address, and of the rest of the wallet."""
    wallet = Wallet.objects.get(network=world.bitcoin)
    return payments_to_chain.compare(
        world.bitcoin,
        Balances(
            Position(height, block_hash(height)),
            {(each.transfer.deposit_address_id, "BTC"): sat for each, sat in deposits.items() if sat},
            {(wallet.pk, "BTC"): elsewhere} if elsewhere else {},
        ),
    )


def told(compared: Compared) -> list[tuple[str, str, int | None, int | None]]:
    return [(each.kind, each.subject, each.left_minor, each.right_minor) for each in compared.findings]


def place(world: World) -> str:
    return f"wallet:{Wallet.objects.get(network=world.bitcoin).pk}"


def test_a_reserve_that_lies_where_it_was_paid_agrees(world: World) -> None:
    first, second = paid(world), paid(world, amount_minor=100)
    compared = said(world, {first: 36_765, second: 100})
    assert told(compared) == []
    assert compared.scope == "chain:bitcoin"
    assert compared.held == [
        Held(first.transfer.deposit_address.wallet_id, "BTC", 36_865, 0, 36_865, 0, 0),
    ]


def test_money_on_an_address_that_nobody_saw_arrive_is_found(world: World) -> None:
    payment = paid(world)
    address = payment.transfer.deposit_address_id
    assert told(said(world, {payment: 36_766})) == [
        ("address_balance", f"address:{address}", 36_765, 36_766),
        ("place_balance", place(world), 36_765, 36_766),
    ]


def test_coins_that_left_without_an_entry_are_found(world: World) -> None:
    payment = paid(world)
    assert told(said(world, {payment: 0})) == [("place_balance", place(world), 36_765, 0)]


def test_coins_that_moved_within_the_wallet_are_no_difference(world: World) -> None:
    """Emptied into the treasury, or spent to the wallet's own change."""
    payment = paid(world)
    assert told(said(world, {payment: 0}, elsewhere=36_765)) == []


def test_what_is_not_in_the_books_yet_is_expected_on_the_chain(world: World) -> None:
    """A payment that waits for confirmations, and a transfer that belongs to no invoice."""
    invoice = make_invoice(world.store)
    pay(invoice, confirmed=False)
    waits = invoice.payments.get()
    assert waits.booked_as == ""
    Transfer.objects.filter(pk=waits.transfer_id).update(state="Mined", block_height=96, block_hash=bytes(32))
    stray = Transfer.objects.create(
        network=world.bitcoin,
        txid=b"\1" * 32,
        index=0,
        asset_id="BTC",
        deposit_address=waits.transfer.deposit_address,
        amount_minor=500,
        state="Mined",
        block_height=95,
        block_hash=bytes(32),
        seen_at=NOW,
        received_at=NOW,
        pending_match=False,
    )
    compared = said(world, {waits: 36_765 + stray.amount_minor})
    assert told(compared) == []
    assert compared.held[0].not_booked_minor == 37_265


def test_what_is_booked_above_the_height_is_not_expected_on_the_chain_yet(world: World) -> None:
    buried, fresh = paid(world), paid(world, height=98)
    compared = said(world, {buried: 36_765})
    assert told(compared) == []
    assert compared.held[0].not_buried_minor == 36_765
    assert told(said(world, {buried: 36_765, fresh: 36_765}, height=98)) == []


def test_a_payment_whose_transfer_is_gone_and_that_stays_in_the_books_is_found(world: World) -> None:
    """As a reorganisation leaves it whose reversal was never posted; while the change waits to be looked at, it is none yet."""
    kept, lost = paid(world), paid(world, height=91)
    Transfer.objects.filter(pk=lost.transfer_id).update(
        state="Gone", block_height=None, block_hash=None, pending_match=True
    )
    assert told(said(world, {kept: 36_765})) == []
    Transfer.objects.filter(pk=lost.transfer_id).update(pending_match=False)
    assert told(said(world, {kept: 36_765})) == [("place_balance", place(world), 73_530, 36_765)]


def test_a_block_that_is_not_ours_any_more_says_nothing(world: World) -> None:
    """A reorganisation between the node's answer and the look at the books, or a network halted by one meanwhile."""
    payment = paid(world)
    Network.objects.filter(pk=world.bitcoin.pk).update(halted_at=NOW, halted_reason="too deep")
    compared = said(world, {payment: 1})
    assert (told(compared), compared.position, compared.held) == ([], None, ())
    assert "halted" in compared.not_compared
    Network.objects.filter(pk=world.bitcoin.pk).update(halted_at=None, halted_reason="")
    Block.objects.filter(network=world.bitcoin, height=HEIGHT).update(hash=bytes(32))
    assert "another block" in said(world, {payment: 1}).not_compared
    # Rewound below it, and not read again yet.
    Block.objects.filter(network=world.bitcoin, height__gte=HEIGHT).delete()
    Network.objects.filter(pk=world.bitcoin.pk).update(cursor_height=HEIGHT - 1, cursor_hash=bytes(32))
    assert "another block" in said(world, {payment: 1}).not_compared
    # Too deep to be kept: nothing undoes it.
    Network.objects.filter(pk=world.bitcoin.pk).update(cursor_height=HEIGHT + 900)
    assert told(said(world, {payment: 36_765})) == []


def test_a_refund_that_left_and_was_posted_agrees_with_its_fee(world: World) -> None:
    payment = paid(world)
    refund = send(approved(payment, user=world.owner, amount_minor=10_000, basis="Amount"), fee_minor=250)
    assert refund.status == "Completed" and refund.network_fee.fee_minor == 250
    assert told(said(world, {payment: 0}, elsewhere=36_765 - 10_000 - 250)) == []
    # Before the block of the refund the coins were there, though the books of now say that they are gone.
    assert told(said(world, {payment: 36_765}, height=94)) == []


def test_a_refund_that_left_and_is_not_posted_yet_is_expected_to_be_gone(world: World) -> None:
    payment = paid(world)
    refund = approved(payment, user=world.owner, amount_minor=10_000, basis="Amount")
    leave(refund, height=97, fee_minor=250)
    refund_watching.follow(now=NOW)
    refund.refresh_from_db()
    assert refund.status == "Sending"
    assert told(said(world, {payment: 0}, elsewhere=36_765 - 10_000 - 250)) == []


def test_the_refunds_in_the_books_agree_with_what_is_due(world: World) -> None:
    payment = paid(world)
    send(approved(payment, user=world.owner, amount_minor=10_000, basis="Amount"), fee_minor=250)
    approved(paid(world), user=world.owner)
    held = paid(world, amount_minor=1_000)
    invoices.mark(held.invoice_id, status="Invalid", user=world.owner, now=NOW)
    approved(held, user=world.owner, basis="Excess")
    assert ledger_to_payments.compare().findings == []


def test_an_acquisition_is_expected_in_its_wallet(world: World) -> None:
    payment = paid(world)
    wallet = f"w{payment.transfer.deposit_address.wallet_id}"
    for name in (wallet, ""):
        entry = entries.reserve_acquired(
            coin=BTC, wallet=name, source="seizure", acquired_minor=5_000, value_tiyn=100
        )
        with transaction.atomic():
            ledger.post(entry, idempotency_key=f"k{name}", reference="acquisition:1", now=NOW)
    # What lies nowhere of ours cannot be looked for.
    assert told(said(world, {payment: 36_765})) == [("place_balance", place(world), 41_765, 36_765)]
    assert told(said(world, {payment: 36_765}, elsewhere=5_000)) == []


def test_a_stores_own_wallet_is_no_part_of_the_reserve(world: World) -> None:
    payment = paid(world)
    own = Wallet.objects.create(
        network=world.bitcoin, label="the shop's", owner="store-1", public_key="its key", created_at=NOW
    )
    address = DepositAddress.objects.create(
        network=world.bitcoin,
        wallet=own,
        derivation_index=0,
        key=b"\2" * 20,
        address="its",
        purpose="x",
        created_at=NOW,
    )
    compared = payments_to_chain.compare(
        world.bitcoin,
        Balances(
            Position(HEIGHT, block_hash(HEIGHT)),
            {(payment.transfer.deposit_address_id, "BTC"): 36_765, (address.pk, "BTC"): 900},
            {(own.pk, "BTC"): 4_000},
        ),
    )
    # Money that nobody saw is told of there too, and nothing else.
    assert told(compared) == [("address_balance", f"address:{address.pk}", 0, 900)]


def test_wallets_that_share_a_treasury_are_compared_as_one(world: World) -> None:
    first = Wallet.objects.get(network=world.evm)
    payment = paid(world, "USDT")
    texts = [f"forwarder(0x{number * 40},0x{'9' * 40},0x{'5' * 40})" for number in ("1", "2")]
    Wallet.objects.filter(pk=first.pk).update(public_key=texts[0], active=False)
    Wallet.objects.create(network=world.evm, label="new", public_key=texts[1], created_at=NOW)
    second = Wallet.objects.get(network=world.evm, label="new")
    moved = entries.correction(
        [
            *entries.payment_held(
                coin=payment.transfer.asset.asset, wallet=f"w{second.pk}", received_minor=1_000_000
            ).lines[:1],
            *entries.refund_sent(
                coin=payment.transfer.asset.asset, wallet=f"w{first.pk}", sent_minor=1_000_000
            ).lines[1:],
        ],
        description="entered for the other wallet",
    )
    with transaction.atomic():
        ledger.post(moved, idempotency_key="moved", reference="correction:1", now=NOW)
    compared = payments_to_chain.compare(
        world.evm,
        Balances(Position(HEIGHT, block_hash(HEIGHT)), {}, {(first.pk, "USDT"): payment.amount_minor}),
    )
    assert told(compared) == []
    assert [(held.wallet_id, held.ledger_minor) for held in compared.held] == [
        (first.pk, payment.amount_minor)
    ]
