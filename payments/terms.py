"""On which terms a new invoice can be paid: assets, prices, wallets, and the quotes that come of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chains import addresses
from chains.models import OnChainAsset, Wallet
from compliance import admission
from merchants.models import Store
from payments import observations, rate_record
from payments.invoice_request import InvoiceRequest
from payments.models import Invoice, Quote
from payments.quoting import Price, amount_due_minor


class MethodRefused(Exception):
    """A payment method was asked for that the store does not accept or the city does not admit."""


@dataclass(frozen=True, slots=True)
class Terms:
    """One asset that a new invoice can be paid with: its row, its price, and the wallet that receives it."""

    asset: OnChainAsset
    price: Price
    wallet: Wallet


def of(request: InvoiceRequest, *, store: Store, now: datetime) -> list[Terms]:
    """The terms of a request, in the order in which the page shows them.

    Raises:
        MethodRefused, compliance.admission.NotAdmitted, payments.quoting.RateUnavailable.
    """
    codes = _asset_codes(request, store)
    codes = admission.admitted_for(request.amount_tiyn, asset_codes=codes, now=now)
    assets = OnChainAsset.objects.select_related("network").filter(
        code__in=codes, network__enabled=True, network__halted_at__isnull=True
    )
    by_code = {asset.code: asset for asset in assets}
    wallets = {
        wallet.network_id: wallet
        for wallet in Wallet.objects.filter(active=True, owner="", network__in={a.network_id for a in assets})
    }
    payable = [by_code[code] for code in codes if code in by_code and by_code[code].network_id in wallets]
    if not payable:
        raise MethodRefused("no network for the accepted assets is open at the moment")
    # A symbol that the breaker stops is not offered; the others are.
    prices, stopped = observations.quotable({asset.symbol for asset in payable}, now=now)
    if not prices:
        raise next(iter(stopped.values()))
    return [
        Terms(asset, prices[asset.symbol], wallets[asset.network_id])
        for asset in payable
        if asset.symbol in prices
    ]


def _asset_codes(request: InvoiceRequest, store: Store) -> list[str]:
    if request.payment_methods is None:
        return list(store.accepted_assets)
    # Greenfield's name of a method, or the bare asset code that its 1.x clients send.
    asked = [method.removesuffix("-CHAIN") for method in request.payment_methods]
    if unknown := [code for code in asked if code not in store.accepted_assets]:
        raise MethodRefused(f"this store does not accept {', '.join(unknown)}")
    return asked


def write_quote(invoice: Invoice, term: Terms, *, position: int, now: datetime) -> Quote:
    """The quote of one term, with the invoice's deposit address on that network; in the caller's database transaction."""
    address = addresses.allocate(wallet=term.wallet, purpose=invoice.pk, now=now)
    return Quote.objects.create(
        invoice=invoice,
        asset=term.asset,
        deposit_address=address,
        amount_minor=amount_due_minor(
            invoice.amount_tiyn,
            term.price.tenge,
            decimals=term.asset.decimals,
            quote_decimals=term.asset.quote_decimals,
        ),
        rate_tenge=term.price.tenge,
        rate_sources=rate_record.write(term.price.assessment),
        position=position,
        created_at=now,
        expires_at=invoice.expires_at,
    )
