"""A forwarder wallet from end to end: looked at on the chain, imported, paid, credited by the watcher, emptied by a prepared call."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from io import StringIO
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from eth_abi.abi import decode

from chains import wallets
from chains.evm import flush, forwarder_check, holdings
from chains.evm.forwarder import Forwarder
from chains.key_guard import KeyRefused
from chains.models import DepositAddress, OnChainAsset, TransferState, Wallet
from chains.nodes import NodeUnreachable, NodeWrongChain
from devnet import evm_forwarder
from devnet.anvil import CHAIN_ID, AnvilProcess
from devnet.evm_token import TOKEN_ADDRESS, token_balance
from devnet.evm_wallet import EvmWallet
from merchants.models import User
from tests.chains.conftest import Watched, new_account_key
from tests.chains.forwarding import STRANGER_ACCOUNT, text

Mine = Callable[..., None]


@pytest.fixture
def contracts(anvil: AnvilProcess, evm: Watched) -> Forwarder:
    """The forwarder contracts of a new treasury, deployed."""
    anvil.rpc("evm_setAutomine", True)
    made = evm_forwarder.deploy(anvil.rpc, os.urandom(20))
    anvil.rpc("evm_setAutomine", False)
    return made


@pytest.fixture
def watched(evm: Watched, contracts: Forwarder) -> Watched:
    """The EVM network, its deposit addresses being forwarders."""
    evm.wallet = wallets.import_wallet(
        network=evm.network, label="treasury", owner="", public_key=str(contracts), now=timezone.now()
    )
    evm.catch_up()
    return evm


def assets() -> list[OnChainAsset]:
    return list(OnChainAsset.objects.order_by("code"))


def pay_both(watched: Watched, resident: EvmWallet, purposes: list[str]) -> list[DepositAddress]:
    """A quarter of an ether and 1.5 tokens to the address of each purpose, not mined yet."""
    addresses = [watched.address(purpose) for purpose in purposes]
    for address in addresses:
        resident.pay_coin(address.address, 25 * 10**16)
        resident.pay_token(TOKEN_ADDRESS, address.address, 1_500_000)
    return addresses


def send(anvil: AnvilProcess, file_text: str, *, gas: int | None = None) -> dict[str, Any]:
    """A stranger signs and sends what the program prepared, as a wallet does with the file; the receipt."""
    call = json.loads(file_text)
    stranger = EvmWallet(anvil.rpc, account_index=STRANGER_ACCOUNT)
    assert (call["chainId"], call["value"]) == (CHAIN_ID, "0")
    sent = stranger.send(to=call["to"], calldata=call["data"], value_wei=int(call["value"]), gas=gas)
    anvil.rpc("anvil_mine", "0x1")
    return stranger.wait(sent)


def test_coin_and_token_paid_to_a_forwarder_are_credited_and_emptied_into_the_treasury(
    watched: Watched, contracts: Forwarder, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine
) -> None:
    addresses = pay_both(watched, evm_resident, ["invoice 1", "invoice 2"])
    watched.catch_up()
    assert {row.state for row in watched.transfers()} == {TransferState.SEEN}
    mine()
    watched.catch_up()
    assert [(row.asset_id, row.amount_minor, row.state) for row in watched.transfers()] == [
        ("ETH", 25 * 10**16, TransferState.MINED),
        ("USDT", 1_500_000, TransferState.MINED),
    ] * 2
    held = holdings.read(watched.network, addresses, assets())
    call, count = flush.prepare_largest(watched.wallet, held)
    assert (count, call.chain_id, call.to) == (2, CHAIN_ID, text(contracts.factory))
    send(anvil, call.json(), gas=call.gas_estimate)
    treasury = text(contracts.treasury)
    assert int(anvil.rpc("eth_getBalance", treasury, "latest"), 16) == 50 * 10**16
    assert token_balance(anvil.rpc, treasury) == 3_000_000
    assert holdings.read(watched.network, addresses, assets()) == []
    watched.catch_up()
    # Emptying is no payment.
    assert len(watched.transfers()) == 4


def test_a_forwarder_is_credited_again_after_it_was_emptied(
    watched: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine
) -> None:
    (address,) = pay_both(watched, evm_resident, ["invoice 1"])
    mine()
    send(anvil, flush.call_for(watched.wallet, [address], assets()).json())
    assert anvil.rpc("eth_getCode", address.address, "latest") != "0x"
    pay_both(watched, evm_resident, ["invoice 1"])
    mine()
    watched.catch_up()
    assert [row.amount_minor for row in watched.transfers()] == [25 * 10**16, 1_500_000] * 2
    (holding,) = holdings.read(watched.network, [address], assets())
    assert [(asset.code, amount) for asset, amount in holding.amounts] == [("ETH", 25 * 10**16), ("USDT", 1_500_000)]


def test_only_addresses_that_were_paid_are_looked_at_newest_first_and_in_pages(
    watched: Watched, evm_resident: EvmWallet, mine: Mine
) -> None:
    paid = pay_both(watched, evm_resident, ["a", "b", "c"])
    watched.address("never paid")
    mine()
    watched.catch_up()
    first = flush.paid_addresses(watched.wallet, before_index=None, count_max=2)
    assert first == [paid[2], paid[1]]
    rest = flush.paid_addresses(watched.wallet, before_index=first[-1].derivation_index, count_max=2)
    assert rest == [paid[0]]


def test_the_call_holds_the_numbers_of_the_addresses_and_the_tokens_in_every_form(
    watched: Watched, contracts: Forwarder
) -> None:
    addresses = [watched.address(purpose) for purpose in "abc"][1:]
    call = flush.call_for(watched.wallet, addresses, assets())
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


def test_no_call_is_prepared_for_what_it_could_not_empty(watched: Watched, evm: Watched) -> None:
    hd = wallets.import_wallet(
        network=evm.network, label="hd", owner="s1", public_key=new_account_key("main"), now=timezone.now()
    )
    address = watched.address()
    with pytest.raises(flush.FlushRefused, match="forwarder wallet"):
        flush.call_for(hd, [address], [])
    other = Wallet(pk=hd.pk, network=evm.network, public_key=watched.wallet.public_key)
    with pytest.raises(flush.FlushRefused, match="another wallet"):
        flush.call_for(other, [address], [])
    with pytest.raises(flush.FlushRefused, match="1 to 256"):
        flush.call_for(watched.wallet, [], [])


def test_a_call_that_would_fail_is_not_prepared(watched: Watched, anvil: AnvilProcess, contracts: Forwarder) -> None:
    factory = text(contracts.factory)
    code = anvil.rpc("eth_getCode", factory, "latest")
    anvil.rpc("anvil_setCode", factory, "0x5f5ffd")
    try:
        with pytest.raises(flush.FlushRefused, match="would fail"):
            flush.prepare_flush(watched.wallet, [watched.address()], [])
    finally:
        anvil.rpc("anvil_setCode", factory, code)


def test_sound_contracts_pass_and_every_other_is_refused(evm: Watched, contracts: Forwarder, anvil: AnvilProcess) -> None:
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


def test_nothing_is_believed_without_a_node_of_the_chain(evm: Watched, contracts: Forwarder, settings: Any) -> None:
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


def test_what_prepare_forwarder_prints_deploys_a_wallet_that_can_be_imported(evm: Watched, anvil: AnvilProcess) -> None:
    treasury = text(os.urandom(20))
    prepared = _prepared(treasury)
    assert [call["contract"] for call in prepared["calls"]] == ["Forwarder", "ForwarderFactory"]
    assert [call["address"] for call in prepared["calls"]] == [prepared["implementation"], prepared["factory"]]
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


@pytest.fixture
def officer(evm: Watched) -> Client:
    """A city admin's browser."""
    admin = User.objects.create_superuser(email="admin@alatau.example", password="a long one")
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return client


