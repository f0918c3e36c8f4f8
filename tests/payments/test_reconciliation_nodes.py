"""A run against real nodes: payments found by the watcher, coins that nobody saw, coins that left, and a node that goes away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chains import coin_checks, readers, wallets
from chains.evm.flush import call_for
from chains.models import DepositAddress, OnChainAsset
from compliance.models import AdmittedAsset
from devnet import evm_forwarder
from devnet.anvil import AnvilProcess
from devnet.bitcoin_node import BitcoinNodeProcess
from devnet.bitcoin_wallet import BitcoinWallet
from devnet.evm_token import TOKEN_ADDRESS, deploy_token, mint_token
from devnet.evm_wallet import EvmWallet
from merchants.models import Store, User
from payments import deadlines, matching, observations
from payments.models import Difference, Invoice, PlaceBalance, ReconciliationRun
from payments.reconciliation import run
from settlements import ledger
from tests import world as city
from tests.chains import forwarding
from tests.chains.conftest import Watched, make_bitcoin_network, make_evm_network

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _forget_readers() -> Iterator[None]:
    yield
    for slug in ("bitcoin", "evm"):
        readers.forget(slug)
        coin_checks.forget(slug)


def store(codes: list[str]) -> Store:
    """A store that takes ``codes``, priced now."""
    now = timezone.now()
    for code in codes:
        AdmittedAsset.objects.create(asset_code=code, admitted_from=now - timedelta(days=1), created_at=now)
    observations.fetch_all(now=now)
    admin = User.objects.create_superuser("admin@city.example", "city-admin-password")
    merchant, _owner = city.build_merchant(admin, business_id=city.BUSINESS_IDS[0], now=now)
    return city.build_store(merchant, now=now, accepted_assets=codes)


def settle(watched: Watched) -> None:
    """Everything that the chain shows by now is matched and decided."""
    watched.catch_up()
    matching.match_pending(now=timezone.now())
    deadlines.confirm(watched.slug, now=timezone.now())


def reconcile() -> dict[str, str]:
    """Make a run; each scope with why it was not compared."""
    row = ReconciliationRun.objects.create(requested_at=timezone.now())
    assert run.perform(row, now=timezone.now())
    return dict(row.comparisons.values_list("scope", "not_compared_reason"))


def standing() -> list[tuple[str, str, int | None, int | None]]:
    rows = Difference.objects.filter(resolved_at__isnull=True).order_by("kind", "asset_code")
    return [(row.kind, row.subject, row.left_minor, row.right_minor) for row in rows]


def address(invoice: Invoice, code: str) -> DepositAddress:
    return invoice.quotes.get(asset_id=code).deposit_address


def test_a_bitcoin_wallet_from_its_first_payment_to_coins_that_nobody_saw(
    bitcoin_node: BitcoinNodeProcess, settings: Any
) -> None:
    resident = BitcoinWallet(bitcoin_node.rpc)
    resident.fund()
    watched = make_bitcoin_network(bitcoin_node, settings)
    watched.catch_up()
    shop = store(["BTC"])
    invoice = city.make_invoice(shop, now=timezone.now())
    due = invoice.quotes.get().amount_minor
    resident.pay(address(invoice, "BTC").address, due)
    resident.mine(6)
    settle(watched)
    invoice.refresh_from_db()
    assert invoice.status == "Settled"
    # One that is booked at its first confirmation, above the height that is compared.
    quick = city.make_invoice(shop, now=timezone.now())
    resident.pay(address(quick, "BTC").address, due)
    resident.mine(2)
    settle(watched)
    assert reconcile() == {"ledger": "", "ledger:payouts": "", "payouts": "", "chain:bitcoin": ""}
    assert standing() == []
    place = PlaceBalance.objects.get()
    assert (place.deposits_minor, place.ledger_minor, place.not_buried_minor) == (due, 2 * due, due)
    assert ledger.total_minor("reserve", place.asset.asset) == 2 * due

    # Coins at an address of the wallet that was never given out, so that no watcher looks there.
    unused = wallets.derive(watched.network, watched.wallet.public_key, watched.wallet.next_index + 10)
    resident.pay(unused.address, 70_000)
    resident.mine(6)
    settle(watched)
    reconcile()
    subject = f"wallet:{watched.wallet.pk}"
    assert standing() == [("place_balance", subject, 2 * due, 2 * due + 70_000)]

    # A node that does not answer says nothing: neither that all is well, nor anything new.
    since = Difference.objects.get().last_seen_at
    settings.NODE_URLS = {"bitcoin": ["http://127.0.0.1:9"]}
    assert "127.0.0.1:9" in reconcile()["chain:bitcoin"]
    assert standing() == [("place_balance", subject, 2 * due, 2 * due + 70_000)]
    assert Difference.objects.get().last_seen_at == since


def test_a_forwarder_wallet_emptied_into_its_treasury_and_robbed(anvil: AnvilProcess, settings: Any) -> None:
    deploy_token(anvil.rpc)
    resident = EvmWallet(anvil.rpc)
    mint_token(anvil.rpc, resident.address, 10**12)
    watched = make_evm_network(anvil, settings)
    contracts = evm_forwarder.deploy(anvil.rpc, os.urandom(20))
    watched.wallet = wallets.import_wallet(
        network=watched.network, label="treasury", owner="", public_key=str(contracts), now=timezone.now()
    )
    watched.catch_up()
    shop = store(["ETH", "USDT"])
    paid = {}
    for code in ("ETH", "USDT"):
        invoice = city.make_invoice(shop, now=timezone.now())
        quote = invoice.quotes.get(asset_id=code)
        if code == "ETH":
            resident.pay_coin(quote.deposit_address.address, quote.amount_minor)
        else:
            resident.pay_token(TOKEN_ADDRESS, quote.deposit_address.address, quote.amount_minor)
        paid[code] = quote
    anvil.rpc("anvil_mine", "0x8")
    settle(watched)
    assert reconcile() == {"ledger": "", "ledger:payouts": "", "payouts": "", "chain:evm": ""}
    assert standing() == []
    assert {
        row.asset_id: (row.deposits_minor, row.elsewhere_minor) for row in PlaceBalance.objects.all()
    } == {code: (quote.amount_minor, 0) for code, quote in paid.items()}

    emptied = [DepositAddress.objects.get(pk=quote.deposit_address_id) for quote in paid.values()]
    tokens = list(OnChainAsset.objects.filter(contract__isnull=False))
    forwarding.send(anvil, call_for(watched.wallet, emptied, tokens).json())
    anvil.rpc("anvil_mine", "0x8")
    settle(watched)
    reconcile()
    assert standing() == []
    latest = PlaceBalance.objects.filter(run=ReconciliationRun.objects.first())
    assert {row.asset_id: (row.deposits_minor, row.elsewhere_minor) for row in latest} == {
        code: (0, quote.amount_minor) for code, quote in paid.items()
    }

    # The treasury loses a wei that no entry tells of.
    treasury = forwarding.text(contracts.treasury)
    wei = paid["ETH"].amount_minor
    anvil.rpc("anvil_setBalance", treasury, hex(wei - 1))
    anvil.rpc("anvil_mine", "0x8")
    settle(watched)
    reconcile()
    assert standing() == [("place_balance", f"wallet:{watched.wallet.pk}", wei, wei - 1)]
    anvil.rpc("anvil_setBalance", treasury, hex(wei))
    anvil.rpc("anvil_mine", "0x8")
    settle(watched)
    reconcile()
    assert standing() == []
