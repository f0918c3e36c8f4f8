"""The admin of forwarder wallets: imported only after a look at the chain, emptied by a call that the page prepares."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import reverse

from chains.evm.forwarder import Forwarder
from chains.models import Wallet
from devnet.anvil import CHAIN_ID, AnvilProcess
from devnet.evm_token import TOKEN_ADDRESS, token_balance
from devnet.evm_wallet import EvmWallet
from merchants.models import User
from tests.chains.conftest import Watched
from tests.chains.forwarding import (
    FACTORY_REFUSES_THREE,
    FACTORY_REVERTS,
    pay_both,
    replace_factory,
    send,
    text,
)

Mine = Callable[..., None]


@pytest.fixture
def officer(evm: Watched) -> Client:
    """A city admin's browser."""
    admin = User.objects.create_superuser(email="admin@alatau.example", password="a long one")
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return client


def add(officer: Client, public_key: str) -> Any:
    """Paste the key; where its addresses are shown, confirm exactly those."""
    form = {"network": "evm", "label": "new", "public_key": public_key}
    shown = officer.post(reverse("admin:chains_wallet_add"), form)
    if shown.context is None or "network" not in shown.context:
        return shown
    confirmed = shown.context["form"].confirmation
    return officer.post(reverse("admin:chains_wallet_add"), form | {"confirmed": confirmed})


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
    officer: Client,
    forwarded: Watched,
    evm_resident: EvmWallet,
    anvil: AnvilProcess,
    mine: Mine,
    contracts: Forwarder,
) -> None:
    addresses = pay_both(forwarded, evm_resident, ["invoice 1", "invoice 2"])
    mine()
    forwarded.catch_up()
    wallet_page = officer.get(
        reverse("admin:chains_wallet_change", args=[forwarded.wallet.pk])
    ).content.decode()
    url = reverse("admin:chains_wallet_emptying", args=[forwarded.wallet.pk])
    assert f'href="{url}"' in wallet_page
    answer = officer.get(url)
    page = answer.content.decode()
    call = answer.context["call"]
    assert all(address.address in page for address in addresses)
    assert text(contracts.treasury) in page
    assert "It empties 2 addresses" in page
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


def test_the_emptying_page_says_when_no_node_answers(
    officer: Client, forwarded: Watched, settings: Any
) -> None:
    settings.NODE_URLS = {"evm": ["http://someone:secret@127.0.0.1:1"]}
    answer = officer.get(reverse("admin:chains_wallet_emptying", args=[forwarded.wallet.pk]))
    assert answer.status_code == 200
    assert "127.0.0.1:1: ConnectError" in answer.content.decode()
    assert "secret" not in answer.content.decode()


def test_emptying_is_for_admins_and_for_forwarder_wallets(
    officer: Client, forwarded: Watched, client: Client
) -> None:
    hd = Wallet.objects.get(active=False)
    assert officer.get(reverse("admin:chains_wallet_emptying", args=[hd.pk])).status_code == 404
    assert "emptying" not in officer.get(reverse("admin:chains_wallet_change", args=[hd.pk])).content.decode()
    for name in ("emptying", "emptying_file"):
        url = reverse(f"admin:chains_wallet_{name}", args=[forwarded.wallet.pk])
        assert client.get(url).status_code == 302
        staff = User.objects.create_user(email=f"{name}@alatau.example", password="a long one", is_staff=True)
        client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
        assert client.get(url).status_code == 403
        client.logout()
    assert officer.get(f"{url}?index=77").status_code == 404
    assert officer.get(f"{url}?index=x&index=-1").status_code == 404


def test_what_is_too_much_for_one_call_is_held_back_for_the_next(
    officer: Client,
    forwarded: Watched,
    evm_resident: EvmWallet,
    anvil: AnvilProcess,
    contracts: Forwarder,
    mine: Mine,
) -> None:
    for purpose in ("a", "b", "c"):
        evm_resident.pay_coin(forwarded.address(purpose).address, 5)
    mine()
    forwarded.catch_up()
    replace_factory(anvil, contracts, FACTORY_REFUSES_THREE)
    answer = officer.get(reverse("admin:chains_wallet_emptying", args=[forwarded.wallet.pk]))
    assert (answer.context["count"], answer.context["left"]) == (1, 2)
    assert "Held back for the next call: 2" in answer.content.decode()
    replace_factory(anvil, contracts, FACTORY_REVERTS)
    answer = officer.get(reverse("admin:chains_wallet_emptying", args=[forwarded.wallet.pk]))
    assert "would fail" in answer.content.decode()
    assert forwarded.address("b").address in answer.content.decode()
    assert "call" not in answer.context