def add(officer: Client, public_key: str) -> Any:
    form = {"network": "evm", "label": "new", "public_key": public_key, "confirmed": "on"}
    return officer.post(reverse("admin:chains_wallet_add"), form)


def test_the_admin_imports_a_forwarder_wallet_only_after_looking_at_its_contracts(
    officer: Client, contracts: Forwarder
) -> None:
    bad = Forwarder(contracts.factory, contracts.implementation, os.urandom(20))
    refused = add(officer, str(bad))
    assert "implementation is not our forwarder" in refused.content.decode()
    assert Wallet.objects.count() == 1
    malformed = add(officer, "forwarder(0x12)")
    assert "is written forwarder(" in malformed.content.decode()
    assert add(officer, str(contracts)).status_code == 302
    assert Wallet.objects.get(active=True).public_key == str(contracts)


def test_the_admin_imports_nothing_unseen_while_no_node_answers(
    officer: Client, contracts: Forwarder, settings: Any
) -> None:
    settings.NODE_URLS = {"evm": ["http://someone:secret@127.0.0.1:1"]}
    page = add(officer, str(contracts)).content.decode()
    assert "could not be looked at" in page
    assert "secret" not in page
    assert Wallet.objects.count() == 1


def test_the_emptying_page_shows_what_is_held_and_gives_the_call_in_every_form(
    officer: Client, watched: Watched, evm_resident: EvmWallet, anvil: AnvilProcess, mine: Mine, contracts: Forwarder
) -> None:
    addresses = pay_both(watched, evm_resident, ["invoice 1", "invoice 2"])
    mine()
    watched.catch_up()
    wallet_page = officer.get(reverse("admin:chains_wallet_change", args=[watched.wallet.pk])).content.decode()
    url = reverse("admin:chains_wallet_emptying", args=[watched.wallet.pk])
    assert f'href="{url}"' in wallet_page
    answer = officer.get(url)
    page = answer.content.decode()
    call = answer.context["call"]
    assert all(address.address in page for address in addresses)
    assert f'data-call="0x{call.data.hex()}"' in page
    assert f'data-chain-id="{CHAIN_ID}"' in page
    assert "data:image/png;base64," in page
    assert f"/flush?uint256[]=[1,0]&amp;address[]=[{TOKEN_ADDRESS}]" in unquote(page)
    downloaded = officer.get(answer.context["file_url"])
    assert downloaded["Content-Disposition"].startswith("attachment")
    assert downloaded.content.decode() == call.json()
    send(anvil, downloaded.content.decode())
    assert token_balance(anvil.rpc, text(contracts.treasury)) == 3_000_000
    emptied = officer.get(url)
    assert "call" not in emptied.context
    assert "holds anything now" in emptied.content.decode()


