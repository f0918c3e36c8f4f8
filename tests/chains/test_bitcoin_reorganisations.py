"""Reorganisations of a Bitcoin chain: the payment dropped, and the payment in another block, near and deep."""

from __future__ import annotations

import pytest

from chains import confirmations
from chains.models import Block, TransferState
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.process import NodeProcess
from tests.chains.conftest import Watched

ELSEWHERE = "bcrt1qzyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3lgth6c"
DEPTHS = [1, 6, 100]


def replace_blocks(node: NodeProcess, first_height: int, blocks: list[list[str]]) -> None:
    """Undo the chain from ``first_height`` on, and mine ``blocks`` with these transactions instead."""
    node.rpc("invalidateblock", node.rpc("getblockhash", first_height))
    for transactions in blocks:
        node.rpc("generateblock", ELSEWHERE, transactions)


def assert_follows(watched: Watched, node: NodeProcess) -> None:
    """The kept blocks are the node's, each on the one before."""
    assert bytes(watched.network.cursor_hash or b"").hex() == node.rpc("getbestblockhash")
    rows = list(Block.objects.order_by("height"))
    assert all(
        bytes(later.parent_hash) == bytes(earlier.hash)
        for earlier, later in zip(rows, rows[1:], strict=False)
    )


@pytest.fixture
def deep_enough(resident: BitcoinWallet, bitcoin: Watched) -> None:
    """So many blocks that no coin of the resident becomes immature."""
    resident.mine(3)
    bitcoin.catch_up()


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_payment_dropped_by_a_reorganisation_and_double_spent_in_it_is_gone(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess, deep_enough: None, depth: int
) -> None:
    paid = resident.sign([(bitcoin.address().address, 9_000)])
    resident.broadcast(paid)
    resident.mine(depth)
    bitcoin.catch_up()
    first = bitcoin.only_transfer()
    assert confirmations.of(first, bitcoin.network) == depth
    rival = resident.sign([(ELSEWHERE, 9_000)], coins=paid.coins, fee_rate=40)
    replace_blocks(bitcoin_node, first.block_height or 0, [[rival.raw_hex], *[[]] * depth])
    bitcoin.catch_up()
    gone = bitcoin.only_transfer()
    assert (gone.pk, gone.state) == (first.pk, TransferState.GONE)
    assert gone.state_reason == f"double-spent by {rival.txid}"
    assert_follows(bitcoin, bitcoin_node)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_payment_thrown_back_by_a_reorganisation_waits_until_it_is_mined_again(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess, deep_enough: None, depth: int
) -> None:
    signed = resident.sign([(bitcoin.address().address, 9_000)])
    resident.broadcast(signed)
    resident.mine(depth)
    bitcoin.catch_up()
    first = bitcoin.only_transfer()
    replace_blocks(bitcoin_node, first.block_height or 0, [[]] * (depth + 1))
    bitcoin.catch_up()
    if bitcoin_node.rpc("getrawmempool"):
        assert bitcoin.only_transfer().state == TransferState.SEEN
    else:
        # Of a deep one a node gives up bringing the transactions back.
        bitcoin.catch_up()
        assert bitcoin.only_transfer().state == TransferState.GONE
        bitcoin_node.rpc("sendrawtransaction", signed.raw_hex, 0)
    resident.mine()
    bitcoin.catch_up()
    mined = bitcoin.only_transfer()
    assert (mined.pk, mined.state) == (first.pk, TransferState.MINED)
    assert mined.block_height == (first.block_height or 0) + depth + 1
    assert (mined.received_at, mined.state_reason) == (first.received_at, "")
    assert_follows(bitcoin, bitcoin_node)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_payment_mined_at_another_height_by_a_reorganisation_is_the_same_payment(
    bitcoin: Watched, resident: BitcoinWallet, bitcoin_node: NodeProcess, deep_enough: None, depth: int
) -> None:
    paid = resident.sign([(bitcoin.address().address, 9_000)])
    resident.broadcast(paid)
    resident.mine(depth)
    bitcoin.catch_up()
    first = bitcoin.only_transfer()
    height = first.block_height or 0
    replace_blocks(bitcoin_node, height, [*[[]] * depth, [paid.raw_hex], []])
    bitcoin.catch_up()
    moved = bitcoin.only_transfer()
    assert (moved.pk, moved.state, moved.block_height) == (first.pk, TransferState.MINED, height + depth)
    assert confirmations.of(moved, bitcoin.network) == 2
    assert_follows(bitcoin, bitcoin_node)
