"""Reading what bears on an invoice: rows of the database turned into the facts that ``lifecycle`` decides on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from alatau_pay.assets import Asset
from chains import confirmations
from chains.models import Network, Transfer, TransferState
from payments.depth import Depth
from payments.lifecycle import ACCEPTED, REFUNDED, InvoiceFact, PaymentFact
from payments.models import HeldDecision, HeldDecisionKind, Invoice, Payment, PaymentStatus


@dataclass(frozen=True, slots=True)
class Row:
    """A payment with what the chain says of it now."""

    payment: Payment
    coin: Asset
    step_minor: int
    disposal: str
    status: str
    reason: str
    confirmations: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything ``lifecycle.decide`` asks for; ``rows`` and ``payments`` go in step, in order of arrival."""

    invoice: InvoiceFact
    payments: list[PaymentFact]
    rows: list[Row]
    observed_until: datetime | None


def gather(invoice: Invoice) -> Facts:
    """The facts of ``invoice`` as they stand in this database transaction (its row is locked by the caller)."""
    disposals = _disposals(invoice)
    payments = (
        # Through the invoice, so that each payment knows this very object, with what is written to it meanwhile.
        invoice.payments.select_related("quote", "transfer__asset__network", "transfer__network").order_by(
            "received_at", "id"
        )
    )
    depth = Depth(invoice)
    rows = [_row(payment, depth, disposals.get(payment.pk, "")) for payment in payments]
    return Facts(
        invoice=invoice_fact(invoice),
        payments=[payment_fact(row, invoice) for row in rows],
        rows=rows,
        observed_until=_observed_until(invoice),
    )


def invoice_fact(invoice: Invoice) -> InvoiceFact:
    """The invoice's part of the facts."""
    return InvoiceFact(
        amount_tiyn=invoice.amount_tiyn,
        tolerance_basis_points=invoice.tolerance_basis_points,
        status=invoice.status,
        ever_settled=invoice.settled_at is not None,
        marked_status=invoice.marked_status,
        expires_at=invoice.expires_at,
        monitoring_expires_at=invoice.monitoring_expires_at,
        keeps_excess=invoice.keeps_excess,
    )


def payment_fact(row: Row, invoice: Invoice) -> PaymentFact:
    """A payment's part of the facts. One that a person accepted counts as in time."""
    payment = row.payment
    received_at = min(payment.received_at, invoice.expires_at) if payment.accepted_at else payment.received_at
    return PaymentFact(
        amount_minor=payment.amount_minor,
        quoted_minor=payment.quote.amount_minor if payment.quote else None,
        step_minor=row.step_minor,
        confirmed=row.status == PaymentStatus.SETTLED,
        valid=row.status != PaymentStatus.INVALID,
        received_at=received_at,
        disposal=row.disposal,
    )


def _disposals(invoice: Invoice) -> dict[int, str]:
    """Wholly held payments that a person disposed of, by payment. Of an excess only the held part was: it still counts."""
    decisions = HeldDecision.objects.filter(
        payment__invoice=invoice, amount_minor=F("payment__amount_minor"), reversed_at__isnull=True
    )
    names = {HeldDecisionKind.ACCEPT: ACCEPTED, HeldDecisionKind.REFUND: REFUNDED}
    return {row.payment_id: names[HeldDecisionKind(row.kind)] for row in decisions if row.kind in names}


def _row(payment: Payment, depth: Depth, disposal: str) -> Row:
    transfer = payment.transfer
    status, reason = _status(payment, transfer, depth.required(transfer.network))
    return Row(
        payment=payment,
        coin=transfer.asset.asset,
        disposal=disposal,
        step_minor=10 ** (transfer.asset.decimals - transfer.asset.quote_decimals),
        status=status,
        reason=reason,
        confirmations=confirmations.of(transfer, transfer.network),
    )


def _status(payment: Payment, transfer: Transfer, required: int) -> tuple[str, str]:
    if transfer.state == TransferState.GONE:
        return PaymentStatus.INVALID, transfer.state_reason
    # Settled stays settled while the chain holds the transfer: a block that another one of the same height replaces must not
    # undo a sale whose payment sits in both.
    was_settled = payment.status == PaymentStatus.SETTLED
    if transfer.state == TransferState.MINED:
        enough = was_settled or confirmations.enough(transfer, transfer.network, required)
        return (PaymentStatus.SETTLED if enough else PaymentStatus.PROCESSING), ""
    if required > 0:
        return PaymentStatus.PROCESSING, ""
    if was_settled or transfer.unconfirmed_risks == []:
        return PaymentStatus.SETTLED, ""
    risks = ["not looked at yet"] if transfer.unconfirmed_risks is None else transfer.unconfirmed_risks
    return PaymentStatus.PROCESSING, "waits for a block: " + ", ".join(risks)


def _observed_until(invoice: Invoice) -> datetime | None:
    """The instant up to which every network that the invoice can be paid on has been seen whole."""
    networks = Network.objects.filter(assets__in=invoice.quotes.values("asset")).distinct()
    instants = [network.observed_at for network in networks]
    known = [instant for instant in instants if instant is not None]
    return min(known) if known and len(known) == len(instants) else None
