"""Payments that another transaction takes the place of, and payments that count, or must not, before they are in a block."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chains import confirmations
from chains.models import Transfer, TransferInput, TransferState
from devnet.bitcoin_transaction import BitcoinTransaction
from devnet.bitcoin_wallet import BitcoinWallet, SignedPayment
from devnet.bitcoind import BitcoindProcess
from devnet.process import NodeProcess
from tests.chains.conftest import Watched

ELSEWHERE = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"


@pytest.fixture(autouse=True)
def _nothing_left_in_the_mempool(bitcoin_node: NodeProcess, resident: BitcoinWallet) -> None:
    """What a test left unmined would be an ancestor of the next test's payments."""
    while bitcoin_node.rpc("getrawmempool"):
        resident.mine()


def rival_of(resident: BitcoinWallet, paid: SignedPayment, address: str, amount_sat: int) -> SignedPayment:
    """Another payment with the same coins, at a fee that takes the place of the first."""
    return resident.sign([(address, amount_sat)], coins=paid.coins, fee_rate=40)


def test_what_a_payment_spends_is_kept_until_no_reorganisation_reaches_it(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    txid = resident.pay(bitcoin.address().address, 9_000)
    bitcoin.catch_up()
    spent = BitcoinTransaction.parse(bytes.fromhex(bitcoin_node.rpc("getrawtransaction", txid))).inputs
    kept = {(bytes(row.spent_txid).hex(), row.spent_index) for row in TransferInput.objects.all()}
    assert kept == {(item.previous.txid, item.previous.index) for item in spent}
    resident.mine(288)
    bitcoin.catch_up()
    assert TransferInput.objects.exists()
    resident.mine(1)
    bitcoin.catch_up()
    assert not TransferInput.objects.exists()
    assert confirmations.of(bitcoin.only_transfer(), bitcoin.network) == 289


def test_a_payment_replaced_by_one_elsewhere_is_gone_and_names_it(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    paid = resident.sign([(bitcoin.address().address, 9_000)])
    resident.broadcast(paid)
    bitcoin.catch_up()
    Transfer.objects.update(pending_match=False)
    rival = resident.broadcast(rival_of(resident, paid, ELSEWHERE, 9_000))
    bitcoin.catch_up()
    gone = bitcoin.only_transfer()
    assert (gone.state, gone.state_reason) == (TransferState.GONE, f"replaced by {rival}")
    assert (bytes(gone.replaced_by).hex(), gone.pending_match) == (rival, True)


def test_a_payment_bumped_by_its_payer_is_gone_and_the_bumped_one_is_its_own(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    first = resident.pay(bitcoin.address().address, 9_000)
    bitcoin.catch_up()
    second = resident.bump(first, fee_rate=30)
    bitcoin.catch_up()
    old, new = bitcoin.transfers()
    assert (old.txid_hex, old.state, old.state_reason) == (first, TransferState.GONE, f"replaced by {second}")
    assert (new.txid_hex, new.state, new.amount_minor) == (second, TransferState.SEEN, 9_000)
    resident.mine()
    bitcoin.catch_up()
    old, new = bitcoin.transfers()
    assert (old.state, new.state) == (TransferState.GONE, TransferState.MINED)


def test_a_payment_whose_coins_a_block_spends_elsewhere_is_gone_and_counts_again_when_that_block_is_undone(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    paid = resident.sign([(bitcoin.address().address, 9_000)])
    resident.broadcast(paid)
    bitcoin.catch_up()
    # A miner takes the rival that our node's mempool never held.
    rival = rival_of(resident, paid, ELSEWHERE, 9_000)
    block = bitcoin_node.rpc("generateblock", ELSEWHERE, [rival.raw_hex])["hash"]
    bitcoin.catch_up()
    gone = bitcoin.only_transfer()
    assert (gone.state, gone.state_reason) == (TransferState.GONE, f"double-spent by {rival.txid}")
    assert bytes(gone.replaced_by).hex() == rival.txid

    bitcoin_node.rpc("invalidateblock", block)
    bitcoin_node.rpc("generateblock", ELSEWHERE, [paid.raw_hex])
    bitcoin_node.rpc("generateblock", ELSEWHERE, [])
    bitcoin.catch_up()
    back = bitcoin.only_transfer()
    assert (back.pk, back.state, back.state_reason) == (gone.pk, TransferState.MINED, "")
    assert back.replaced_by is None
    assert confirmations.of(back, bitcoin.network) == 2


def test_a_mined_payment_double_spent_in_the_chain_that_wins_is_gone(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    paid = resident.sign([(bitcoin.address().address, 9_000)])
    resident.broadcast(paid)
    (block,) = resident.mine()
    bitcoin.catch_up()
    assert bitcoin.only_transfer().state == TransferState.MINED
    rival = rival_of(resident, paid, ELSEWHERE, 9_000)
    bitcoin_node.rpc("invalidateblock", block)
    bitcoin_node.rpc("generateblock", ELSEWHERE, [])
    bitcoin_node.rpc("generateblock", ELSEWHERE, [rival.raw_hex])
    bitcoin.catch_up()
    gone = bitcoin.only_transfer()
    assert (gone.state, gone.state_reason) == (TransferState.GONE, f"double-spent by {rival.txid}")
    assert (gone.block_height, gone.pending_match) == (None, True)


def test_a_payment_that_leaves_for_no_known_reason_and_is_double_spent_later_names_the_rival(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    paid = resident.sign([(bitcoin.address().address, 9_000)])
    resident.broadcast(paid)
    bitcoin.catch_up()
    bitcoin_node.restart()  # it forgets its mempool
    bitcoin.catch_up()
    assert bitcoin.only_transfer().state_reason.startswith("dropped")
    rival = rival_of(resident, paid, ELSEWHERE, 9_000)
    bitcoin_node.rpc("generateblock", ELSEWHERE, [rival.raw_hex])
    bitcoin.catch_up()
    assert bitcoin.only_transfer().state_reason == f"double-spent by {rival.txid}"


def test_a_final_payment_at_a_good_fee_with_no_unmined_ancestor_counts_at_once(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    resident.pay(bitcoin.address().address, 9_000, replaceable=False)
    bitcoin.catch_up()
    seen = bitcoin.only_transfer()
    assert seen.unconfirmed_risks == []
    assert confirmations.counts_unconfirmed(seen)
    resident.mine()
    bitcoin.catch_up()
    assert not confirmations.counts_unconfirmed(bitcoin.only_transfer())


def test_a_payment_that_signals_replacement_does_not_count_yet(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    resident.pay(bitcoin.address().address, 9_000, replaceable=True)
    bitcoin.catch_up()
    seen = bitcoin.only_transfer()
    assert seen.unconfirmed_risks == ["signals replacement"]
    assert not confirmations.counts_unconfirmed(seen)


def test_a_payment_of_money_that_is_not_mined_itself_counts_as_soon_as_that_is(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    parent = resident.pay(ELSEWHERE, 20_000, replaceable=False)
    change = [coin for coin in resident.coins() if coin.outpoint.txid == parent]
    child = resident.sign([(bitcoin.address().address, 9_000)], coins=change, replaceable=False)
    resident.broadcast(child)
    bitcoin.catch_up()
    assert bitcoin.only_transfer().unconfirmed_risks == ["unconfirmed ancestor"]
    Transfer.objects.update(pending_match=False)
    bitcoin_node.rpc("generateblock", ELSEWHERE, [parent])
    bitcoin.catch_up()
    bitcoin.catch_up()
    seen = bitcoin.only_transfer()
    assert (seen.unconfirmed_risks, seen.pending_match) == ([], True)


def test_a_payment_thrown_out_of_its_block_is_judged_anew(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    resident.pay(bitcoin.address().address, 9_000, replaceable=False)
    (block,) = resident.mine()
    bitcoin.catch_up()
    assert bitcoin.only_transfer().unconfirmed_risks is None  # nobody saw it before its block
    bitcoin_node.rpc("invalidateblock", block)
    bitcoin_node.rpc("generateblock", ELSEWHERE, [])
    bitcoin_node.rpc("generateblock", ELSEWHERE, [])
    bitcoin.catch_up()
    bitcoin.catch_up()
    seen = bitcoin.only_transfer()
    assert (seen.state, seen.unconfirmed_risks) == (TransferState.SEEN, [])


def test_a_payment_at_less_than_the_fee_for_a_prompt_block_does_not_count_yet(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    estimates = isinstance(bitcoin_node, BitcoindProcess)
    if estimates:
        teach_fee(bitcoin_node, resident, fee_rate=40)
    resident.pay(bitcoin.address("dear").address, 9_000, fee_rate=60, replaceable=False)
    resident.pay(bitcoin.address("cheap").address, 9_000, fee_rate=2, replaceable=False)
    bitcoin.catch_up()
    by_purpose = {row.deposit_address.purpose: row.unconfirmed_risks for row in bitcoin.transfers()}
    # The development node never has an estimate; then what it relays at all is enough.
    assert by_purpose == {"dear": [], "cheap": ["fee below prompt block"] if estimates else []}


def teach_fee(node: NodeProcess, resident: BitcoinWallet, *, fee_rate: int) -> None:
    """Have blocks with payments at ``fee_rate`` until the node can estimate."""
    resident.fund(coins=80)
    for _ in range(40):
        if "feerate" in node.rpc("estimatesmartfee", 2):
            return
        coins = resident.coins()[:12]
        for coin in coins:
            resident.broadcast(resident.sign([(ELSEWHERE, 10_000)], coins=[coin], fee_rate=fee_rate))
        resident.mine()
    raise AssertionError("no estimate")


@pytest.fixture
def mined_to_us(bitcoin: Watched, bitcoin_node: NodeProcess) -> Callable[[], Transfer]:
    """Mine a block whose reward is paid to an address of ours."""

    def mine() -> Transfer:
        bitcoin_node.rpc("generatetoaddress", 1, bitcoin.address().address)
        bitcoin.catch_up()
        return bitcoin.only_transfer()

    return mine


def test_a_blocks_reward_counts_only_when_it_can_be_spent(
    bitcoin: Watched, bitcoin_node: NodeProcess, mined_to_us: Callable[[], Transfer]
) -> None:
    reward = mined_to_us()
    assert (reward.state, reward.is_coinbase) == (TransferState.MINED, True)
    assert confirmations.of(reward, bitcoin.network) == 0
    bitcoin_node.rpc("generatetoaddress", 98, ELSEWHERE)
    bitcoin.catch_up()
    assert confirmations.of(reward, bitcoin.network) == 0
    bitcoin_node.rpc("generatetoaddress", 1, ELSEWHERE)
    bitcoin.catch_up()
    assert confirmations.of(reward, bitcoin.network) == 100
