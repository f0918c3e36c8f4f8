"""Payments of the operator's own to other people: the addresses they go to, and what the chain shows of them.

The only writer of Destination and OutgoingTransfer rows. Destinations are found in the same pass over a block as deposit
addresses (``chains.watched``), and what arrives there never becomes a Transfer. Who sent it is told by what it spends
(Bitcoin: an output that a deposit address of the operator's received) or by the sender's address (EVM: a deposit address, or a
forwarder wallet's treasury); anything else stays without a wallet, for a person to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Q

from alatau_pay.wake import wake
from chains import receivers
from chains.bitcoin.unsigned import DUST_SAT
from chains.evm import forwarder
from chains.identity import KnownTransfer, assign
from chains.models import (
    DepositAddress,
    Destination,
    Network,
    NetworkKind,
    OnChainAsset,
    OutgoingTransfer,
    Transfer,
    TransferState,
    Wallet,
)
from chains.observation import BlockHeader, Departure, FoundBlock, FoundTransfer, Position, Reading
from chains.receivers import AddressRefused

__all__ = [
    "AddressRefused",
    "confirmations_of",
    "is_confirmed",
    "least_minor",
    "look_again",
    "orphan",
    "unmined_txids",
    "wallet_of_sender",
    "watch",
    "write",
    "write_past",
]

_PARKED_INDEX = -(10**9)
_FIELDS = ["index", "amount_minor", "state", "block_height", "block_hash", "wallet", "fee_minor", "pending"]


def watch(network: Network, text: str, *, now: datetime) -> Destination:
    """The destination that ``text``, typed by somebody, names on ``network``; watched once the caller's change is committed.

    Raises:
        AddressRefused: not an address of that network, one of the operator's own, or a token's contract; on EVM of any network,
            for there an address is the same text on all of them, and only where it was given out does anybody watch it.
    """
    if network.kind == NetworkKind.BITCOIN:
        address = receivers.read_bitcoin(text, network.bitcoin_chain)
        key = receivers.bitcoin_script(address)
    else:
        address = receivers.read_evm(text)
        key = bytes.fromhex(address[2:])
    alike = _written_alike(network)
    given_out = DepositAddress.objects.filter(network__in=alike, key=key).exists()
    if given_out or any(key in _treasuries(each) for each in alike):
        raise AddressRefused("this is an address of Alatau Pay itself: give one of your own wallet")
    if OnChainAsset.objects.filter(network__in=alike, contract=key).exists():
        raise AddressRefused(
            "this is the address of a token's contract, not of a wallet: nothing sent there comes back"
        )
    destination, _ = Destination.objects.get_or_create(
        network=network, key=key, defaults={"address": address, "created_at": now}
    )
    return destination


def least_minor(network: Network) -> int:
    """The least that can be sent on ``network``, in its coin's smallest unit: Bitcoin's relays carry no dust."""
    return DUST_SAT if network.kind == NetworkKind.BITCOIN else 1


def unmined_txids(network: Network) -> set[bytes]:
    """The txids of outgoing transfers that for us are in no block."""
    rows = OutgoingTransfer.objects.filter(network=network, state=TransferState.SEEN)
    return {bytes(txid) for txid in rows.values_list("txid", flat=True)}


def write(network: Network, reading: Reading, *, now: datetime) -> int:
    """Write what ``reading`` shows of destinations, in the watcher's database transaction. Returns how many rows changed."""
    mined = [(transfer, block.header) for block in reading.blocks for transfer in block.transfers]
    unmined = [(transfer, None) for transfer in reading.unmined]
    changed = _write_found(network, [*unmined, *mined], now=now)
    found = {transfer.txid for transfer, _ in (*unmined, *mined)}
    changed += _write_gone(network, {txid: why for txid, why in reading.gone.items() if txid not in found})
    if changed:
        wake("payments.tasks.follow_refunds")
    return changed