def test_the_emptying_page_says_when_no_node_answers(officer: Client, watched: Watched, settings: Any) -> None:
    settings.NODE_URLS = {"evm": ["http://someone:secret@127.0.0.1:1"]}
    answer = officer.get(reverse("admin:chains_wallet_emptying", args=[watched.wallet.pk]))
    assert answer.status_code == 200
    assert "127.0.0.1:1: ConnectError" in answer.content.decode()
    assert "secret" not in answer.content.decode()


def test_emptying_is_for_admins_and_for_forwarder_wallets(officer: Client, watched: Watched, client: Client) -> None:
    hd = Wallet.objects.get(active=False)
    assert officer.get(reverse("admin:chains_wallet_emptying", args=[hd.pk])).status_code == 404
    assert "emptying" not in officer.get(reverse("admin:chains_wallet_change", args=[hd.pk])).content.decode()
    for name in ("emptying", "emptying_file"):
        url = reverse(f"admin:chains_wallet_{name}", args=[watched.wallet.pk])
        assert client.get(url).status_code == 302
        staff = User.objects.create_user(email=f"{name}@alatau.example", password="a long one", is_staff=True)
        client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
        assert client.get(url).status_code == 403
        client.logout()
    assert officer.get(f"{url}?index=77").status_code == 404
    assert officer.get(f"{url}?index=x&index=-1").status_code == 404
