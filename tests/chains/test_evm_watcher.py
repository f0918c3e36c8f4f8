"""The watcher on an EVM node: the coin, the token, and everything that only looks like a payment."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from chains import confirmations, readers
from chains.condition import StepStatus
from chains.models import OnChainAsset, Transfer, TransferState
from devnet.anvil import AnvilProcess
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet, uint_call
from tests.chains.conftest import Watched

Mine = Callable[..., None]


def test_a_coin_payment_is_seen_pending_and_then_mined_as_one_row(
    evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    address = evm.address()
    txid = evm_resident.pay_coin(address.address, 10**17 + 1)
    evm.catch_up()
    seen = evm.only_transfer()
    assert (seen.state, seen.index, seen.amount_minor, seen.asset_id) == (
        TransferState.SEEN,
        -1,
        10**17 + 1,
        "ETH",
    )
    assert (seen.txid_hex, seen.sender) == (txid, evm_resident.address)
    mine()
    evm.catch_up()
    mined = evm.only_transfer()
    assert (mined.pk, mined.state, mined.block_height) == (
        seen.pk,
        TransferState.MINED,
        evm.network.cursor_height,
    )
    mine(4)
    evm.catch_up()
    assert confirmations.of(mined, evm.network) == 5


def test_a_token_payment_seen_pending_takes_its_log_index_when_it_is_mined(
    evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    # Another log before it in the block, so that its own is not number 0.
    evm_resident.pay_token(TOKEN_ADDRESS, evm_resident.address, 1)
    evm_resident.pay_token(TOKEN_ADDRESS, evm.address().address, 1_500_000)
    evm.catch_up()
    seen = evm.only_transfer()
    assert (seen.state, seen.index, seen.amount_minor, seen.asset_id) == (
        TransferState.SEEN,
        -2,
        1_500_000,
        "USDT",
    )
    mine()
    evm.catch_up()
    mined = evm.only_transfer()
    assert (mined.pk, mined.state, mined.index, mined.amount_minor) == (
        seen.pk,
        TransferState.MINED,
        1,
        1_500_000,
    )
    assert (mined.sender, mined.pending_match) == (evm_resident.address, True)


def test_a_token_payment_mined_before_anybody_looked_is_found_by_its_log(
    evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    txid = evm_resident.pay_token(TOKEN_ADDRESS, evm.address().address, 42)
    mine(200)
    assert evm.catch_up().status is StepStatus.CURRENT
    transfer = evm.only_transfer()
    assert (transfer.txid_hex, transfer.state, transfer.index) == (txid, TransferState.MINED, 0)


def test_what_was_pending_before_the_watcher_came_is_seen_too(evm: Watched, evm_resident: EvmWallet) -> None:
    evm_resident.pay_coin(evm.address("coin").address, 10**15)
    evm_resident.pay_token(TOKEN_ADDRESS, evm.address("token").address, 42)
    readers.forget("evm")
    evm.catch_up()
    assert sorted(row.index for row in evm.transfers()) == [-2, -1]


def test_a_payment_that_fails_on_the_chain_credits_nothing(
    evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    too_much = 10**40
    call = uint_call("transfer(address,uint256)", evm.address().address, too_much)
    evm_resident.send(to=TOKEN_ADDRESS, calldata=call, gas=100_000)
    evm.catch_up()
    assert evm.only_transfer().state == TransferState.SEEN
    mine()
    evm.catch_up()
    evm.step()
    failed = evm.only_transfer()
    assert (failed.state, failed.index) == (TransferState.GONE, -2)
    assert failed.state_reason.startswith("reverted")


def test_coin_sent_with_a_failing_call_is_not_credited(
    evm: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine
) -> None:
    address = evm.address().address
    anvil.rpc("anvil_setCode", address, "0x5f5ffd")  # reverts whatever it is sent
    evm_resident.send(to=address, value_wei=10**15, gas=60_000)
    mine()
    evm.catch_up()
    assert evm.transfers() == []


def test_a_dropped_payment_is_gone(evm: Watched, evm_resident: EvmWallet, anvil: AnvilProcess) -> None:
    txid = evm_resident.pay_coin(evm.address().address, 10**15)
    evm.catch_up()
    anvil.rpc("anvil_dropTransaction", txid)
    evm.catch_up()
    gone = evm.only_transfer()
    assert (gone.state, gone.pending_match) == (TransferState.GONE, True)
    assert gone.state_reason.startswith("replaced or dropped")


def test_a_replaced_payment_is_gone_and_its_replacement_is_seen(
    evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    old = evm_resident.pay_coin(evm.address().address, 10**15)
    evm.catch_up()
    new = evm_resident.replace(old)
    evm.catch_up()
    mine()
    evm.catch_up()
    evm.step()
    states = {row.txid_hex: row.state for row in evm.transfers()}
    assert states == {old: TransferState.GONE, new: TransferState.MINED}


def test_zero_value_and_unknown_tokens_credit_nothing(
    evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    address = evm.address().address
    evm_resident.pay_token(TOKEN_ADDRESS, address, 0)
    evm_resident.send(to=address, value_wei=0)
    OnChainAsset.objects.filter(code="USDT").update(contract=bytes(range(20)))
    evm_resident.pay_token(TOKEN_ADDRESS, address, 1_000_000)
    evm.catch_up()
    mine()
    evm.catch_up()
    assert evm.transfers() == []


def test_several_payments_in_one_block_to_one_address_are_each_credited(
    evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    address = evm.address().address
    for amount in (5, 5, 7):
        evm_resident.pay_token(TOKEN_ADDRESS, address, amount)
    evm_resident.pay_coin(address, 10**12)
    evm.catch_up()
    mine()
    evm.catch_up()
    assert [(row.index, row.amount_minor) for row in evm.transfers()] == [
        (0, 5),
        (1, 5),
        (2, 7),
        (-1, 10**12),
    ]
    assert {row.state for row in evm.transfers()} == {TransferState.MINED}


def test_a_reorganisation_that_drops_the_payment_leaves_it_gone(
    evm: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine
) -> None:
    evm_resident.pay_coin(evm.address().address, 10**15)
    mine(3)
    evm.catch_up()
    Transfer.objects.update(pending_match=False)
    anvil.rpc("anvil_reorg", 3, [])
    evm.catch_up()
    evm.step()
    gone = evm.only_transfer()
    assert (gone.state, gone.block_height, gone.pending_match) == (TransferState.GONE, None, True)
    assert (
        bytes(evm.network.cursor_hash).hex() == anvil.rpc("eth_getBlockByNumber", "latest", False)["hash"][2:]
    )


def test_a_reorganisation_that_moves_a_token_payment_keeps_its_row(
    evm: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine
) -> None:
    address = evm.address().address
    txid = evm_resident.pay_token(TOKEN_ADDRESS, address, 77)
    raw = anvil.rpc("eth_getRawTransactionByHash", txid)
    mine(3)
    evm.catch_up()
    first = evm.only_transfer()
    anvil.rpc("anvil_reorg", 3, [[raw, 1]])
    evm.catch_up()
    moved = evm.only_transfer()
    assert (moved.pk, moved.state, moved.amount_minor) == (first.pk, TransferState.MINED, 77)
    assert moved.block_height == first.block_height + 1


def test_a_node_restarted_without_its_filter_is_asked_for_a_new_one(
    evm: Watched, evm_resident: EvmWallet, anvil: AnvilProcess
) -> None:
    (filter_id,) = {
        candidate.reader._pending._filter_id
        for candidate in readers._choices["evm"].candidates  # type: ignore[attr-defined]
    }
    assert anvil.rpc("eth_uninstallFilter", filter_id)
    evm_resident.pay_coin(evm.address().address, 10**15)
    evm.catch_up()
    evm.step()
    assert evm.only_transfer().state == TransferState.SEEN


@pytest.mark.parametrize("field", ["chain_id", "anchor_hash_hex"])
def test_a_node_of_another_chain_halts_the_network(evm: Watched, field: str) -> None:
    network = evm.network
    setattr(network, field, 1 if field == "chain_id" else "ab" * 32)
    network.save(update_fields=[field])
    assert evm.step().status is StepStatus.HALTED
    halted = evm.network
    assert halted.halted_at is not None
    assert halted.halted_reason
    assert evm.step().status is StepStatus.HALTED
    assert halted.observed_at == evm.network.observed_at


def test_the_clock_of_the_observation_stands_still_while_the_node_is_down(
    evm: Watched, anvil: AnvilProcess
) -> None:
    before = evm.network.observed_at
    assert before is not None
    anvil.stop()
    try:
        assert evm.step().status is StepStatus.NODE_DOWN
        assert evm.network.observed_at == before
    finally:
        anvil.start()
        anvil.rpc("evm_setAutomine", False)
    assert evm.catch_up().status is StepStatus.CURRENT
    assert evm.network.observed_at >= before
    assert timezone.now() >= evm.network.observed_at
