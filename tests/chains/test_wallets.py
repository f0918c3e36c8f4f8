"""Importing a wallet's public key, and giving out its addresses."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from chains import addresses, wallets
from chains.derivation import derive_bitcoin
from chains.key_guard import KeyRefused
from chains.models import DepositAddress, Network, Transfer, Wallet
from tests.chains.conftest import new_account_key


@pytest.fixture
def network(db: None) -> Network:
    return Network.objects.create(
        slug="bitcoin", name="Bitcoin", kind="bitcoin", bitcoin_chain="regtest", anchor_hash_hex="00" * 32
    )


def imported(network: Network, *, owner: str = "", key: str = "") -> Wallet:
    return wallets.import_wallet(
        network=network,
        label="till",
        owner=owner,
        public_key=key or new_account_key("regtest"),
        now=timezone.now(),
    )


def test_addresses_follow_the_key_without_gaps_and_one_purpose_has_one(network: Network) -> None:
    wallet = imported(network)
    given = [
        addresses.allocate(wallet=wallet, purpose=f"invoice {n % 3}", now=timezone.now()) for n in range(6)
    ]
    assert [address.derivation_index for address in given] == [0, 1, 2, 0, 1, 2]
    assert [address.pk for address in given[:3]] == [address.pk for address in given[3:]]
    wallet.refresh_from_db()
    assert wallet.next_index == 3
    expected = [derive_bitcoin(wallet.public_key, index, "regtest") for index in range(3)]
    assert [(address.address, bytes(address.key)) for address in given[:3]] == [
        (derived.address, derived.key) for derived in expected
    ]


def test_an_address_of_a_rolled_back_invoice_is_not_skipped(network: Network) -> None:
    wallet = imported(network)
    with pytest.raises(RuntimeError), transaction.atomic():
        addresses.allocate(wallet=wallet, purpose="never made", now=timezone.now())
        raise RuntimeError
    assert addresses.allocate(wallet=wallet, purpose="made", now=timezone.now()).derivation_index == 0


def test_an_address_without_a_purpose_is_refused(network: Network) -> None:
    with pytest.raises(ValueError, match="purpose"):
        addresses.allocate(wallet=imported(network), purpose="", now=timezone.now())
    assert not DepositAddress.objects.exists()


def test_the_first_three_addresses_are_shown_before_the_key_is_used(network: Network) -> None:
    key = new_account_key("regtest")
    shown = wallets.preview(network, key)
    wallet = imported(network, key=key)
    given = [addresses.allocate(wallet=wallet, purpose=str(n), now=timezone.now()).address for n in range(3)]
    assert shown == given


def test_a_new_wallet_retires_the_one_before_and_keeps_its_addresses(network: Network) -> None:
    first = imported(network)
    address = addresses.allocate(wallet=first, purpose="invoice 1", now=timezone.now())
    second = imported(network)
    first.refresh_from_db()
    assert (first.active, second.active) == (False, True)
    again = addresses.allocate(wallet=second, purpose="invoice 1", now=timezone.now())
    assert again == address


def test_the_same_key_again_goes_on_counting(network: Network) -> None:
    key = new_account_key("regtest")
    wallet = imported(network, key=key)
    addresses.allocate(wallet=wallet, purpose="invoice 1", now=timezone.now())
    imported(network)
    again = imported(network, key=f"wpkh({key}/0/*)")
    assert (again.pk, again.active, again.next_index) == (wallet.pk, True, 1)
    assert Wallet.objects.filter(active=True).count() == 1


def test_a_key_of_another_owner_is_refused_and_their_wallet_is_left_alone(network: Network) -> None:
    key = new_account_key("regtest")
    theirs = imported(network, owner="store 1", key=key)
    with pytest.raises(KeyRefused, match="cannot be used here"):
        imported(network, owner="store 2", key=key)
    theirs.refresh_from_db()
    assert theirs.active
    assert Wallet.objects.count() == 1


def test_owners_have_a_wallet_each(network: Network) -> None:
    imported(network, owner="store 1")
    imported(network, owner="store 2")
    assert Wallet.objects.filter(active=True).count() == 2


@pytest.mark.parametrize("text", ["legal " * 12, "07" * 32, new_account_key("main")])
def test_what_may_not_be_imported_writes_nothing_and_retires_nothing(network: Network, text: str) -> None:
    before = imported(network)
    with pytest.raises(KeyRefused):
        imported(network, key=text)
    before.refresh_from_db()
    assert before.active
    assert Wallet.objects.count() == 1


def test_the_highest_index_that_received_money_is_known(network: Network) -> None:
    wallet = imported(network)
    assert wallets.highest_used_index(wallet) is None
    asset = network.assets.create(code="BTC", symbol="BTC", name="Bitcoin", decimals=8, quote_decimals=8)
    given = [addresses.allocate(wallet=wallet, purpose=str(n), now=timezone.now()) for n in range(5)]
    Transfer.objects.create(
        network=network,
        txid=b"x" * 32,
        index=0,
        asset=asset,
        deposit_address=given[3],
        amount_minor=1,
        state="Seen",
        seen_at=timezone.now(),
        received_at=timezone.now(),
    )
    assert wallets.highest_used_index(wallet) == 3


@pytest.mark.django_db(transaction=True)
def test_addresses_given_out_at_once_are_all_different_and_leave_no_gap(transactional_db: None) -> None:
    network = Network.objects.create(
        slug="bitcoin", name="Bitcoin", kind="bitcoin", bitcoin_chain="regtest", anchor_hash_hex="00" * 32
    )
    wallet = imported(network)
    together = threading.Barrier(4)

    def allocate(worker: int) -> list[tuple[str, int]]:
        together.wait()
        try:
            return [
                (address.purpose, address.derivation_index)
                for address in (
                    addresses.allocate(wallet=wallet, purpose=f"invoice {n}", now=timezone.now())
                    for n in range(worker, 12)
                )
            ]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        given = {pair for pairs in pool.map(allocate, range(4)) for pair in pairs}
    # Four workers asked for overlapping purposes: twelve purposes, twelve indexes, each paired once.
    assert len(given) == 12
    assert sorted(index for _, index in given) == list(range(12))
