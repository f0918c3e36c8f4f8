"""The chains in Django admin: what a city admin can see, add, and cannot."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chains.models import OnChainAsset
from devnet.anvil import AnvilProcess
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.evm_token import TOKEN_ADDRESS
from devnet.evm_wallet import EvmWallet
from merchants.models import User
from tests.chains.conftest import Watched, make_evm_network


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    client.force_login(
        User.objects.create_superuser("admin@alatau.city", "a long password"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return client


def test_a_token_is_added_with_the_decimals_its_contract_states(
    admin: Client, anvil: AnvilProcess, evm_resident: EvmWallet, settings: Any
) -> None:
    evm = make_evm_network(anvil, settings)
    OnChainAsset.objects.filter(code="USDT").delete()
    data = {
        "code": "USDT",
        "symbol": "USDT",
        "name": "Tether USD",
        "network": evm.slug,
        "contract_address": TOKEN_ADDRESS,
        "decimals": 18,
        "quote_decimals": 6,
    }
    refused = admin.post(reverse("admin:chains_onchainasset_add"), data)
    assert "The contract says 6." in refused.content.decode()
    renamed = admin.post(reverse("admin:chains_onchainasset_add"), data | {"decimals": 6})
    assert "The contract calls itself “tUSDT”, not “USDT”." in renamed.content.decode()
    data["contract_symbol"] = "tUSDT"
    assert not OnChainAsset.objects.filter(code="USDT").exists()
    assert admin.post(reverse("admin:chains_onchainasset_add"), data | {"decimals": 6}).status_code == 302
    token = OnChainAsset.objects.get(code="USDT")
    assert bytes(token.contract or b"").hex() == TOKEN_ADDRESS[2:].lower()
    page = admin.get(reverse("admin:chains_onchainasset_change", args=["USDT"])).content.decode()
    assert TOKEN_ADDRESS in page


def test_every_page_shows_what_was_watched(admin: Client, bitcoin: Watched, resident: BitcoinWallet) -> None:
    txid = resident.pay(bitcoin.address().address, 123_456)
    resident.mine()
    bitcoin.catch_up()
    transfer = bitcoin.only_transfer()
    for model in ("network", "onchainasset", "wallet", "depositaddress", "block", "transfer"):
        assert admin.get(reverse(f"admin:chains_{model}_changelist")).status_code == 200
    for model, key in (
        ("network", "bitcoin"),
        ("onchainasset", "BTC"),
        ("wallet", bitcoin.wallet.pk),
        ("depositaddress", transfer.deposit_address_id),
        ("transfer", transfer.pk),
        ("block", bitcoin.network.blocks.first().pk),
    ):
        assert admin.get(reverse(f"admin:chains_{model}_change", args=[key])).status_code == 200
    found = admin.get(reverse("admin:chains_transfer_changelist"), {"q": txid}).content.decode()
    assert "0.00123456 BTC" in found
    missing = admin.get(reverse("admin:chains_transfer_changelist"), {"q": "ab" * 32}).content.decode()
    assert "0.00123456 BTC" not in missing


@pytest.mark.parametrize("model", ["transfer", "block", "depositaddress"])
def test_what_the_watcher_writes_cannot_be_added_or_changed_by_hand(admin: Client, model: str) -> None:
    assert admin.get(reverse(f"admin:chains_{model}_add")).status_code == 403


def test_a_stranger_sees_nothing(client: Client, db: None) -> None:
    answer = client.get(reverse("admin:chains_wallet_changelist"))
    assert answer.status_code == 302
