"""What left the operator's wallets where the books and the chain do not agree yet whether it did: refunds and their fees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Q, QuerySet

from chains.models import Network, OnChainAsset, TransferState
from payments.models import Refund

# (wallet number, asset code) → smallest units.
Amounts = dict[tuple[int, str], int]


def not_booked(network: Network, height: int) -> Amounts:
    """Left on the chain by ``height``, and not posted as sent; fees among it as far as a node told them."""
    gone = _by(height)
    refunds = _of(network).filter(gone, sent_entry__isnull=True)
    without_fee = _of(network).filter(gone, network_fee__isnull=True, outgoing__fee_minor__gt=0)
    return _sum(network, refunds, _fees(without_fee))


def not_buried(network: Network, height: int) -> Amounts:
    """Posted as sent, and on the chain not by ``height``."""
    refunds = _of(network).filter(sent_entry__isnull=False).exclude(_by(height))
    with_fee = _of(network).filter(network_fee__isnull=False).exclude(_by(height))
    return _sum(network, refunds, _fees(with_fee))


def _by(height: int) -> Q:
    return Q(outgoing__state=TransferState.MINED, outgoing__block_height__lte=height)


def _of(network: Network) -> QuerySet[Refund]:
    return Refund.objects.filter(outgoing__network=network).select_related(
        "outgoing", "payment__transfer__deposit_address"
    )


def _wallet(refund: Refund) -> int:
    """The wallet that the ledger says it left; see ``refund_rows.wallet_of``."""
    outgoing = refund.outgoing
    assert outgoing is not None  # asked for
    return outgoing.wallet_id or refund.payment.transfer.deposit_address.wallet_id


def _fees(refunds: Iterable[Refund]) -> list[tuple[int, int]]:
    """(wallet number, fee) of each chain transaction among the refunds' own, once however many refunds it paid."""
    by_txid: dict[bytes, tuple[int, int]] = {}
    for refund in refunds:
        outgoing = refund.outgoing
        assert outgoing is not None  # asked for
        if outgoing.fee_minor:
            by_txid.setdefault(bytes(outgoing.txid), (_wallet(refund), outgoing.fee_minor))
    return list(by_txid.values())


def _sum(network: Network, refunds: Iterable[Refund], fees: Iterable[tuple[int, int]]) -> Amounts:
    sums: defaultdict[tuple[int, str], int] = defaultdict(int)
    for refund in refunds:
        sums[_wallet(refund), refund.payment.transfer.asset_id] += refund.amount_minor
    coin = OnChainAsset.objects.filter(network=network, contract__isnull=True).first()
    if coin is not None:
        for wallet_id, fee_minor in fees:
            sums[wallet_id, coin.code] += fee_minor
    return dict(sums)
