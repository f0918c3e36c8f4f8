"""The network's fee of a chain transaction that paid refunds: posted once for all of them, taken back with them."""

from __future__ import annotations

import logging
from datetime import datetime
from fractions import Fraction

from django.db import transaction

from alatau_pay.money import divide_half_up
from chains.models import OnChainAsset
from payments import observations, refund_rows
from payments.models import Refund, RefundNetworkFee, RefundStatus
from payments.quoting import RateUnavailable
from settlements import ledger
from settlements.entries import network_fee_paid

logger = logging.getLogger(__name__)

TIYN_PER_TENGE = 100


def post_due(*, now: datetime) -> int:
    """Post the fees of completed refunds that are known and not posted yet, at the coin's value of now. Returns how many.

    Without a price it waits for one.
    """
    waiting = Refund.objects.filter(
        status=RefundStatus.COMPLETED, network_fee__isnull=True, outgoing__fee_minor__gt=0
    )
    posted = 0
    for refund in waiting.select_related("outgoing__network").order_by("id"):
        coin = OnChainAsset.objects.filter(network=refund.payment.transfer.network, contract=None).first()
        if coin is None:
            continue  # the books know no such coin: nobody admitted it
        try:
            tenge = observations.prices({coin.symbol}, now=now)[coin.symbol].tenge
        except RateUnavailable:
            continue
        rate = Fraction(tenge) * TIYN_PER_TENGE / coin.asset.minor_per_unit
        posted += _post(refund.pk, coin, rate, now=now)
    return posted


def take_back(refund: Refund, *, now: datetime) -> None:
    """The chain took away what paid ``refund``: the fee posted for it was not paid after all. Its rows are locked."""
    outgoing = refund.outgoing
    if outgoing is None:
        return
    for fee in RefundNetworkFee.objects.select_for_update(of=("self",)).filter(
        network=outgoing.network_id, txid=outgoing.txid, reversed_at__isnull=True
    ):
        ledger.reverse(fee.ledger_entry, idempotency_key=f"network-fee:{fee.pk}:reversed", now=now)
        fee.reversed_at = now
        fee.save(update_fields=["reversed_at"])
        fee.refunds.update(network_fee=None)


@transaction.atomic
def _post(refund_id: int, coin: OnChainAsset, rate: Fraction, *, now: datetime) -> int:
    refund = (
        Refund.objects.select_for_update(of=("self",))
        .select_related("outgoing", "payment__transfer__deposit_address")
        .get(pk=refund_id)
    )
    outgoing = refund.outgoing
    if outgoing is None or refund.status != RefundStatus.COMPLETED or refund.network_fee_id is not None:
        return 0
    assert outgoing.fee_minor  # asked for above, and a fee once known does not change
    standing = RefundNetworkFee.objects.filter(
        network=outgoing.network_id, txid=outgoing.txid, reversed_at__isnull=True
    ).first()
    fee = standing or _write(refund, coin, rate, now=now)
    refund.network_fee = fee
    refund.save(update_fields=["network_fee"])
    return 0 if standing else 1


def _write(refund: Refund, coin: OnChainAsset, rate: Fraction, *, now: datetime) -> RefundNetworkFee:
    outgoing = refund.outgoing
    assert outgoing is not None and outgoing.fee_minor is not None
    value = outgoing.fee_minor * rate
    value_tiyn = divide_half_up(value.numerator, value.denominator)
    earlier = RefundNetworkFee.objects.filter(network=outgoing.network_id, txid=outgoing.txid).count()
    entry = ledger.post(
        network_fee_paid(
            coin=coin.asset,
            wallet=refund_rows.wallet_of(refund),
            fee_minor=outgoing.fee_minor,
            value_tiyn=value_tiyn,
        ),
        # A fee that comes back after a reorganisation is another entry; of two writers at once one finds the key taken.
        idempotency_key=f"network-fee:{outgoing.network_id}:{bytes(outgoing.txid).hex()}:{earlier + 1}",
        reference=refund.reference,
        now=now,
    )
    return RefundNetworkFee.objects.create(
        network_id=outgoing.network_id,
        txid=bytes(outgoing.txid),
        coin=coin,
        fee_minor=outgoing.fee_minor,
        value_tiyn=value_tiyn,
        ledger_entry=entry,
        posted_at=now,
    )
