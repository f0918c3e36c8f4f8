"""The watcher on a Bitcoin node: every payment, once, whatever the chain and the processes do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone

from chains import confirmations, watcher
from chains.condition import StepStatus
from chains.models import Block, Transfer, TransferState
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.process import NodeProcess
from tests.chains.conftest import Watched

ELSEWHERE = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"


def test_a_new_network_starts_at_the_nodes_tip_and_knows_the_blocks_before_it(
    bitcoin: Watched, bitcoin_node: NodeProcess
) -> None:
    assert bitcoin.network.cursor_height == bitcoin_node.rpc("getblockcount")
    assert bytes(bitcoin.network.cursor_hash).hex() == bitcoin_node.rpc("getbestblockhash")
    heights = list(Block.objects.order_by("height").values_list("height", flat=True))
    assert heights == list(range(0, bitcoin.network.cursor_height + 1))[-288:]


def test_a_payment_is_seen_in_the_mempool_and_then_mined_as_one_row(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    address = bitcoin.address()
    txid = resident.pay(address.address, 12_345)
    before = timezone.now()
    assert bitcoin.catch_up().transfers == 1
    seen = bitcoin.only_transfer()
    assert (seen.state, seen.amount_minor, seen.asset_id) == (TransferState.SEEN, 12_345, "BTC")
    assert (seen.txid_hex, seen.deposit_address_id, seen.pending_match) == (txid, address.pk, True)
    assert seen.received_at == seen.seen_at >= before
    assert confirmations.of(seen, bitcoin.network) == 0

    Transfer.objects.update(pending_match=False)
    (block_hash,) = resident.mine()
    bitcoin.catch_up()
    mined = bitcoin.only_transfer()
    assert mined.pk == seen.pk
    assert (mined.state, mined.pending_match) == (TransferState.MINED, True)
    assert bytes(mined.block_hash).hex() == block_hash
    assert mined.block_height == bitcoin.network.cursor_height
    assert confirmations.of(mined, bitcoin.network) == 1
    resident.mine(2)
    bitcoin.catch_up()
    assert confirmations.of(mined, bitcoin.network) == 3


def test_reading_again_what_is_known_changes_nothing(bitcoin: Watched, resident: BitcoinWallet) -> None:
    resident.pay(bitcoin.address().address, 5_000)
    bitcoin.catch_up()
    Transfer.objects.update(pending_match=False)
    result = bitcoin.step()
    assert (result.status, result.blocks, result.transfers) == (StepStatus.CURRENT, 0, 0)
    assert not bitcoin.only_transfer().pending_match


def test_two_outputs_of_one_transaction_to_two_addresses_are_two_transfers(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    first, second = bitcoin.address("invoice 1"), bitcoin.address("invoice 2")
    resident.pay_many([(first.address, 1_000), (ELSEWHERE, 3_000), (second.address, 2_000)])
    resident.mine()
    bitcoin.catch_up()
    found = {(row.deposit_address_id, row.index, row.amount_minor) for row in bitcoin.transfers()}
    assert found == {(first.pk, 0, 1_000), (second.pk, 2, 2_000)}


def test_two_outputs_to_the_same_address_are_two_transfers(bitcoin: Watched, resident: BitcoinWallet) -> None:
    address = bitcoin.address().address
    resident.pay_many([(address, 1_000), (address, 1_000)])
    bitcoin.catch_up()
    assert [(row.index, row.amount_minor) for row in bitcoin.transfers()] == [(0, 1_000), (1, 1_000)]


def test_a_payment_while_nobody_watched_is_found_in_its_block(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    created_at = datetime(2011, 2, 1, tzinfo=UTC)
    address = bitcoin.address(now=created_at)
    resident.pay(address.address, 7_000)
    resident.mine(150)
    assert bitcoin.catch_up().status is StepStatus.CURRENT
    transfer = bitcoin.only_transfer()
    block = Block.objects.get(height=transfer.block_height)
    # Received when its block says, not when we came to look.
    assert transfer.received_at == min(block.time, transfer.seen_at)
    assert confirmations.of(transfer, bitcoin.network) == 150


def test_money_is_never_received_before_its_address_existed(
    bitcoin: Watched, resident: BitcoinWallet
) -> None:
    created_at = timezone.now() + timedelta(hours=1)
    resident.pay(bitcoin.address(now=created_at).address, 7_000)
    bitcoin.catch_up()
    assert bitcoin.only_transfer().received_at == created_at


def test_a_payment_dropped_by_a_reorganisation_is_unmined_and_mined_again(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    resident.pay(bitcoin.address().address, 9_000)
    (block_hash,) = resident.mine()
    bitcoin.catch_up()
    first = bitcoin.only_transfer()
    Transfer.objects.update(pending_match=False)

    bitcoin_node.rpc("invalidateblock", block_hash)
    for _ in range(2):
        bitcoin_node.rpc("generateblock", ELSEWHERE, [])
    bitcoin.catch_up()
    unmined = bitcoin.only_transfer()
    assert (unmined.pk, unmined.state, unmined.pending_match) == (first.pk, TransferState.SEEN, True)
    assert unmined.block_height is None

    resident.mine()
    bitcoin.catch_up()
    mined = bitcoin.only_transfer()
    assert (mined.pk, mined.state) == (first.pk, TransferState.MINED)
    assert mined.block_height == first.block_height + 2
    assert mined.received_at == first.received_at


def test_a_deep_reorganisation_moves_the_payment_to_another_height(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    resident.mine(3)
    txid = resident.pay(bitcoin.address().address, 9_000)
    resident.mine(6)
    bitcoin.catch_up()
    first = bitcoin.only_transfer()
    bitcoin_node.rpc("invalidateblock", bitcoin_node.rpc("getblockhash", first.block_height - 2))
    bitcoin_node.rpc("generateblock", ELSEWHERE, [])
    bitcoin_node.rpc("generateblock", ELSEWHERE, [txid])
    for _ in range(8):
        bitcoin_node.rpc("generateblock", ELSEWHERE, [])
    bitcoin.catch_up()
    moved = bitcoin.only_transfer()
    assert (moved.pk, moved.state, moved.block_height) == (
        first.pk,
        TransferState.MINED,
        first.block_height - 1,
    )
    assert bytes(bitcoin.network.cursor_hash).hex() == bitcoin_node.rpc("getbestblockhash")
    rows = Block.objects.order_by("height")
    assert all(
        bytes(later.parent_hash) == bytes(earlier.hash)
        for earlier, later in zip(rows, rows[1:], strict=False)
    )


def test_a_double_spent_payment_is_gone_with_a_reason(bitcoin: Watched, resident: BitcoinWallet) -> None:
    txid = resident.pay(bitcoin.address().address, 9_000)
    bitcoin.catch_up()
    Transfer.objects.update(pending_match=False)
    resident.double_spend_of(txid)
    bitcoin.catch_up()
    gone = bitcoin.only_transfer()
    assert (gone.state, gone.pending_match) == (TransferState.GONE, True)
    assert "replaced" in gone.state_reason
    resident.mine()
    bitcoin.catch_up()
    assert bitcoin.only_transfer().state == TransferState.GONE


def test_a_payment_lost_with_the_nodes_mempool_returns_as_the_same_row(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    txid = resident.pay(bitcoin.address().address, 9_000)
    raw = bitcoin_node.rpc("getrawtransaction", txid)
    bitcoin.catch_up()
    row = bitcoin.only_transfer()
    bitcoin_node.kill()
    assert bitcoin.step().status is StepStatus.NODE_DOWN
    assert bitcoin.only_transfer().state == TransferState.SEEN
    bitcoin_node.start()
    bitcoin.catch_up()
    assert bitcoin.only_transfer().state == TransferState.GONE
    bitcoin_node.rpc("sendrawtransaction", raw, 0)
    bitcoin.catch_up()
    returned = bitcoin.only_transfer()
    assert (returned.pk, returned.state, returned.state_reason) == (row.pk, TransferState.SEEN, "")


def test_a_step_on_a_stopped_node_writes_nothing(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess
) -> None:
    before = bitcoin.network
    bitcoin_node.stop()
    try:
        result = watcher.step("bitcoin", now=timezone.now() + timedelta(hours=1))
    finally:
        bitcoin_node.start()
    after = bitcoin.network
    assert result.status is StepStatus.NODE_DOWN
    assert (after.observed_at, after.cursor_hash) == (before.observed_at, before.cursor_hash)
    assert after.halted_at is None
    assert bitcoin_node.url.rpartition("@")[0].rpartition(":")[2] not in result.detail


def test_the_observation_is_dated_before_the_first_question(bitcoin: Watched) -> None:
    now = timezone.now() + timedelta(minutes=1)
    watcher.step("bitcoin", now=now)
    assert bitcoin.network.observed_at == now
