"""From a node's JSON to transfers: what pays, and what only looks as if it did."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils import keccak, to_checksum_address

from chains.evm.transfers import (
    TRANSFER_TOPIC,
    coin_transfer,
    log_filter,
    pending_transfers,
    token_transfer,
)
from chains.observation import COIN_INDEX, PENDING_TOKEN_INDEX
from devnet.evm_wallet import uint_call

TOKEN = bytes.fromhex("11" * 20)
PAYER, PAYEE = "0x" + "aa" * 20, "0x" + "bb" * 20
TXID = "0x" + "cc" * 32


def topic(address: str) -> str:
    return "0x" + "00" * 12 + address[2:]


def log(**changes: Any) -> dict[str, Any]:
    return {
        "address": "0x" + TOKEN.hex(),
        "topics": [TRANSFER_TOPIC, topic(PAYER), topic(PAYEE)],
        "data": "0x" + (1_500_000).to_bytes(32, "big").hex(),
        "transactionHash": TXID,
        "logIndex": "0x7",
        "removed": False,
    } | changes


def transaction(**changes: Any) -> dict[str, Any]:
    return {"hash": TXID, "from": PAYER, "to": PAYEE, "value": hex(10**18), "input": "0x"} | changes


def test_the_topic_is_that_of_the_erc20_event() -> None:
    assert "0x" + keccak(text="Transfer(address,address,uint256)").hex() == TRANSFER_TOPIC


def test_a_log_of_an_admitted_token_is_a_transfer() -> None:
    transfer = token_transfer(log(), {TOKEN})
    assert transfer is not None
    assert (transfer.index, transfer.amount_minor, transfer.contract) == (7, 1_500_000, TOKEN)
    assert (transfer.key.hex(), transfer.sender) == ("bb" * 20, to_checksum_address(PAYER))


def test_the_largest_amount_a_token_can_move_is_read_exactly() -> None:
    transfer = token_transfer(log(data="0x" + "ff" * 32), {TOKEN})
    assert transfer is not None
    assert transfer.amount_minor == 2**256 - 1


@pytest.mark.parametrize(
    "changes",
    [
        {"data": "0x" + "00" * 32},
        {"address": "0x" + "22" * 20},
        {"topics": ["0x" + "dd" * 32, topic(PAYER), topic(PAYEE)]},
        {"topics": [TRANSFER_TOPIC, topic(PAYER), topic(PAYEE), topic("0x" + "01" * 20)], "data": "0x"},
        {"topics": [TRANSFER_TOPIC], "data": "0x" + "00" * 96},
        {"data": "0x" + "00" * 31 + "01" + "00" * 32},
        {"data": "0x"},
        {"removed": True},
    ],
    ids=[
        "zero value",
        "a contract that is not admitted",
        "another event",
        "an NFT",
        "parties not indexed",
        "too much data",
        "no data",
        "of an orphaned block",
    ],
)
def test_a_log_that_only_looks_like_a_payment_is_none(changes: dict[str, Any]) -> None:
    assert token_transfer(log(**changes), {TOKEN}) is None


def test_coin_goes_to_the_recipient_of_the_transaction() -> None:
    transfer = coin_transfer(transaction())
    assert transfer is not None
    assert (transfer.index, transfer.amount_minor, transfer.contract) == (COIN_INDEX, 10**18, None)
    assert transfer.key.hex() == "bb" * 20


@pytest.mark.parametrize("changes", [{"value": "0x0"}, {"to": None}])
def test_no_coin_moves_to_nobody_and_none_is_no_payment(changes: dict[str, Any]) -> None:
    assert coin_transfer(transaction(**changes)) is None


def test_a_pending_token_call_announces_a_transfer() -> None:
    call = uint_call("transfer(address,uint256)", PAYEE, 42)
    (transfer,) = pending_transfers(transaction(to="0x" + TOKEN.hex(), value="0x0", input=call), {TOKEN})
    assert (transfer.index, transfer.amount_minor, transfer.key.hex()) == (PENDING_TOKEN_INDEX, 42, "bb" * 20)


def test_a_pending_transfer_on_behalf_of_another_names_that_other() -> None:
    selector = keccak(text="transferFrom(address,address,uint256)")[:4].hex()
    owner = "0x" + "ee" * 20
    call = "0x" + selector + topic(owner)[2:] + topic(PAYEE)[2:] + (42).to_bytes(32, "big").hex()
    (transfer,) = pending_transfers(transaction(to="0x" + TOKEN.hex(), value="0x0", input=call), {TOKEN})
    assert (transfer.sender, transfer.key.hex(), transfer.amount_minor) == (
        to_checksum_address(owner),
        "bb" * 20,
        42,
    )


@pytest.mark.parametrize(
    "call",
    [
        "0x",
        "0xa9059cbb",
        uint_call("transfer(address,uint256)", PAYEE, 42)[:-2],
        uint_call("transfer(address,uint256)", PAYEE, 0),
        uint_call("approve(address,uint256)", PAYEE, 42),
    ],
    ids=["nothing", "only the name", "cut short", "zero", "another function"],
)
def test_other_calls_of_a_token_announce_nothing(call: str) -> None:
    assert pending_transfers(transaction(to="0x" + TOKEN.hex(), value="0x0", input=call), {TOKEN}) == []


def test_a_call_of_a_contract_that_is_not_admitted_announces_nothing() -> None:
    call = uint_call("transfer(address,uint256)", PAYEE, 42)
    assert pending_transfers(transaction(to="0x" + "22" * 20, value="0x0", input=call), {TOKEN}) == []


def test_without_tokens_no_logs_are_asked_for() -> None:
    assert log_filter([]) is None
    assert log_filter({TOKEN}) == {"address": ["0x" + TOKEN.hex()], "topics": [TRANSFER_TOPIC]}
