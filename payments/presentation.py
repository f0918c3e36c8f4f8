"""The public state of an invoice: what the checkout page, the till, the live server and the API's clients are shown.

Only reads, in two queries for an invoice at hand. Nothing here decides a status: ``payments.invoices`` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from alatau_pay.money import divide_up, format_minor
from chains import confirmations
from chains.models import NetworkKind, OnChainAsset
from payments import payment_uri
from payments.depth import Depth
from payments.models import Invoice, InvoiceStatus, Payment, PaymentStatus, Quote

_PHASE_OF_FINAL_STATUS = {
    InvoiceStatus.SETTLED: "paid",
    InvoiceStatus.EXPIRED: "expired",
    InvoiceStatus.INVALID: "invalid",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to pay what is still due: an asset's newest quote, and the due amount in that asset's smallest unit."""

    quote: Quote
    due_minor: int

    @property
    def asset(self) -> OnChainAsset:
        return self.quote.asset

    @property
    def address(self) -> str:
        return self.quote.deposit_address.address

    @property
    def due_text(self) -> str:
        """The due amount as a person types it into a wallet: a decimal point, no grouping, no surplus zeros."""
        return format_minor(self.due_minor, self.asset.decimals, trim=True)

    @property
    def uri(self) -> str:
        """What the QR code says: BIP21 or EIP-681, asking for the due amount."""
        return uri_for(self.quote, self.due_minor)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A payment as people are shown it: how deep it lies in its chain and how deep it has to."""

    payment: Payment
    confirmations: int
    required: int

    @property
    def amount_text(self) -> str:
        return format_minor(self.payment.amount_minor, self.asset.decimals, trim=True)

    @property
    def asset(self) -> OnChainAsset:
        return self.payment.transfer.asset

    @property
    def counts(self) -> bool:
        """Whether it pays something: it stands in its chain, and in an asset that the invoice was quoted in."""
        return self.payment.status != PaymentStatus.INVALID and self.payment.quote_id is not None

    @property
    def txid_hex(self) -> str:
        return self.payment.transfer.txid_hex

    @property
    def explorer_url(self) -> str:
        """Where the network's explorer shows the transfer; empty where the network names no explorer."""
        template = self.payment.transfer.network.explorer_txid_url
        return template.replace("{txid}", self.txid_hex) if template else ""


@dataclass(frozen=True, slots=True)
class Presentation:
    """An invoice with what can be paid now and what has arrived."""

    invoice: Invoice
    phase: str
    due_tiyn: int
    seconds_left: int
    final: bool
    offers: list[Offer]
    arrivals: list[Arrival]

    @property
    def open(self) -> bool:
        """Whether money may be sent now: an address of a closed or overdue invoice is never offered."""
        return self.phase in {"awaiting", "partial"} and self.seconds_left > 0

    @property
    def mark(self) -> str:
        """Changes exactly when a page has to be laid out anew; confirmations and seconds are filled in where they stand."""
        invoice = self.invoice
        return f"{self.phase}:{invoice.additional_status}:{self.due_tiyn}:{len(self.arrivals)}"

    @property
    def slowest(self) -> Arrival | None:
        """The payment that still needs the most confirmations, of those that count."""
        counted = [arrival for arrival in self.arrivals if arrival.counts]
        return max(counted, key=lambda arrival: arrival.required - arrival.confirmations, default=None)


def uri_for(quote: Quote, amount_minor: int) -> str:
    """The payment URI that asks ``amount_minor`` smallest units of the quote's asset to the quote's address."""
    asset, address = quote.asset, quote.deposit_address.address
    if asset.network.kind == NetworkKind.BITCOIN:
        return payment_uri.bitcoin(address, amount_minor)
    chain_id = asset.network.chain_id
    assert chain_id is not None  # the database holds it for every EVM network
    if asset.contract is None:
        return payment_uri.evm_coin(address, amount_minor, chain_id=chain_id)
    contract = "0x" + bytes(asset.contract).hex()
    return payment_uri.evm_token(address, amount_minor, chain_id=chain_id, contract=contract)


def present(invoice: Invoice, *, now: datetime) -> Presentation:
    """Everything there is to show of ``invoice`` at ``now``."""
    arrivals = _arrivals(invoice)
    phase = phase_of(invoice.status, arrivals)
    due_tiyn = _due_tiyn(invoice)
    share = paid_share(arrival.payment for arrival in arrivals)
    offers = _offers(invoice, share) if due_tiyn else []
    return Presentation(
        invoice=invoice,
        phase=phase,
        due_tiyn=due_tiyn,
        seconds_left=max(0, math.ceil((invoice.expires_at - now).total_seconds())),
        final=phase in {"paid", "invalid"} or (phase == "expired" and now >= invoice.monitoring_expires_at),
        offers=offers,
        arrivals=arrivals,
    )


