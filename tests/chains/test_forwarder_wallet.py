"""A forwarder wallet from end to end: looked at, imported, paid, credited by the watcher, emptied by a prepared call."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from eth_abi.abi import decode

from chains import wallets
from chains.evm import flush, forwarder_check, holdings
from chains.evm.forwarder import Forwarder
from chains.key_guard import KeyRefused
from chains.models import TransferState, Wallet
from chains.nodes import NodeUnreachable, NodeWrongChain
from devnet import evm_forwarder
from devnet.anvil import CHAIN_ID, AnvilProcess
from devnet.evm_token import TOKEN_ADDRESS, token_balance
from devnet.evm_wallet import EvmWallet
from tests.chains.conftest import Watched, new_account_key
from tests.chains.forwarding import (
    FACTORY_NEEDS_MUCH_GAS,
    FACTORY_REVERTS,
    assets,
    pay_both,
    replace_factory,
    send,
    text,
)

Mine = Callable[..., None]


def test_coin_and_token_paid_to_a_forwarder_are_credited_and_emptied_into_the_treasury(
    forwarded: Watched, contracts: Forwarder, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine
) -> None:
    addresses = pay_both(forwarded, evm_resident, ["invoice 1", "invoice 2"])
    forwarded.catch_up()
    assert {row.state for row in forwarded.transfers()} == {TransferState.SEEN}
    mine()
    forwarded.catch_up()
    assert [(row.asset_id, row.amount_minor, row.state) for row in forwarded.transfers()] == [
        ("ETH", 25 * 10**16, TransferState.MINED),
        ("USDT", 1_500_000, TransferState.MINED),
    ] * 2
    held = holdings.read(forwarded.network, addresses, assets())
    call, count = flush.prepare_largest(forwarded.wallet, held)
    assert (count, call.chain_id, call.to) == (2, CHAIN_ID, text(contracts.factory))
    send(anvil, call.json(), gas=call.gas_estimate)
    treasury = text(contracts.treasury)
    assert int(anvil.rpc("eth_getBalance", treasury, "latest"), 16) == 50 * 10**16
    assert token_balance(anvil.rpc, treasury) == 3_000_000
    assert holdings.read(forwarded.network, addresses, assets()) == []
    forwarded.catch_up()
    # Emptying is no payment.
    assert len(forwarded.transfers()) == 4


def test_a_forwarder_is_credited_again_after_it_was_emptied(
    forwarded: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine
) -> None:
    (address,) = pay_both(forwarded, evm_resident, ["invoice 1"])
    mine()
    send(anvil, flush.call_for(forwarded.wallet, [address], assets()).json())
    assert anvil.rpc("eth_getCode", address.address, "latest") != "0x"
    pay_both(forwarded, evm_resident, ["invoice 1"])
    mine()
    forwarded.catch_up()
    assert [row.amount_minor for row in forwarded.transfers()] == [25 * 10**16, 1_500_000] * 2
    (holding,) = holdings.read(forwarded.network, [address], assets())
    assert [(asset.code, amount) for asset, amount in holding.amounts] == [
        ("ETH", 25 * 10**16),
        ("USDT", 1_500_000),
    ]


def test_only_addresses_that_were_paid_are_looked_at_newest_first_and_in_pages(
    forwarded: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    paid = pay_both(forwarded, evm_resident, ["a", "b", "c"])
    forwarded.address("never paid")
    mine()
    forwarded.catch_up()
    first = flush.paid_addresses(forwarded.wallet, before_index=None, count_max=2)
    assert first == [paid[2], paid[1]]
    rest = flush.paid_addresses(forwarded.wallet, before_index=first[-1].derivation_index, count_max=2)
    assert rest == [paid[0]]


def test_the_call_holds_the_numbers_of_the_addresses_and_the_tokens_in_every_form(
    forwarded: Watched, contracts: Forwarder
) -> None:
    addresses = [forwarded.address(purpose) for purpose in "abc"][1:]
    call = flush.call_for(forwarded.wallet, addresses, assets())
    numbers, tokens = decode(["uint256[]", "address[]"], call.data[4:])
    assert (numbers, tokens) == ((1, 2), (TOKEN_ADDRESS.lower(),))
    assert json.loads(call.json()) == {
        "to": text(contracts.factory),
        "value": "0",
        "data": "0x" + call.data.hex(),
        "chainId": CHAIN_ID,
    }
    assert (
        call.uri
        == f"ethereum:{text(contracts.factory)}@{CHAIN_ID}/flush?uint256[]=[1,2]&address[]=[{TOKEN_ADDRESS}]"
    )


def test_no_call_is_prepared_for_what_it_could_not_empty(forwarded: Watched, evm: Watched) -> None:
    hd = wallets.import_wallet(
        network=evm.network, label="hd", owner="s1", public_key=new_account_key("main"), now=timezone.now()
    )
    address = forwarded.address()
    with pytest.raises(flush.FlushRefused, match="forwarder wallet"):
        flush.call_for(hd, [address], [])
    other = Wallet(pk=hd.pk, network=evm.network, public_key=forwarded.wallet.public_key)
    with pytest.raises(flush.FlushRefused, match="another wallet"):
        flush.call_for(other, [address], [])
    with pytest.raises(flush.FlushRefused, match="1 to 256"):
        flush.call_for(forwarded.wallet, [], [])


@pytest.mark.parametrize(
    ("code", "said"), [(FACTORY_REVERTS, "would fail"), (FACTORY_NEEDS_MUCH_GAS, "more gas than one may use")]
)
def test_a_call_that_would_fail_or_need_too_much_gas_is_not_prepared(
    forwarded: Watched, anvil: AnvilProcess, contracts: Forwarder, code: str, said: str
) -> None:
    replace_factory(anvil, contracts, code)
    with pytest.raises(flush.FlushRefused, match=said):
        flush.prepare_flush(forwarded.wallet, [forwarded.address()], [])


def test_sound_contracts_pass_and_every_other_is_refused(
    evm: Watched, contracts: Forwarder, anvil: AnvilProcess
) -> None:
    network = evm.network
    forwarder_check.verify(network, str(contracts))
    other = evm_forwarder.deployments(os.urandom(20))[0]
    wrong = {
        "another treasury": Forwarder(contracts.factory, contracts.implementation, other.treasury),
        "no implementation": Forwarder(contracts.factory, other.implementation, contracts.treasury),
        "no factory": Forwarder(other.factory, contracts.implementation, contracts.treasury),
        "swapped": Forwarder(contracts.implementation, contracts.factory, contracts.treasury),
    }
    for offered in wrong.values():
        with pytest.raises(KeyRefused, match="is not our forwarder"):
            forwarder_check.verify(network, str(offered))
    implementation = text(contracts.implementation)
    code = anvil.rpc("eth_getCode", implementation, "latest")
    anvil.rpc("anvil_setCode", implementation, code + "00")
    with pytest.raises(KeyRefused, match="implementation is not our"):
        forwarder_check.verify(network, str(contracts))
    anvil.rpc("anvil_setCode", implementation, code)


def test_nothing_is_believed_without_a_node_of_the_chain(
    evm: Watched, contracts: Forwarder, settings: Any
) -> None:
    network = evm.network
    network.chain_id = 1
    with pytest.raises(NodeWrongChain):
        forwarder_check.verify(network, str(contracts))
    for urls in ([], ["http://127.0.0.1:1"]):
        settings.NODE_URLS = {"evm": urls}
        with pytest.raises(NodeUnreachable):
            forwarder_check.verify(evm.network, str(contracts))


def test_a_node_that_is_down_is_passed_over_for_the_next(
    evm: Watched, contracts: Forwarder, anvil: AnvilProcess, settings: Any
) -> None:
    settings.NODE_URLS = {"evm": ["http://127.0.0.1:1", anvil.url]}
    forwarder_check.verify(evm.network, str(contracts))


def test_the_import_command_looks_at_the_contracts_first(evm: Watched, contracts: Forwarder) -> None:
    bad = Forwarder(contracts.factory, contracts.implementation, os.urandom(20))
    with pytest.raises(CommandError, match="implementation is not our"):
        call_command("import_forwarder", "evm", str(bad))
    assert Wallet.objects.count() == 1
    out = StringIO()
    call_command("import_forwarder", "evm", str(contracts).lower(), stdout=out)
    imported = Wallet.objects.get(active=True)
    assert (imported.public_key, imported.owner) == (str(contracts), "")
    assert out.getvalue().split()[-3:] == wallets.preview(evm.network, str(contracts))


def test_what_prepare_forwarder_prints_deploys_a_wallet_that_can_be_imported(
    evm: Watched, anvil: AnvilProcess
) -> None:
    treasury = text(os.urandom(20))
    prepared = _prepared(treasury)
    assert [call["contract"] for call in prepared["calls"]] == ["Forwarder", "ForwarderFactory"]
    assert [call["address"] for call in prepared["calls"]] == [
        prepared["implementation"],
        prepared["factory"],
    ]
    for call in prepared["calls"]:
        send(anvil, json.dumps(call))
    call_command("import_forwarder", "evm", prepared["publicKey"], stdout=StringIO())
    assert Wallet.objects.get(active=True).public_key == prepared["publicKey"]
    # What is there is not deployed again.
    assert _prepared(treasury)["calls"] == []


def _prepared(treasury: str) -> dict[str, Any]:
    out = StringIO()
    call_command("prepare_forwarder", "evm", "--treasury", treasury, stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


@pytest.mark.parametrize("treasury", ["0x" + "0" * 40, "0x12", "bc1qexample", "0x" + "ab" * 32])
def test_prepare_forwarder_refuses_what_is_no_treasury(evm: Watched, treasury: str) -> None:
    with pytest.raises(CommandError, match="treasury"):
        call_command("prepare_forwarder", "evm", "--treasury", treasury)
