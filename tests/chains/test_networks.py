"""Networks and tokens are added by facts that the chain itself confirms."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from chains import networks
from chains.evm.token_contract import Token, TokenRefused
from chains.models import Network, OnChainAsset
from chains.networks import Anchor, NetworkRefused
from chains.nodes import NodeUnreachable
from chains.presets import PRESETS
from devnet.anvil import AnvilProcess
from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet
from devnet.process import free_port
from merchants.models import User
from tests.chains.conftest import Watched

LOCAL = PRESETS["local-evm"]


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    client.force_login(
        User.objects.create_superuser("admin@alatau.city", "a long password"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return client


@pytest.fixture
def local_node(anvil: AnvilProcess, evm_resident: EvmWallet, settings: Any) -> AnvilProcess:
    settings.NODE_URLS = {"local-evm": [anvil.url], "ethereum": [anvil.url], "bitcoin": [anvil.url]}
    return anvil


def block_1(anvil: AnvilProcess) -> str:
    return str(anvil.rpc("eth_getBlockByNumber", "0x1", False)["hash"])[2:]


@pytest.mark.parametrize("slug", PRESETS)
def test_every_preset_makes_rows_that_the_database_takes(slug: str, db: None) -> None:
    preset = PRESETS[slug]
    anchor = None if preset.anchor_hash_hex else Anchor(preset.anchor_height, "ab" * 32)
    network = networks.add_network(preset, anchor=anchor)
    network.refresh_from_db()
    assert (network.pk, network.chain_id, network.bitcoin_chain) == (
        slug,
        preset.chain_id,
        preset.bitcoin_chain,
    )
    assert network.anchor_hash_hex == (preset.anchor_hash_hex or "ab" * 32)
    coin = OnChainAsset.objects.get(network=network)
    assert (coin.code, coin.contract, coin.decimals) == (
        preset.coin_code,
        None,
        8 if preset.bitcoin_chain else 18,
    )


def test_all_presets_stand_beside_each_other(db: None) -> None:
    for preset in PRESETS.values():
        networks.add_network(
            preset, anchor=None if preset.anchor_hash_hex else Anchor(preset.anchor_height, "ab" * 32)
        )
    assert Network.objects.count() == len(PRESETS)


def test_a_network_whose_anchor_nobody_knows_is_not_added(db: None) -> None:
    with pytest.raises(NetworkRefused, match="read from its node"):
        networks.add_network(LOCAL)
    assert not Network.objects.exists()


def test_an_anchor_of_another_chain_is_refused(db: None) -> None:
    with pytest.raises(NetworkRefused, match="not block 0 of Ethereum"):
        networks.add_network(PRESETS["ethereum"], anchor=Anchor(0, "ab" * 32))
    assert not Network.objects.exists()


def test_a_network_is_added_once_and_wholly_or_not_at_all(db: None) -> None:
    networks.add_network(PRESETS["ethereum"])
    with pytest.raises(NetworkRefused, match="exists"):
        networks.add_network(PRESETS["ethereum"])
    with pytest.raises(NetworkRefused, match="exists"):
        networks.add_network(PRESETS["ethereum"], slug="ethereum-2")
    assert Network.objects.count() == OnChainAsset.objects.count() == 1


def test_the_anchor_is_what_the_node_says(local_node: AnvilProcess) -> None:
    assert networks.read_anchor("local-evm", LOCAL) == Anchor(1, block_1(local_node))


def test_a_node_of_another_chain_id_is_refused(local_node: AnvilProcess) -> None:
    with pytest.raises(NetworkRefused, match="not a node of chain 1"):
        networks.read_anchor("ethereum", PRESETS["ethereum"])


def test_a_node_that_is_none_of_bitcoin_is_refused(local_node: AnvilProcess) -> None:
    with pytest.raises(Exception, match=r"getblockhash|not found|Method"):
        networks.read_anchor("bitcoin", PRESETS["bitcoin"])


def test_a_bitcoin_node_of_another_chain_is_refused(bitcoin_node: BitcoinNodeProcess, settings: Any) -> None:
    settings.NODE_URLS = {"bitcoin": [bitcoin_node.url]}
    regtest = PRESETS["bitcoin-regtest"]
    assert networks.read_anchor("bitcoin", regtest).hash_hex == regtest.anchor_hash_hex
    with pytest.raises(NetworkRefused, match="follows another chain"):
        networks.read_anchor("bitcoin", PRESETS["bitcoin"])


def test_two_nodes_of_a_network_must_agree(
    local_node: AnvilProcess, tmp_path: Any, settings: Any, evm_resident: EvmWallet
) -> None:
    with AnvilProcess(tmp_path) as other:
        other.rpc("anvil_mine", "0x1")
        settings.NODE_URLS = {"local-evm": [local_node.url, other.url]}
        with pytest.raises(NetworkRefused, match="follows another chain"):
            networks.read_anchor("local-evm", LOCAL)


def test_a_network_without_nodes_or_with_a_silent_one_is_not_looked_at(settings: Any) -> None:
    settings.NODE_URLS = {"ethereum": [f"http://user:secret-word@127.0.0.1:{free_port()}"]}
    with pytest.raises(NetworkRefused, match="NODE_URLS"):
        networks.read_anchor("polygon", PRESETS["polygon"])
    with pytest.raises(NodeUnreachable) as failure:
        networks.read_anchor("ethereum", PRESETS["ethereum"])
    assert "secret-word" not in str(failure.value)


def test_the_command_adds_a_network_after_asking_its_node(local_node: AnvilProcess, db: None) -> None:
    out = StringIO()
    call_command("add_network", "local-evm", "--name", "Test", stdout=out)
    assert block_1(local_node) in out.getvalue()
    network = Network.objects.get()
    assert (network.pk, network.name, network.anchor_height) == ("local-evm", "Test", 1)
    with pytest.raises(CommandError, match="not a node of chain 1"):
        call_command("add_network", "ethereum", "--node-check")
    assert Network.objects.count() == 1
    call_command("add_network", "ethereum", stdout=out)
    assert Network.objects.count() == 2


def test_a_token_is_added_with_what_its_contract_says(evm: Watched, evm_resident: EvmWallet) -> None:
    OnChainAsset.objects.filter(code="USDT").delete()
    token = networks.look_at_token(evm.network, TOKEN_ADDRESS)
    networks.check_token(token, decimals=6, symbol="tUSDT")
    for decimals, symbol in ((18, "tUSDT"), (6, "USDT")):
        with pytest.raises(NetworkRefused):
            networks.check_token(token, decimals=decimals, symbol=symbol)
    asset = networks.add_token(
        evm.network, token, code="USDT", symbol="USDT", name="Tether USD", quote_decimals=3
    )
    assert (bytes(asset.contract or b"").hex(), asset.decimals) == (TOKEN_ADDRESS[2:].lower(), 6)
    with pytest.raises(NetworkRefused):
        networks.add_token(evm.network, token, code="USDT-2", symbol="USDT", name="Twin", quote_decimals=3)


def test_what_is_no_token_is_not_added(
    evm: Watched, evm_resident: EvmWallet, bitcoin_node: BitcoinNodeProcess
) -> None:
    with pytest.raises(TokenRefused):
        networks.look_at_token(evm.network, evm_resident.address)
    bitcoin = networks.add_network(PRESETS["bitcoin-regtest"])
    with pytest.raises(NetworkRefused, match="no contracts"):
        networks.look_at_token(bitcoin, TOKEN_ADDRESS)


def test_a_token_is_looked_at_through_the_next_node_when_the_first_is_silent(
    evm: Watched, anvil: AnvilProcess, settings: Any
) -> None:
    settings.NODE_URLS = {"evm": [f"http://127.0.0.1:{free_port()}", anvil.url]}
    assert isinstance(networks.look_at_token(evm.network, TOKEN_ADDRESS), Token)


def test_the_admin_shows_the_chain_before_it_adds_it(admin: Client, local_node: AnvilProcess) -> None:
    page = reverse("admin:chains_network_add")
    assert admin.get(page).status_code == 200
    data = {"preset": "local-evm", "wanted_slug": "", "wanted_name": ""}
    shown = admin.post(page, data)
    assert block_1(local_node) in shown.content.decode()
    assert not Network.objects.exists()
    assert admin.post(page, data | {"confirmed": "on"}).status_code == 302
    assert Network.objects.get().anchor_hash_hex == block_1(local_node)
    again = admin.post(page, data | {"confirmed": "on"})
    assert "already" in again.content.decode()
    refused = admin.post(page, data | {"preset": "ethereum", "confirmed": "on"})
    assert "not a node of chain 1" in refused.content.decode()
    assert Network.objects.count() == 1


def test_a_network_in_the_admin_keeps_its_chain_and_changes_its_confirmations(
    admin: Client, local_node: AnvilProcess
) -> None:
    network = networks.add_network(PRESETS["ethereum"])
    page = reverse("admin:chains_network_change", args=[network.pk])
    fields = {
        "name": "Mainnet",
        "block_seconds": 12,
        "finality_tag": "safe",
        "confirmations_high_speed": 1,
        "confirmations_medium_speed": 2,
        "confirmations_low_medium_speed": 3,
        "confirmations_low_speed": 4,
        "explorer_txid_url": "",
        "enabled": "on",
        "chain_id": 5,
    }
    assert admin.get(page).status_code == 200
    assert admin.post(page, fields).status_code == 302
    network.refresh_from_db()
    assert (network.name, network.finality_tag, network.confirmations_low_speed, network.chain_id) == (
        "Mainnet",
        "safe",
        4,
        1,
    )


@pytest.fixture(scope="module")
def bitcoin_node(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The development node alone: what is asked here every node answers alike."""
    with BitcoinNodeProcess(tmp_path_factory.mktemp("bitcoin")) as node:
        yield node