def phase_of(status: str, arrivals: list[Arrival]) -> str:
    """The one word for where a payer stands: awaiting, seen, partial, confirming, paid, expired or invalid."""
    if status in _PHASE_OF_FINAL_STATUS:
        return _PHASE_OF_FINAL_STATUS[InvoiceStatus(status)]
    counted = [arrival for arrival in arrivals if arrival.counts]
    if status == InvoiceStatus.NEW:
        return "partial" if counted else "awaiting"
    return "confirming" if any(arrival.confirmations for arrival in counted) else "seen"


def paid_share(payments: Iterable[Payment]) -> Fraction:
    """The part of an invoice that ``payments`` (their quotes loaded) pay, exactly; those that do not count pay nothing."""
    shares = (
        Fraction(payment.amount_minor, payment.quote.amount_minor)
        for payment in payments
        if payment.status != PaymentStatus.INVALID and payment.quote is not None
    )
    return sum(shares, Fraction(0))


def remaining_minor(quote: Quote, share: Fraction) -> int:
    """What is left of ``quote`` when ``share`` of the invoice is paid, in the asset's smallest unit; 0 when nothing is.

    Rounded up to the decimals that the asset is quoted with: paying just this makes the invoice whole, and no more
    (``lifecycle`` takes less than one such step for rounding, not for an excess).
    """
    step = 10 ** (quote.asset.decimals - quote.asset.quote_decimals)
    return max(0, divide_up((1 - share) * quote.amount_minor, step)) * step


def status_of(invoice: Invoice, now: datetime) -> dict[str, Any]:
    """The public state as JSON: amounts in tiyn are integers, amounts of assets decimal text, times Unix seconds."""
    shown = present(invoice, now=now)
    return {
        "id": invoice.id,
        "status": invoice.status,
        "additional_status": invoice.additional_status,
        "phase": shown.phase,
        "final": shown.final,
        "mark": shown.mark,
        "amount_tiyn": invoice.amount_tiyn,
        "paid_tiyn": invoice.paid_tiyn,
        "due_tiyn": shown.due_tiyn,
        "expires_at": int(invoice.expires_at.timestamp()),
        "seconds_left": shown.seconds_left,
        "assets": [
            {"code": offer.asset.code, "due": offer.due_text, "address": offer.address, "uri": offer.uri}
            for offer in shown.offers
        ],
        "payments": [_payment_json(arrival) for arrival in shown.arrivals],
        "revision": invoice.revision,
    }


def _payment_json(arrival: Arrival) -> dict[str, Any]:
    return {
        "txid": arrival.txid_hex,
        "asset": arrival.asset.code,
        "amount": arrival.amount_text,
        "confirmations": arrival.confirmations,
        "required": arrival.required,
        "status": arrival.payment.status,
    }


def _due_tiyn(invoice: Invoice) -> int:
    # Only a New invoice may be paid: an address of a closed one must not be offered, and Processing has its money.
    if invoice.status != InvoiceStatus.NEW:
        return 0
    return max(0, invoice.amount_tiyn - invoice.paid_tiyn)


def _offers(invoice: Invoice, share: Fraction) -> list[Offer]:
    return [Offer(quote, remaining_minor(quote, share)) for quote in _newest_quotes(invoice)]


def _newest_quotes(invoice: Invoice) -> list[Quote]:
    quotes = invoice.quotes.select_related("asset__network", "deposit_address").order_by("position", "id")
    newest = {quote.asset_id: quote for quote in quotes}
    return sorted(newest.values(), key=lambda quote: quote.position)


def _arrivals(invoice: Invoice) -> list[Arrival]:
    payments = invoice.payments.select_related("quote", "transfer__network", "transfer__asset__network")
    depth = Depth(invoice)
    return [_arrival(payment, depth) for payment in payments.order_by("received_at", "id")]


def _arrival(payment: Payment, depth: Depth) -> Arrival:
    transfer = payment.transfer
    required = depth.required(transfer.network)
    # One that has its number but not yet its network's finality is shown as lacking the last.
    most = required if payment.status == PaymentStatus.SETTLED else max(required - 1, 0)
    return Arrival(payment, min(confirmations.of(transfer, transfer.network), most), required)
