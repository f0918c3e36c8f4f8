"""Transfer rows of one reading: found again, changed, or made. Part of the watcher's pen (``chains.recording``).

Used inside one database transaction. Every changed row is flagged for whoever matches transfers.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import F, QuerySet

from chains import transfer_inputs
from chains.identity import KnownTransfer, assign
from chains.models import DepositAddress, Network, NetworkKind, OnChainAsset, Transfer, TransferState
from chains.observation import INSIDE_INDEX, BlockHeader, Departure, FoundTransfer, Reading

logger = logging.getLogger(__name__)

DOUBLE_SPENT_REASON = "double-spent by {txid}"

# Where a token transfer's row waits while another takes its index.
_PARKED_INDEX = -(10**9)
_FIELDS = [
    "index",
    "amount_minor",
    "state",
    "state_reason",
    "replaced_by",
    "unconfirmed_risks",
    "block_height",
    "block_hash",
    "received_at",
    "pending_match",
]


class TransferRows:
    """The rows of all txids in ``reading``, locked; ``changed`` counts what was written."""

    def __init__(self, network: Network, reading: Reading, now: datetime) -> None:
        self.changed = 0
        self._network = network
        self._now = now
        found = [*reading.unmined, *(transfer for block in reading.blocks for transfer in block.transfers)]
        self._addresses = self._load_addresses({transfer.key for transfer in found})
        self._assets = {_contract(asset): asset for asset in OnChainAsset.objects.filter(network=network)}
        self._rows = self._load_rows({transfer.txid for transfer in found})

    def write_unmined(self, found: Sequence[FoundTransfer]) -> None:
        """Transfers of one txid that are in no block: Seen, unless a block already told of them."""
        for transfer, row in self._matched(found):
            if row is None:
                self._create(transfer, None)
            elif row.state == TransferState.GONE:
                _place(row, None)
                row.unconfirmed_risks = _risks(transfer)
                self._save(row)
            elif row.state == TransferState.SEEN and _tells_other_risks(transfer, row):
                row.unconfirmed_risks = _risks(transfer)
                self._save(row)

    def write_mined(self, found: Sequence[FoundTransfer], header: BlockHeader) -> None:
        """Transfers of one txid in the block of ``header``."""
        matched = self._matched(found)
        self._free_indexes(matched)
        for transfer, row in matched:
            if row is None:
                if not self._was_in_balance(transfer, header):
                    self._create(transfer, header)
            elif self._differs(row, transfer, header):
                self._mine(row, transfer, header)

    def write_gone(self, gone: Mapping[bytes, Departure]) -> None:
        """Unmined transfers that the node holds nowhere any more; what this very reading found again stays."""
        for txid, departure in gone.items():
            if txid not in self._rows:
                self._leave(txid, departure, [TransferState.SEEN])

    def write_double_spent(self, double_spent: Mapping[bytes, bytes]) -> None:
        """Unmined transfers that can never be mined: a block holds another transaction that spent their coins."""
        for txid, rival in double_spent.items():
            departure = Departure(DOUBLE_SPENT_REASON.format(txid=rival.hex()), rival)
            self._leave(txid, departure, [TransferState.SEEN, TransferState.GONE])

    def write_risks(self, risks: Mapping[bytes, Sequence[str]]) -> None:
        """What now speaks against counting an unmined transfer; a row that says so already is not touched."""
        for txid, names in risks.items():
            self.changed += (
                self._of(txid)
                .filter(state=TransferState.SEEN)
                .exclude(unconfirmed_risks=list(names))
                .update(unconfirmed_risks=list(names), pending_match=True)
            )

    def write_inputs(self, transfers: Sequence[FoundTransfer]) -> None:
        """What the transactions of ``transfers`` spend, for as long as one of them may be undone."""
        transfer_inputs.record(
            self._network,
            {
                transfer.txid: transfer.inputs
                for transfer in transfers
                # What only pays somebody else (chains.outgoing) can be judged by nobody's payment.
                if transfer.inputs and transfer.key in self._addresses
            },
        )

    def _leave(self, txid: bytes, departure: Departure, states: Sequence[str]) -> None:
        self.changed += (
            self._of(txid)
            .filter(state__in=states, replaced_by__isnull=True)
            .update(
                state=TransferState.GONE,
                state_reason=departure.reason[:200],
                replaced_by=departure.replaced_by,
                pending_match=True,
            )
        )

    def _of(self, txid: bytes) -> QuerySet[Transfer]:
        return Transfer.objects.filter(network=self._network, txid=txid)

    def _load_addresses(self, keys: set[bytes]) -> dict[bytes, DepositAddress]:
        rows = DepositAddress.objects.filter(network=self._network, key__in=keys)
        return {bytes(row.key): row for row in rows}

    def _load_rows(self, txids: set[bytes]) -> dict[bytes, list[Transfer]]:
        rows: dict[bytes, list[Transfer]] = defaultdict(list)
        # Locked in the order of their ids, as everybody does who locks several.
        queryset = Transfer.objects.filter(network=self._network, txid__in=txids).order_by("id")
        for row in queryset.select_for_update(no_key=True, of=("self",)).select_related(
            "deposit_address", "asset"
        ):
            rows[bytes(row.txid)].append(row)
        return rows

    def _matched(self, found: Sequence[FoundTransfer]) -> list[tuple[FoundTransfer, Transfer | None]]:
        recordable = [transfer for transfer in found if self._is_recordable(transfer)]
        rows = self._rows[found[0].txid]
        positions = assign([_known(row) for row in rows], recordable)
        return [
            (transfer, None if position is None else rows[position])
            for transfer, position in zip(recordable, positions, strict=True)
        ]

    def _is_recordable(self, transfer: FoundTransfer) -> bool:
        if transfer.contract in self._assets:
            return transfer.key in self._addresses
        logger.warning(
            "a coin arrived on a network that has no coin asset", extra={"network": self._network.slug}
        )
        return False

    def _was_in_balance(self, transfer: FoundTransfer, header: BlockHeader) -> bool:
        """Whether this coin is part of what an EVM address's balance told already at this or a later block.

        Such a transfer has that block's hash for its txid (``chains.coin_checks``); what explains it must not count again.
        """
        if self._network.kind != NetworkKind.EVM or transfer.contract is not None:
            return False
        told = Transfer.objects.filter(
            network=self._network,
            deposit_address=self._addresses[transfer.key],
            state=TransferState.MINED,
            index__lte=INSIDE_INDEX,
            block_height__gte=header.height,
            txid=F("block_hash"),
        )
        return transfer.txid != header.hash and told.exists()

    def _create(self, transfer: FoundTransfer, header: BlockHeader | None) -> None:
        address = self._addresses[transfer.key]
        row = Transfer(
            network=self._network,
            txid=transfer.txid,
            index=transfer.index,
            asset=self._assets[transfer.contract],
            deposit_address=address,
            amount_minor=transfer.amount_minor,
            sender=transfer.sender,
            seen_at=self._now,
            received_at=_received_at(self._now, header, address),
            unconfirmed_risks=_risks(transfer),
            is_coinbase=transfer.is_coinbase,
            pending_match=True,
        )
        _place(row, header)
        row.save(force_insert=True)
        self._rows[transfer.txid].append(row)
        self.changed += 1

    def _mine(self, row: Transfer, transfer: FoundTransfer, header: BlockHeader) -> None:
        row.index, row.amount_minor = transfer.index, transfer.amount_minor
        row.received_at = _received_at(row.received_at, header, row.deposit_address)
        _place(row, header)
        self._save(row)

    def _differs(self, row: Transfer, transfer: FoundTransfer, header: BlockHeader) -> bool:
        return not (
            row.state == TransferState.MINED
            and row.block_height == header.height
            and bytes(row.block_hash or b"") == header.hash
            and row.index == transfer.index
            # Read again, a token's amount may be the event's word alone: a node forgets the balances that limited it.
            and row.amount_minor <= transfer.amount_minor
        )

    def _free_indexes(self, matched: Sequence[tuple[FoundTransfer, Transfer | None]]) -> None:
        """Move rows of the txid out of the way that hold an index which another transfer has in this block."""
        if not matched:
            return
        owners = {transfer.index: row for transfer, row in matched}
        for number, row in enumerate(self._rows[matched[0][0].txid]):
            if row.index in owners and owners[row.index] is not row:
                row.index = _PARKED_INDEX - number
                row.save(update_fields=["index"])

    def _save(self, row: Transfer) -> None:
        row.pending_match = True
        row.save(update_fields=_FIELDS)
        self.changed += 1


def _place(row: Transfer, header: BlockHeader | None) -> None:
    """Put the row into the block of ``header``, or among the unmined."""
    row.state = TransferState.MINED if header else TransferState.SEEN
    row.state_reason, row.replaced_by = "", None
    row.block_height = header.height if header else None
    row.block_hash = header.hash if header else None


def _received_at(seen_at: datetime, header: BlockHeader | None, address: DepositAddress) -> datetime:
    """The earlier of the moment it was seen and the time its block states, but never before the address existed."""
    earliest = min(seen_at, header.time) if header else seen_at
    return max(earliest, address.created_at)


def _risks(transfer: FoundTransfer) -> list[str] | None:
    return None if transfer.unconfirmed_risks is None else list(transfer.unconfirmed_risks)


def _tells_other_risks(transfer: FoundTransfer, row: Transfer) -> bool:
    return transfer.unconfirmed_risks is not None and _risks(transfer) != row.unconfirmed_risks


def _contract(asset: OnChainAsset) -> bytes | None:
    return None if asset.contract is None else bytes(asset.contract)


def _known(row: Transfer) -> KnownTransfer:
    return KnownTransfer(row.index, bytes(row.deposit_address.key), _contract(row.asset), row.amount_minor)
