"""What the transactions that pay us spend: kept, so that a rival that spends the same is recognised. Bitcoin only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from chains.models import Network, Transfer, TransferInput, TransferState
from chains.observation import Outpoint

# A node forgets a transaction that was not mined for this long (Bitcoin Core's -mempoolexpiry).
MEMPOOL_EXPIRY = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class KeptInputs:
    """Implements ``chains.bitcoin.reader.SpentByOurs`` for one network."""

    network_slug: str

    def of(self, txids: Collection[bytes]) -> dict[bytes, list[Outpoint]]:
        """What each of ``txids`` spends; one that is not known to pay us is left out."""
        rows = TransferInput.objects.filter(network=self.network_slug, txid__in=txids).order_by("id")
        return _by_txid(rows)

    def that_blocks_may_spend(self, first_height: int) -> dict[Outpoint, set[bytes]]:
        """Outpoint → the txids of transfers of ours that would spend it and are not mined below ``first_height``.

        Of those that are gone, only such as left without a known reason, and not so long ago that nobody has them any more.
        """
        recently = timezone.now() - MEMPOOL_EXPIRY
        gone = Q(state=TransferState.GONE, replaced_by__isnull=True, seen_at__gt=recently)
        mined = Q(state=TransferState.MINED, block_height__gte=first_height)
        transfers = Transfer.objects.filter(
            gone | mined | Q(state=TransferState.SEEN), network=self.network_slug
        )
        rows = TransferInput.objects.filter(network=self.network_slug, txid__in=transfers.values("txid"))
        spenders: dict[Outpoint, set[bytes]] = defaultdict(set)
        for txid, outpoints in _by_txid(rows).items():
            for outpoint in outpoints:
                spenders[outpoint].add(txid)
        return spenders


def record(network: Network, inputs: Mapping[bytes, Sequence[Outpoint]]) -> None:
    """Keep what each txid spends; what is kept already stays as it is."""
    rows = [
        TransferInput(network=network, txid=txid, spent_txid=outpoint.txid, spent_index=outpoint.index)
        for txid, outpoints in inputs.items()
        for outpoint in outpoints
    ]
    if rows:
        TransferInput.objects.bulk_create(rows, ignore_conflicts=True)


def forget_mined(network: Network, *, between: tuple[int, int]) -> None:
    """Let go of what transfers spend whose blocks (first and last height) no reorganisation can reach any more."""
    mined = Transfer.objects.filter(network=network, state=TransferState.MINED, block_height__range=between)
    TransferInput.objects.filter(network=network, txid__in=mined.values("txid")).delete()


def _by_txid(rows: QuerySet[TransferInput]) -> dict[bytes, list[Outpoint]]:
    found: dict[bytes, list[Outpoint]] = defaultdict(list)
    for txid, spent_txid, spent_index in rows.values_list("txid", "spent_txid", "spent_index"):
        found[bytes(txid)].append(Outpoint(bytes(spent_txid), spent_index))
    return found
