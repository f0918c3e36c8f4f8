"""What the officer's pages of refunds show, row by row."""

from __future__ import annotations

from typing import Any

from alatau_pay.money import format_minor
from chains.models import NetworkKind, OutgoingTransfer, TransferState
from payments import refund_sending, refund_watching, refundable
from payments.models import Refund, RefundBatch


def by_network() -> list[dict[str, Any]]:
    """What waits to be sent, one group a network."""
    groups: dict[str, dict[str, Any]] = {}
    for refund in refund_sending.to_be_sent():
        network = refund.asset.network
        group = groups.setdefault(
            network.pk,
            {"network": network, "is_bitcoin": network.kind == NetworkKind.BITCOIN, "rows": []},
        )
        group["rows"].append(
            {"refund": refund, "amount": amount(refund), "buried": refundable.is_buried(refund.payment)}
        )
    return [groups[slug] for slug in sorted(groups)]


def of_batch(batch: RefundBatch) -> dict[str, Any]:
    """A batch, its refunds, and what may still be done with it."""
    rows = batch.refunds.select_related("payment__transfer__asset", "destination").order_by("pk")
    return {
        "batch": batch,
        "refunds": [
            {
                "number": refund.pk,
                "address": refund.destination,
                "amount": amount(refund),
                "seen": refund.outgoing_id is not None,
                "lost": refund.payment.transfer.state != TransferState.MINED,
            }
            for refund in rows
        ],
        "txid": bytes(batch.txid).hex() if batch.txid else "",
        "open": refund_sending.open_batches().filter(pk=batch.pk).exists(),
        "discardable": refund_sending.is_discardable(batch),
    }


def of_unexplained(row: OutgoingTransfer) -> dict[str, Any]:
    """A transfer of nobody's, and the refunds that wait for money at its address."""
    candidates = Refund.objects.filter(
        status__in=refund_watching.OPEN,
        outgoing__isnull=True,
        destination=row.destination,
        payment__transfer__asset=row.asset,
    ).select_related("payment__transfer__asset", "payment__invoice__store")
    asset = row.asset
    return {
        "row": row,
        "amount": f"{format_minor(row.amount_minor, asset.decimals, trim=True)} {asset.code}",
        "candidates": [
            {"refund": refund, "amount": amount(refund), "fits": refund.amount_minor == row.amount_minor}
            for refund in candidates
        ],
    }


def amount(refund: Refund) -> str:
    """With its unit, as "0.5 BTC"."""
    asset = refund.asset
    return f"{format_minor(refund.amount_minor, asset.decimals, trim=True)} {asset.code}"