def write_past(network: Network, blocks: Sequence[FoundBlock]) -> int:
    """The same of blocks that are read once more: what they show was there at their own time, not only now."""
    return sum(
        _write_found(
            network, [(transfer, block.header) for transfer in block.transfers], now=block.header.time
        )
        for block in blocks
    )


def orphan(network: Network, fork: Position) -> int:
    """Blocks above ``fork`` are no more: what they held is unmined until the node says where it is now."""
    return OutgoingTransfer.objects.filter(
        network=network, state=TransferState.MINED, block_height__gt=fork.height
    ).update(state=TransferState.SEEN, block_height=None, block_hash=None, fee_minor=None, pending=True)


def look_again(destination_id: int) -> int:
    """Whoever follows outgoing transfers shall look at those of this destination once more. Returns how many."""
    rows = OutgoingTransfer.objects.filter(destination=destination_id).exclude(state=TransferState.GONE)
    return rows.update(pending=True)


def confirmations_of(outgoing: OutgoingTransfer, network: Network) -> int:
    """Blocks from its own to the last one read, both counted; 0 while it is in none."""
    if (
        outgoing.state != TransferState.MINED
        or outgoing.block_height is None
        or network.cursor_height is None
    ):
        return 0
    return max(0, network.cursor_height - outgoing.block_height + 1)


def is_confirmed(outgoing: OutgoingTransfer, network: Network) -> bool:
    """Whether it lies as deep as the network's low speed asks for, and not above what the network calls final.

    The deepest of the network's depths: nobody stands at a till and waits, and a refund that was told to be sent is not taken
    back gladly.
    """
    if confirmations_of(outgoing, network) < max(network.confirmations_low_speed, 1):
        return False
    if not network.finality_tag:
        return True
    assert outgoing.block_height is not None  # it has confirmations
    return network.final_height is not None and outgoing.block_height <= network.final_height


def _write_found(
    network: Network, found: Sequence[tuple[FoundTransfer, BlockHeader | None]], *, now: datetime
) -> int:
    destinations = _destinations(network, {transfer.key for transfer, _ in found})
    if not destinations:
        return 0
    assets = {
        None if asset.contract is None else bytes(asset.contract): asset
        for asset in OnChainAsset.objects.filter(network=network)
    }
    groups: dict[tuple[bytes, BlockHeader | None], list[FoundTransfer]] = defaultdict(list)
    for transfer, header in found:
        if transfer.key in destinations and transfer.contract in assets:
            groups[transfer.txid, header].append(transfer)
    return sum(
        _write_txid(network, transfers, header, destinations, assets, now=now)
        for (_, header), transfers in groups.items()
    )


def _write_txid(
    network: Network,
    transfers: Sequence[FoundTransfer],
    header: BlockHeader | None,
    destinations: Mapping[bytes, Destination],
    assets: Mapping[bytes | None, OnChainAsset],
    *,
    now: datetime,
) -> int:
    """The rows of one chain transaction, found again or made; what a block told stays over what the mempool says."""
    rows = list(
        OutgoingTransfer.objects.select_for_update(of=("self",), no_key=True)
        .filter(network=network, txid=transfers[0].txid)
        .select_related("destination", "asset")
        .order_by("id")
    )
    wallet_id = _wallet_of(network, transfers[0])
    changed = 0
    matched = list(zip(transfers, assign([_known(row) for row in rows], transfers), strict=True))
    _free_indexes(rows, matched)
    for transfer, position in matched:
        is_new = position is None
        if position is not None:
            row = rows[position]
            if not _differs(row, transfer, header):
                continue
        else:
            row = OutgoingTransfer(
                network=network,
                txid=transfer.txid,
                asset=assets[transfer.contract],
                destination=destinations[transfer.key],
                sender=transfer.sender,
                seen_at=now,
            )
        row.index, row.amount_minor, row.pending = transfer.index, transfer.amount_minor, True
        row.wallet_id = row.wallet_id or wallet_id
        _place(row, header)
        if is_new:
            row.save(force_insert=True)
        else:
            row.save(update_fields=_FIELDS)
        changed += 1
    return changed


