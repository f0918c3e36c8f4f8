"""A small city to test in, built by the program's own verbs: a merchant with a store, networks, wallets, prices.

Only what the chain says is written by hand (``arrive``, ``mine``, ``vanish``): that is the watcher's part, which has its own
tests on real nodes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chains import wallets
from chains.models import DepositAddress, Network, OnChainAsset, Transfer
from compliance.models import AdmittedAsset
from merchants import onboarding, stores
from merchants.models import LegalForm, Membership, Merchant, Role, Store, User
from payments import invoices, matching, observations
from payments.invoice_request import parse_request
from payments.models import Invoice, InvoiceSource

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# BIP-84's published account key (seed "abandon … about"), with the version bytes of test networks.
BITCOIN_KEY = "tpubDC8msFGeGuwnKG9Upg7DM2b4DaRqg3CUZa5g8v2SRQ6K4NSkxUgd7HsL2XVWbVm39yBA4LAxysQAm397zwQSQoQgewGiYZqrA9DsP4zbQ1M"
EVM_KEY = "xpub6BosfCnifzxcFwrSzQiqu2DBVTshkCXacvNsWGYJVVhhawA7d4R5WSWGFNbi8Aw6ZRc1brxMyWMzG3DSSSSoekkudhUd9yLb6qx39T9nMdj"
TOKEN = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
BUSINESS_IDS = ["260140900012", "260140900305", "260140900317"]


@dataclass
class World:
    """Handles to what was built."""

    admin: User
    owner: User
    merchant: Merchant
    store: Store
    bitcoin: Network
    evm: Network


def build(now: datetime = NOW) -> World:
    """One approved merchant with one store that accepts BTC, ETH and USDT on two networks, and fresh prices."""
    bitcoin, evm = build_networks(now)
    admin = User.objects.create_superuser(f"{secrets.token_hex(4)}@city.example", "city-admin-password")
    merchant, owner = build_merchant(admin, business_id=BUSINESS_IDS[0], now=now)
    observations.fetch_all(now=now)
    return World(admin, owner, merchant, build_store(merchant, now=now), bitcoin, evm)


def build_networks(now: datetime) -> tuple[Network, Network]:
    """A Bitcoin and an EVM network with wallets and admitted assets, observed whole until ``now``."""
    bitcoin = Network.objects.create(
        slug="bitcoin",
        name="Bitcoin regtest",
        kind="bitcoin",
        bitcoin_chain="regtest",
        anchor_hash_hex="0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
        cursor_height=100,
        cursor_hash=bytes(32),
        observed_at=now,
    )
    evm = Network.objects.create(
        slug="evm",
        name="Local EVM",
        kind="evm",
        chain_id=31337,
        anchor_hash_hex="00" * 32,
        block_seconds=2,
        cursor_height=100,
        cursor_hash=bytes(32),
        observed_at=now,
    )
    for code, network, contract, decimals, quote_decimals in [
        ("BTC", bitcoin, None, 8, 8),
        ("ETH", evm, None, 18, 8),
        ("USDT", evm, TOKEN, 6, 4),
    ]:
        OnChainAsset.objects.create(
            code=code,
            symbol=code,
            name=code,
            network=network,
            contract=contract,
            decimals=decimals,
            quote_decimals=quote_decimals,
        )
        AdmittedAsset.objects.create(asset_code=code, admitted_from=now - timedelta(days=30), created_at=now)
    for network, key in ((bitcoin, BITCOIN_KEY), (evm, EVM_KEY)):
        wallets.import_wallet(
            network=network, label=f"{network.slug} treasury", owner="", public_key=key, now=now
        )
    return bitcoin, evm


def build_merchant(
    admin: User, *, business_id: str, now: datetime = NOW, iban: str = "KZ84722C000012345678"
) -> tuple[Merchant, User]:
    """An approved merchant and its owner."""
    owner = User.objects.create_user(f"owner-{business_id}@shop.example", "shop-owner-password")
    application = onboarding.Application(
        legal_name=f"ТОО «Достық кофе {business_id[-3:]}»",
        legal_form=LegalForm.COMPANY,
        business_id=business_id,
        address="Алатау, Достық 1",
        activity="Coffee",
        contact_name="Айгүл",
        contact_phone="+77010000000",
        iban=iban,
        bank_bic="CASPKZKA",
    )
    merchant = onboarding.apply(application, applicant=owner, now=now)
    onboarding.approve(merchant, admin=admin, now=now)
    merchant.refresh_from_db()
    return merchant, owner


def build_store(merchant: Merchant, *, now: datetime = NOW, **settings: object) -> Store:
    """A store of ``merchant`` that accepts everything."""
    values = {"name": "Достық кофе", "accepted_assets": ["BTC", "ETH", "USDT"], "language": "en", **settings}
    return stores.create_store(stores.StoreSettings(**values), merchant=merchant, now=now)  # type: ignore[arg-type]


def add_member(merchant: Merchant, role: Role, *, now: datetime = NOW) -> User:
    """A colleague with ``role``."""
    user = User.objects.create_user(
        f"{role.lower()}-{secrets.token_hex(4)}@shop.example", "shop-member-password"
    )
    Membership.objects.create(user=user, merchant=merchant, role=role, created_at=now)
    return user


def make_invoice(store: Store, amount: str = "12500.00", *, now: datetime = NOW, **data: object) -> Invoice:
    """An invoice as the API would make it."""
    request = parse_request({"amount": amount, **data})
    return invoices.create(request, store=store, source=InvoiceSource.API, now=now)


def arrive(
    invoice: Invoice,
    code: str = "BTC",
    *,
    amount_minor: int | None = None,
    at: datetime = NOW,
    txid: bytes | None = None,
    height: int | None = None,
) -> Transfer:
    """A transfer to the invoice's address as the watcher records it (the quoted amount unless told), not yet matched."""
    quote = invoice.quotes.get(asset_id=code)
    return Transfer.objects.create(
        network=quote.asset.network,
        txid=txid or secrets.token_bytes(32),
        index=0,
        asset=quote.asset,
        deposit_address=DepositAddress.objects.get(pk=quote.deposit_address_id),
        amount_minor=quote.amount_minor if amount_minor is None else amount_minor,
        state="Seen" if height is None else "Mined",
        block_height=height,
        block_hash=None if height is None else bytes(32),
        seen_at=at,
        received_at=at,
    )


def pay(
    invoice: Invoice, code: str = "BTC", *, at: datetime = NOW, confirmed: bool = True, **how: object
) -> Transfer:
    """``arrive``, in the cursor's block when ``confirmed``, and matched."""
    transfer = arrive(invoice, code, at=at, height=100 if confirmed else None, **how)  # type: ignore[arg-type]
    matching.match_pending(now=at)
    return transfer


def mine(transfer: Transfer, *, height: int = 100) -> None:
    """The transfer is in a block of the followed chain."""
    _change(transfer, state="Mined", state_reason="", block_height=height, block_hash=bytes(32))


def vanish(transfer: Transfer, reason: str = "replaced or double-spent") -> None:
    """The transfer is neither in a block nor in the mempool any more."""
    _change(transfer, state="Gone", state_reason=reason, block_height=None, block_hash=None)


def unmine(transfer: Transfer) -> None:
    """A reorganisation put the transfer back into the mempool."""
    _change(transfer, state="Seen", block_height=None, block_hash=None)


def _change(transfer: Transfer, **fields: object) -> None:
    Transfer.objects.filter(pk=transfer.pk).update(pending_match=True, **fields)
