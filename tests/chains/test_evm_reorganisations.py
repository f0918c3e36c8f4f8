"""Reorganisations of an EVM chain, shallow and deep, with the payment dropped and with it moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chains import confirmations
from chains.models import Block, Transfer, TransferState
from devnet.anvil import AnvilProcess
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet
from tests.chains.conftest import Watched

Mine = Callable[..., None]

DEPTHS = [1, 6, 100]


def pay(evm: Watched, wallet: EvmWallet, way: str) -> str:
    address = evm.address().address
    return wallet.pay_coin(address, 77) if way == "coin" else wallet.pay_token(TOKEN_ADDRESS, address, 77)


def follows_the_node(evm: Watched, anvil: AnvilProcess) -> bool:
    """Every kept block is the node's, and each names the one before as its parent."""
    blocks = list(Block.objects.filter(network_id="evm").order_by("height"))
    hashes = [
        anvil.rpc("eth_getBlockByNumber", hex(block.height), False)["hash"][2:] for block in blocks[-5:]
    ]
    linked = all(bytes(b.parent_hash) == bytes(a.hash) for a, b in zip(blocks, blocks[1:], strict=False))
    return linked and hashes == [bytes(block.hash).hex() for block in blocks[-5:]]


@pytest.mark.parametrize("way", ["coin", "token"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_dropped_payment_is_gone(
    evm: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine, depth: int, way: str
) -> None:
    pay(evm, evm_resident, way)
    mine(depth)
    evm.catch_up()
    assert confirmations.of(evm.only_transfer(), evm.network) == depth
    Transfer.objects.update(pending_match=False)
    anvil.rpc("anvil_reorg", depth, [])
    evm.catch_up()
    evm.step()
    gone = evm.only_transfer()
    assert (gone.state, gone.pending_match) == (TransferState.GONE, True)
    assert confirmations.of(gone, evm.network) == 0
    assert follows_the_node(evm, anvil)


@pytest.mark.parametrize("way", ["coin", "token"])
@pytest.mark.parametrize("depth", [6, 100])
def test_a_moved_payment_keeps_its_row_in_its_new_block(
    evm: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine, depth: int, way: str
) -> None:
    txid = pay(evm, evm_resident, way)
    raw = anvil.rpc("eth_getRawTransactionByHash", txid)
    mine(depth)
    evm.catch_up()
    first = evm.only_transfer()
    anvil.rpc("anvil_reorg", depth, [[raw, 3]])
    evm.catch_up()
    moved = evm.only_transfer()
    assert (moved.pk, moved.state, moved.amount_minor) == (first.pk, TransferState.MINED, 77)
    assert moved.block_height == (first.block_height or 0) + 3
    assert follows_the_node(evm, anvil)


def test_a_payment_that_is_dropped_and_paid_again_is_credited_again_once(
    evm: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine
) -> None:
    txid = pay(evm, evm_resident, "token")
    raw = anvil.rpc("eth_getRawTransactionByHash", txid)
    mine(3)
    evm.catch_up()
    anvil.rpc("anvil_reorg", 3, [])
    evm.catch_up()
    evm.step()
    assert evm.only_transfer().state == TransferState.GONE
    anvil.rpc("eth_sendRawTransaction", raw)
    mine(2)
    evm.catch_up()
    again = evm.only_transfer()
    assert (again.state, again.txid_hex, again.pending_match) == (TransferState.MINED, txid, True)


def test_a_payment_while_the_worker_was_down_and_the_chain_reorganised_is_found(
    evm: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine, settings: Any
) -> None:
    mine(20)
    evm.catch_up()
    txid = pay(evm, evm_resident, "coin")
    raw = anvil.rpc("eth_getRawTransactionByHash", txid)
    mine(5)
    anvil.rpc("anvil_reorg", 10, [[raw, 7]])
    mine(50)
    evm.catch_up()
    transfer = evm.only_transfer()
    assert (transfer.state, transfer.amount_minor) == (TransferState.MINED, 77)
    assert follows_the_node(evm, anvil)