def _free_indexes(
    rows: Sequence[OutgoingTransfer], matched: Sequence[tuple[FoundTransfer, int | None]]
) -> None:
    """Move rows out of the way that hold an index which another transfer of the same txid has now."""
    owners = {transfer.index: position for transfer, position in matched}
    for number, row in enumerate(rows):
        if row.index in owners and owners[row.index] != number:
            row.index = _PARKED_INDEX - number
            row.save(update_fields=["index"])


def _differs(row: OutgoingTransfer, transfer: FoundTransfer, header: BlockHeader | None) -> bool:
    if header is None:
        return row.state == TransferState.GONE
    return not (
        row.state == TransferState.MINED
        and bytes(row.block_hash or b"") == header.hash
        and row.index == transfer.index
        and row.amount_minor == transfer.amount_minor
    )


def _place(row: OutgoingTransfer, header: BlockHeader | None) -> None:
    row.state = TransferState.MINED if header else TransferState.SEEN
    row.block_height = header.height if header else None
    row.block_hash = header.hash if header else None
    # The price of gas is its block's.
    row.fee_minor = None


def _write_gone(network: Network, gone: Mapping[bytes, Departure]) -> int:
    if not gone:
        return 0
    return OutgoingTransfer.objects.filter(
        network=network, txid__in=list(gone), state=TransferState.SEEN
    ).update(state=TransferState.GONE, pending=True)


def _destinations(network: Network, keys: set[bytes]) -> dict[bytes, Destination]:
    if not keys:
        return {}
    return {bytes(row.key): row for row in Destination.objects.filter(network=network, key__in=keys)}


def _wallet_of(network: Network, transfer: FoundTransfer) -> int | None:
    """The operator's wallet that the chain transaction spends from; None when nothing of ours is known to be in it.

    One own input says enough: whoever holds the key signed the whole.
    """
    if network.kind == NetworkKind.EVM:
        return wallet_of_sender(network, transfer.sender)
    outpoints = [Q(txid=outpoint.txid, index=outpoint.index) for outpoint in transfer.inputs]
    if not outpoints:
        return None
    which = outpoints[0]
    for each in outpoints[1:]:
        which |= each
    spent = Transfer.objects.filter(which, network=network, deposit_address__wallet__owner="")
    return spent.order_by("id").values_list("deposit_address__wallet_id", flat=True).first()


def wallet_of_sender(network: Network, sender: str) -> int | None:
    """The number of the operator's wallet that ``sender``, an EVM address, is a treasury or a deposit address of; else None."""
    if not sender:
        return None
    key = bytes.fromhex(sender[2:])
    treasury_of = _treasuries(network).get(key)
    if treasury_of is not None:
        return treasury_of
    given_out = DepositAddress.objects.filter(network=network, key=key, wallet__owner="")
    return given_out.values_list("wallet_id", flat=True).first()


def _written_alike(network: Network) -> list[Network]:
    """The networks on which an address of ``network`` could be meant just as well, itself among them."""
    if network.kind == NetworkKind.EVM:
        return list(Network.objects.filter(kind=NetworkKind.EVM).order_by("slug"))
    return [network]


def _treasuries(network: Network) -> dict[bytes, int]:
    """The treasury of each of the operator's forwarder wallets, by its address; the active wallet's word wins."""
    if network.kind != NetworkKind.EVM:
        return {}
    wallets = Wallet.objects.filter(network=network, owner="").order_by("active", "id")
    return {
        forwarder.parse(wallet.public_key).treasury: wallet.pk
        for wallet in wallets
        if forwarder.is_forwarder(wallet.public_key)
    }


def _known(row: OutgoingTransfer) -> KnownTransfer:
    contract = None if row.asset.contract is None else bytes(row.asset.contract)
    return KnownTransfer(row.index, bytes(row.destination.key), contract, row.amount_minor)
