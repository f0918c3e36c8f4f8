"""Tokens with manners: what is credited is what arrived."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from chains import rescanning
from chains.evm.arrivals import share
from chains.models import OnChainAsset
from chains.observation import FoundTransfer
from devnet.anvil import AnvilProcess
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet, uint_call
from tests.chains.conftest import Watched
from tests.chains.contracting import deploy
from tests.chains.provider import Provider, Refusal

Mine = Callable[..., None]


def add_token(address: str, code: str) -> None:
    OnChainAsset.objects.create(
        code=code,
        symbol=code,
        name=code,
        network_id="evm",
        contract=bytes.fromhex(address[2:]),
        decimals=6,
        quote_decimals=6,
    )


@pytest.fixture
def fee_token(anvil: AnvilProcess, evm: Watched, evm_resident: EvmWallet) -> str:
    address = deploy(anvil, evm_resident, "fee_token")
    evm_resident.send(to=address, calldata=uint_call("mint(address,uint256)", evm_resident.address, 10**9))
    anvil.rpc("anvil_mine", "0x1")
    add_token(address, "FEE")
    return address


def test_a_token_that_keeps_a_fee_credits_what_arrived(
    evm: Watched, evm_resident: EvmWallet, fee_token: str, mine: Mine
) -> None:
    evm_resident.pay_token(fee_token, evm.address().address, 1_000)
    evm.catch_up()
    assert evm.only_transfer().amount_minor == 1_000
    mine()
    evm.catch_up()
    transfer = evm.only_transfer()
    assert (transfer.amount_minor, transfer.pending_match) == (900, True)


def test_several_payments_of_it_in_one_block_share_what_arrived(
    evm: Watched, evm_resident: EvmWallet, fee_token: str, mine: Mine
) -> None:
    first, second = evm.address("a").address, evm.address("b").address
    for address, amount in ((first, 1_000), (first, 2_001), (second, 10)):
        evm_resident.pay_token(fee_token, address, amount)
    mine()
    evm.catch_up()
    rows = [(row.deposit_address.purpose, row.amount_minor) for row in evm.transfers()]
    assert rows == [("a", 900), ("a", 1_801), ("b", 9)]


def test_a_payment_that_is_emptied_in_the_same_block_is_credited_whole(
    anvil: AnvilProcess, evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    address = evm.address().address
    evm_resident.pay_token(TOKEN_ADDRESS, address, 1_000)
    anvil.rpc("anvil_setBalance", address, hex(10**18))
    anvil.rpc("anvil_impersonateAccount", address)
    call = uint_call("transfer(address,uint256)", evm_resident.address, 1_000)
    anvil.rpc("eth_sendTransaction", {"from": address, "to": TOKEN_ADDRESS, "data": call, "gas": hex(10**5)})
    mine()
    evm.catch_up()
    assert evm.only_transfer().amount_minor == 1_000
    balance = uint_call("balanceOf(address)", address)
    assert int(anvil.rpc("eth_call", {"to": TOKEN_ADDRESS, "data": balance}, "latest"), 16) == 0


def test_at_a_node_that_forgot_the_block_the_event_is_believed_and_that_is_said_once(
    anvil: AnvilProcess,
    evm: Watched,
    evm_resident: EvmWallet,
    fee_token: str,
    mine: Mine,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Provider(anvil.url).running() as provider, caplog.at_level(logging.WARNING, "chains.evm.arrivals"):
        settings.NODE_URLS = {**settings.NODE_URLS, "evm": [provider.url]}
        provider.manner = lambda method, params, result: (
            Refusal(-32000, "missing trie node") if method == "eth_call" else result
        )
        for amount in (1_000, 2_000):
            evm_resident.pay_token(fee_token, evm.address().address, amount)
            mine()
            evm.catch_up()
    assert [row.amount_minor for row in evm.transfers()] == [1_000, 2_000]
    assert sum("events alone" in record.message for record in caplog.records) == 1


def test_a_rescan_at_a_node_that_forgot_the_block_does_not_raise_what_arrived(
    anvil: AnvilProcess,
    evm: Watched,
    evm_resident: EvmWallet,
    fee_token: str,
    mine: Mine,
    settings: Any,
) -> None:
    evm_resident.pay_token(fee_token, evm.address().address, 1_000)
    mine()
    evm.catch_up()
    with Provider(anvil.url).running() as provider:
        settings.NODE_URLS = {**settings.NODE_URLS, "evm": [provider.url]}
        provider.manner = lambda method, params, result: (
            Refusal(-32000, "missing trie node") if method == "eth_call" else result
        )
        first = evm.only_transfer().block_height
        rescan = rescanning.begin("evm", first_height=first or 0, now=timezone.now())
        rescanning.advance(rescan, now=timezone.now())
        assert provider.asked_for("eth_call")
    assert evm.only_transfer().amount_minor == 900


def test_a_look_alike_token_credits_nothing(
    anvil: AnvilProcess, evm: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    """The same code at another address, with a Transfer to us in its log."""
    twin = deploy(anvil, evm_resident, "fee_token")
    evm_resident.send(to=twin, calldata=uint_call("mint(address,uint256)", evm_resident.address, 10**9))
    mine()
    evm_resident.pay_token(twin, evm.address().address, 1_000_000)
    evm_resident.pay_token(TOKEN_ADDRESS, evm.address().address, 0)
    mine()
    evm.catch_up()
    assert evm.transfers() == []


def test_two_payments_in_one_block_to_two_invoices_in_two_tokens(
    evm: Watched, evm_resident: EvmWallet, fee_token: str, mine: Mine
) -> None:
    evm_resident.pay_token(TOKEN_ADDRESS, evm.address("a").address, 70)
    evm_resident.pay_token(fee_token, evm.address("b").address, 100)
    mine()
    evm.catch_up()
    found = [(row.deposit_address.purpose, row.asset_id, row.amount_minor) for row in evm.transfers()]
    assert found == [("a", "USDT", 70), ("b", "FEE", 90)]


def transfer(amount: int, key: bytes = b"k" * 20) -> FoundTransfer:
    return FoundTransfer(
        txid=bytes(32), index=amount, key=key, contract=b"c" * 20, amount_minor=amount, sender=""
    )


@pytest.mark.parametrize(
    ("arrived", "expected"), [(9, [3, 6]), (10, [3, 7]), (1, [1]), (0, []), (-5, []), (29, [9, 20])]
)
def test_what_arrived_is_shared_without_loss(arrived: int, expected: list[int]) -> None:
    shared = share([transfer(10), transfer(20)], (b"c" * 20, b"k" * 20), arrived)
    assert [each.amount_minor for each in shared] == expected


def test_sharing_leaves_other_accounts_alone() -> None:
    other = transfer(7, key=b"o" * 20)
    assert share([transfer(10), other], (b"c" * 20, b"k" * 20), 0) == [other]
