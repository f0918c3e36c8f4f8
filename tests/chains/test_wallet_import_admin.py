"""Importing a wallet in the admin: its key is used only once its first addresses were found in the wallet itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chains import addresses, wallets
from chains.models import Network, Transfer, Wallet
from merchants.models import User
from tests.chains.conftest import new_account_key

SEED = "abandon " * 11 + "about"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    client.force_login(
        User.objects.create_superuser("admin@alatau.city", "a long password"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return client


@pytest.fixture
def network(db: None) -> Network:
    return Network.objects.create(
        slug="bitcoin", name="Bitcoin", kind="bitcoin", bitcoin_chain="regtest", anchor_hash_hex="00" * 32
    )


def offer(admin: Client, network: Network, key: str, **more: str) -> Any:
    data = {"network": network.pk, "label": "till", "public_key": key, **more}
    return admin.post(reverse("admin:chains_wallet_add"), data)


def form_on(page: Any) -> dict[str, str]:
    """What the page's button sends, but for the token against forgery."""
    return {
        name: value
        for name, value in HIDDEN.findall(page.content.decode())
        if name[0] != "c" or name == "confirmed"
    }


def test_the_first_page_asks_for_a_public_key_and_nothing_else(admin: Client, network: Network) -> None:
    page = admin.get(reverse("admin:chains_wallet_add")).content.decode()
    assert 'name="public_key"' in page
    assert 'name="confirmed"' not in page


def test_a_wallet_is_used_only_after_its_addresses_were_confirmed(admin: Client, network: Network) -> None:
    key = new_account_key("regtest")
    shown = offer(admin, network, key)
    assert shown.status_code == 200
    assert not Wallet.objects.exists()
    for address in wallets.preview(network, key):
        assert f"<code>{address}</code>" in shown.content.decode()
    assert admin.post(reverse("admin:chains_wallet_add"), form_on(shown)).status_code == 302
    wallet = Wallet.objects.get()
    assert (wallet.label, wallet.owner, wallet.active) == ("till", "", True)
    assert wallet.public_key == wallets.normalise(network, key)


def test_what_was_confirmed_is_this_key_and_no_other(admin: Client, network: Network) -> None:
    confirmed = form_on(offer(admin, network, new_account_key("regtest")))
    other = new_account_key("regtest")
    answer = admin.post(reverse("admin:chains_wallet_add"), {**confirmed, "public_key": other})
    assert answer.status_code == 200
    assert wallets.preview(network, other)[0] in answer.content.decode()
    assert not Wallet.objects.exists()


@pytest.mark.parametrize("confirmed", ["on", "1", "true", " ", "bcrt1q"])
def test_a_tick_confirms_nothing(admin: Client, network: Network, confirmed: str) -> None:
    assert offer(admin, network, new_account_key("regtest"), confirmed=confirmed).status_code == 200
    assert not Wallet.objects.exists()


def test_the_page_names_the_wallet_that_retires(admin: Client, network: Network) -> None:
    wallets.import_wallet(
        network=network, label="old till", owner="", public_key=new_account_key("regtest"), now=timezone.now()
    )
    assert "old till" in offer(admin, network, new_account_key("regtest")).content.decode()


@pytest.mark.parametrize("text", [SEED, "07" * 32])
def test_a_private_key_or_seed_is_refused_and_not_sent_back(
    admin: Client, network: Network, text: str
) -> None:
    answer = offer(admin, network, text, confirmed="on")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "never paste one" in page
    assert text.strip() not in page
    assert not Wallet.objects.exists()


def test_who_may_not_add_a_wallet_sees_no_addresses_either(client: Client, network: Network) -> None:
    looker = User.objects.create_user("looker@alatau.city", "a long password")
    looker.is_staff = True
    looker.save()
    client.force_login(looker, backend="django.contrib.auth.backends.ModelBackend")
    assert offer(client, network, new_account_key("regtest")).status_code == 403
    client.logout()
    assert offer(client, network, new_account_key("regtest")).status_code == 302


def imported(network: Network) -> Wallet:
    return wallets.import_wallet(
        network=network, label="till", owner="", public_key=new_account_key("regtest"), now=timezone.now()
    )


def give_out(wallet: Wallet, count: int, *, paid: set[int]) -> None:
    asset = wallet.network.assets.create(
        code="BTC", symbol="BTC", name="Bitcoin", decimals=8, quote_decimals=8
    )
    for number in range(count):
        address = addresses.allocate(wallet=wallet, purpose=str(number), now=timezone.now())
        if number in paid:
            Transfer.objects.create(
                network=wallet.network,
                txid=number.to_bytes(32, "big"),
                index=0,
                asset=asset,
                deposit_address=address,
                amount_minor=1,
                state="Seen",
                seen_at=timezone.now(),
                received_at=timezone.now(),
            )
    wallet.refresh_from_db()


GAPS = {
    "nothing given out": (0, set(), 1),
    "the first address paid": (1, {0}, 1),
    "one given out, not paid": (1, set(), 1),
    "one unpaid before a paid one": (2, {1}, 2),
    "unpaid ones in the middle": (10, {1, 5, 9}, 4),
    "unpaid ones at the end, the last of which may still be paid": (30, {0, 1}, 28),
}


@pytest.mark.parametrize(("count", "paid", "expected"), GAPS.values(), ids=GAPS.keys())
def test_the_gap_limit_reaches_every_paid_address_and_the_last_given_out(
    network: Network, count: int, paid: set[int], expected: int
) -> None:
    wallet = imported(network)
    give_out(wallet, count, paid=paid)
    assert wallets.gap_limit_min(wallet) == expected


def test_the_wallets_page_says_how_far_a_restored_wallet_must_look(admin: Client, network: Network) -> None:
    wallet = imported(network)
    address = reverse("admin:chains_wallet_change", args=[wallet.pk])
    page = admin.get(address).content.decode()
    assert "The usual gap limit of 20 is enough" in page
    give_out(wallet, 40, paid={3, 31})
    page = admin.get(address).content.decode()
    shown = re.findall(r'<div class="readonly">(.*?)</div>', page)
    assert "39" in shown
    assert "31" in shown
    assert "Set its gap limit to at least 28" in page
    for first in wallets.preview(network, wallet.public_key):
        assert first in page
