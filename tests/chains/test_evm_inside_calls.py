"""Coin that a contract sends: told by traces, or by balances, and credited once whichever of the two sees it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chains import coin_checks, outgoing, outgoing_fees, readers, rescanning, rewinding, wallets
from chains.condition import StepStatus
from chains.evm import traces
from chains.models import CoinBalance, OutgoingTransfer, Transfer, TransferState
from devnet.anvil import AnvilProcess
from devnet.evm_wallet import EvmWallet, uint_call
from tests.chains.conftest import Watched
from tests.chains.contracting import deploy
from tests.chains.provider import Provider, Refusal

Mine = Callable[..., None]

WEI = 3 * 10**15
# Confirmations of the slowest stores on the network under test: balances are checked that deep.
DEEP = 6


@pytest.fixture
def contract(anvil: AnvilProcess, evm: Watched, evm_resident: EvmWallet, settings: Any) -> str:
    settings.COIN_CHECK_SECONDS = 0
    return deploy(anvil, evm_resident, "sender")


def two_address_call(signature: str, *addresses: str) -> str:
    words = [bytes(12) + bytes.fromhex(address[2:]) for address in addresses[1:]]
    return uint_call(signature, addresses[0]) + b"".join(words).hex()


def credited(evm: Watched) -> list[tuple[str, int]]:
    return [(row.deposit_address.purpose, row.amount_minor) for row in mined(evm)]


def mined(evm: Watched) -> list[Transfer]:
    return [row for row in evm.transfers() if row.state == TransferState.MINED]


def settle(evm: Watched) -> None:
    """Until everything is read, and a step more for what was left unmined."""
    evm.catch_up()
    evm.step()


def test_a_payment_by_a_contract_is_told_by_the_traces(
    evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine
) -> None:
    txid = evm_resident.send(
        to=contract, value_wei=WEI, calldata=uint_call("pay(address)", evm.address().address)
    )
    mine()
    evm.catch_up()
    transfer = evm.only_transfer()
    assert (transfer.txid_hex, transfer.index, transfer.amount_minor) == (txid, -100, WEI)
    assert transfer.sender.lower() == contract.lower()
    for _ in range(3):
        mine(DEEP)
        settle(evm)
    assert credited(evm) == [("invoice 1", WEI)]


def test_two_payments_in_one_call_to_two_invoices_are_each_credited(
    evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine
) -> None:
    first, second = evm.address("a").address, evm.address("b").address
    call = two_address_call("pay_twice(address,address)", first, second)
    evm_resident.send(to=contract, value_wei=WEI, calldata=call)
    mine()
    evm.catch_up()
    assert credited(evm) == [("a", WEI // 3), ("b", WEI - WEI // 3)]
    assert [row.index for row in evm.transfers()] == [-100, -101]


@pytest.mark.parametrize("traced", [True, False])
def test_a_call_that_fails_credits_nothing(
    evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine, settings: Any, traced: bool
) -> None:
    settings.EVM_TRACES = traced
    call = uint_call("pay_inside_a_failing_call(address)", evm.address().address)
    evm_resident.send(to=contract, value_wei=WEI, calldata=call, gas=300_000)
    mine(DEEP)
    settle(evm)
    assert evm.transfers() == []


def test_both_forms_of_traces_tell_the_same(
    anvil: AnvilProcess, evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine
) -> None:
    first, second = evm.address("a").address, evm.address("b").address
    evm_resident.send(
        to=contract, value_wei=WEI, calldata=two_address_call("pay_twice(address,address)", first, second)
    )
    evm_resident.send(
        to=contract,
        value_wei=WEI,
        calldata=uint_call("pay_inside_a_failing_call(address)", first),
        gas=300_000,
    )
    mine()
    block = anvil.rpc("eth_getBlockByNumber", "latest", False)
    assert len(block["transactions"]) == 2
    flat = traces.of_trace_block(anvil.rpc("trace_block", block["number"]))
    tree = traces.of_call_tracer(anvil.rpc("debug_traceBlockByHash", block["hash"], {"tracer": "callTracer"}))
    assert flat == tree
    assert [transfer.amount_minor for transfer in flat] == [WEI // 3, WEI - WEI // 3]


def test_without_traces_the_balance_tells_once_it_is_deep_enough(
    evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine, settings: Any
) -> None:
    settings.EVM_TRACES = False
    address = evm.address()
    evm.catch_up()
    evm_resident.send(to=contract, value_wei=WEI, calldata=uint_call("pay(address)", address.address))
    mine()
    settle(evm)
    assert evm.transfers() == []
    mine(DEEP - 1)
    settle(evm)
    transfer = evm.only_transfer()
    block = evm.network.blocks.get(height=transfer.block_height)
    assert (transfer.amount_minor, transfer.index) == (WEI, -100 - address.pk)
    assert bytes(transfer.txid) == bytes(block.hash) == bytes(transfer.block_hash)
    assert transfer.pending_match
    for _ in range(3):
        mine(2)
        settle(evm)
    assert credited(evm) == [("invoice 1", WEI)]


def test_what_the_balance_told_is_not_credited_again_when_traces_explain_it(
    evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine, settings: Any
) -> None:
    settings.EVM_TRACES = False
    address = evm.address()
    before = evm.network.cursor_height
    assert before is not None
    txid = evm_resident.send(to=contract, value_wei=WEI, calldata=uint_call("pay(address)", address.address))
    mine(DEEP)
    settle(evm)
    assert mined(evm)[0].txid_hex != txid
    settings.EVM_TRACES = True
    rewinding.rewind("evm", height=before)
    coin_checks.forget("evm")
    settle(evm)
    mine(DEEP)
    settle(evm)
    assert [(row.txid_hex, row.amount_minor) for row in mined(evm)] == [(txid, WEI)]


def test_a_rescan_that_finds_the_call_does_not_credit_it_again(
    evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine, settings: Any
) -> None:
    settings.EVM_TRACES = False
    evm.address()
    first = evm.network.cursor_height
    call = uint_call("pay(address)", evm.address().address)
    evm_resident.send(to=contract, value_wei=WEI, calldata=call)
    mine(DEEP)
    settle(evm)
    (told,) = mined(evm)
    settings.EVM_TRACES = True
    rescan = rescanning.begin("evm", first_height=first or 0, now=timezone.now())
    while rescan.finished_at is None:
        rescan = rescanning.advance(rescan, now=timezone.now())
    assert [row.pk for row in evm.transfers()] == [told.pk]


def test_an_ordinary_payment_and_one_by_a_contract_are_told_apart_without_traces(
    evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine, settings: Any
) -> None:
    settings.EVM_TRACES = False
    address = evm.address().address
    evm_resident.pay_coin(address, 10**15)
    evm_resident.send(to=contract, value_wei=WEI, calldata=uint_call("pay(address)", address))
    mine(DEEP)
    settle(evm)
    mine(2)
    settle(evm)
    assert sorted(amount for _, amount in credited(evm)) == [10**15, WEI]


def test_what_an_address_held_before_it_was_given_out_is_nobodys_payment(
    anvil: AnvilProcess, evm: Watched, contract: str, mine: Mine, settings: Any
) -> None:
    settings.EVM_TRACES = False
    address = evm.address(now=timezone.now() + coin_checks.SURELY_BEFORE + timedelta(minutes=5))
    anvil.rpc("anvil_setBalance", address.address, hex(10**18))
    mine(DEEP + 1)
    settle(evm)
    assert evm.transfers() == []
    assert CoinBalance.objects.get(deposit_address=address).balance_minor == 10**18


def test_what_leaves_an_address_does_not_hide_what_arrives_later(
    anvil: AnvilProcess, evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine, settings: Any
) -> None:
    settings.EVM_TRACES = False
    address = evm.address().address
    pay = uint_call("pay(address)", address)
    evm_resident.send(to=contract, value_wei=WEI, calldata=pay)
    mine(DEEP)
    settle(evm)
    anvil.rpc("anvil_setBalance", address, "0x0")
    mine(DEEP)
    settle(evm)
    assert CoinBalance.objects.get(deposit_address__address=address).spent_minor == WEI
    evm_resident.send(to=contract, value_wei=WEI + 1, calldata=pay)
    mine(DEEP)
    settle(evm)
    assert [amount for _, amount in credited(evm)] == [WEI, WEI + 1]


@pytest.mark.parametrize("traced", [True, False])
def test_a_reorganisation_that_drops_a_payment_by_a_contract_takes_it_back(
    anvil: AnvilProcess,
    evm: Watched,
    evm_resident: EvmWallet,
    contract: str,
    mine: Mine,
    settings: Any,
    traced: bool,
) -> None:
    settings.EVM_TRACES = traced
    call = uint_call("pay(address)", evm.address().address)
    evm_resident.send(to=contract, value_wei=WEI, calldata=call)
    mine(DEEP)
    settle(evm)
    assert credited(evm) == [("invoice 1", WEI)]
    anvil.rpc("anvil_reorg", DEEP, [])
    settle(evm)
    mine(DEEP)
    settle(evm)
    assert [row.state for row in evm.transfers()] == [TransferState.GONE]
    assert evm.transfers()[0].pending_match


def test_a_reorganisation_that_moves_a_payment_by_a_contract_credits_it_once(
    anvil: AnvilProcess, evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine, settings: Any
) -> None:
    settings.EVM_TRACES = False
    call = uint_call("pay(address)", evm.address().address)
    txid = evm_resident.send(to=contract, value_wei=WEI, calldata=call)
    raw = anvil.rpc("eth_getRawTransactionByHash", txid)
    mine(DEEP)
    settle(evm)
    anvil.rpc("anvil_reorg", DEEP, [[raw, 2]])
    settle(evm)
    mine(DEEP)
    settle(evm)
    mine(DEEP)
    settle(evm)
    assert credited(evm) == [("invoice 1", WEI)]


def test_a_network_is_checked_again_by_another_process_without_counting_twice(
    evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine, settings: Any
) -> None:
    settings.EVM_TRACES = False
    call = uint_call("pay(address)", evm.address().address)
    evm_resident.send(to=contract, value_wei=WEI, calldata=call)
    mine(DEEP)
    settle(evm)
    for _ in range(2):
        coin_checks.forget("evm")
        readers.forget("evm")
        settle(evm)
    assert credited(evm) == [("invoice 1", WEI)]


def test_at_a_node_without_history_addresses_are_watched_from_the_first_check_on(
    anvil: AnvilProcess,
    evm: Watched,
    evm_resident: EvmWallet,
    contract: str,
    mine: Mine,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.EVM_TRACES = False
    evm.address("a")
    evm.address("b")
    mine(2 * DEEP)
    asked: list[str] = []

    def forgetful(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getBalance":
            asked.append(params[1]["blockHash"])
            newest = anvil.rpc("eth_getBlockByHash", asked[0], False)["number"]
            this = anvil.rpc("eth_getBlockByHash", params[1]["blockHash"], False)["number"]
            return result if int(this, 16) >= int(newest, 16) else Refusal(-32000, "missing trie node")
        return result

    with Provider(anvil.url).running() as provider, caplog.at_level(logging.WARNING, "chains.coin_checks"):
        settings.NODE_URLS = {**settings.NODE_URLS, "evm": [provider.url]}
        provider.manner = forgetful
        settle(evm)
        evm_resident.send(
            to=contract, value_wei=WEI, calldata=uint_call("pay(address)", evm.address("a").address)
        )
        mine(DEEP)
        settle(evm)
    assert credited(evm) == [("a", WEI)]
    said = [record.getMessage() for record in caplog.records if record.name == "chains.coin_checks"]
    assert said == ["the node does not say what 2 addresses held before: they are watched from now on"]


def test_a_node_that_does_not_say_balances_fails_nothing_else_and_is_logged_once(
    anvil: AnvilProcess,
    evm: Watched,
    evm_resident: EvmWallet,
    contract: str,
    mine: Mine,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.EVM_TRACES = False
    address = evm.address().address
    with Provider(anvil.url).running() as provider, caplog.at_level(logging.WARNING, "chains.coin_checks"):
        settings.NODE_URLS = {**settings.NODE_URLS, "evm": [provider.url]}
        provider.refused_method = "eth_getBalance"
        evm_resident.pay_coin(address, 10**15)
        for _ in range(3):
            mine(2)
            assert evm.catch_up().status is StepStatus.CURRENT
    assert credited(evm) == [("invoice 1", 10**15)]
    said = [record for record in caplog.records if "balances were not checked" in record.getMessage()]
    assert len(said) == 1


def test_coin_that_a_contract_wallet_pays_out_is_told_by_traces_and_found_by_looking_back(
    evm: Watched, evm_resident: EvmWallet, contract: str, mine: Mine
) -> None:
    """A Safe's refund: no balance of ours tells it, so what was read in a catch-up, without traces, needs a second look."""
    wallets.import_wallet(
        network=evm.network,
        label="safe",
        owner="",
        public_key=f"forwarder(0x{'11' * 20},0x{'22' * 20},{contract})",
        now=timezone.now(),
    )
    guests = ["0x" + secrets.token_hex(20) for _ in range(2)]
    for guest in guests:
        outgoing.watch(evm.network, guest, now=timezone.now())
    evm.catch_up()
    evm_resident.send(to=contract, value_wei=WEI, calldata=uint_call("pay(address)", guests[0]))
    mine()
    evm.catch_up()
    assert [row.destination.address.lower() for row in OutgoingTransfer.objects.all()] == guests[:1]
    evm_resident.send(to=contract, value_wei=WEI, calldata=uint_call("pay(address)", guests[1]))
    mine()
    height = evm.network.cursor_height + 1
    mine(40)
    settle(evm)
    assert OutgoingTransfer.objects.count() == 1
    rescan = rescanning.begin("evm", first_height=height, last_height=height, now=timezone.now())
    while rescan.finished_at is None:
        rescan = rescanning.advance(rescan, now=timezone.now())
    assert outgoing_fees.fetch() == 2
    rows = OutgoingTransfer.objects.order_by("id")
    assert [row.destination.address.lower() for row in rows] == guests
    # Who presses the button in the Safe pays the gas, out of no wallet of ours.
    assert {(row.wallet.label, row.amount_minor, row.fee_minor) for row in rows} == {("safe", WEI, 0)}
