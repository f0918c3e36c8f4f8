"""Writing one step's reading: the watcher's pen. One short database transaction, and no question to any node in it.

The cursor moves by compare-and-set in the same database transaction as the blocks and transfers it stands for. So a watcher
killed anywhere loses nothing and counts nothing twice, and of two watchers one finds the cursor moved and writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from alatau_pay.wake import wake
from chains import outgoing, transfer_inputs
from chains.models import Block, CoinBalance, Network, Transfer, TransferState
from chains.observation import BlockHeader, FoundBlock, FoundTransfer, Position, Reading
from chains.transfer_rows import TransferRows

# How many blocks back a reorganisation can be followed.
WINDOW = 288
# While nothing happens, the time of the observation is written this often at most.
OBSERVED_EVERY = timedelta(seconds=1)

ORPHANED_REASON = "its block was replaced by another"


def begin(network: Network, headers: Sequence[BlockHeader]) -> bool:
    """Start a network that was never read at the newest of ``headers``. Returns False when another watcher did."""
    newest = headers[-1]
    with transaction.atomic():
        started = Network.objects.filter(pk=network.pk, cursor_height__isnull=True).update(
            cursor_height=newest.height, cursor_hash=newest.hash
        )
        if started:
            Block.objects.filter(network=network).delete()
            _insert_blocks(network, headers)
    return bool(started)


def restart_at(network: Network, headers: Sequence[BlockHeader]) -> None:
    """Take the network back to the newest of ``headers`` and lift a halt: what is above it will be read again."""
    newest = headers[-1]
    with transaction.atomic():
        Network.objects.filter(pk=network.pk).update(
            cursor_height=newest.height,
            cursor_hash=newest.hash,
            final_height=None,
            halted_at=None,
            halted_reason="",
        )
        _orphan(network, Position(newest.height, newest.hash))
        Block.objects.filter(network=network).delete()
        _insert_blocks(network, headers)
        wake("payments.tasks.match")


def write(network: Network, cursor: Position, reading: Reading, *, now: datetime) -> int | None:
    """Write ``reading``, which began at ``cursor``; ``now`` is the instant before its first question was asked.

    Returns the number of transfers that changed, None when the cursor was not at ``cursor`` any more (nothing written).
    """
    finalises = _finalises(network, reading)
    if not reading.has_news and not finalises:
        return _write_observation(network, cursor, reading, now)
    with transaction.atomic():
        if not _move_cursor(network, cursor, reading, now):
            return None
        changed = _orphan(network, reading.fork) if reading.fork else 0
        _insert_blocks(network, [block.header for block in reading.blocks])
        changed += _write_transfers(network, reading, now)
        if changed:
            wake("payments.tasks.match")
        changed += outgoing.write(network, reading, now=now)
        if reading.blocks or reading.fork or finalises:
            # What changed without a block is decided by whoever matches it.
            wake("payments.tasks.confirm", network.slug)
    return changed


def write_past(network: Network, blocks: Sequence[FoundBlock], *, now: datetime) -> int | None:
    """Write what ``blocks``, all at or below the cursor, pay us; the cursor stays. Inside the caller's database transaction.

    Returns the number of transfers that changed, None when a block is not one of the chain we follow (nothing written).
    """
    # Whoever moves the cursor waits: no block of these can leave our chain meanwhile.
    locked = Network.objects.select_for_update(no_key=True).get(pk=network.pk)
    if not _are_ours(locked, [block.header for block in blocks]):
        return None
    paying = [block for block in blocks if block.transfers]
    if not paying or locked.cursor_height is None:
        return 0
    outgoing.write_past(network, paying)
    rows = TransferRows(network, Reading(tip=_position(locked), blocks=paying), now)
    for block in paying:
        for transfers in _by_txid(block.transfers).values():
            rows.write_mined(transfers, block.header)
        if block.header.height > locked.cursor_height - WINDOW:
            rows.write_inputs(block.transfers)
    if rows.changed:
        wake("payments.tasks.match")
        wake("payments.tasks.confirm", network.slug)
    return rows.changed


def _are_ours(network: Network, headers: Sequence[BlockHeader]) -> bool:
    """Whether none is above the cursor, and those that can still be compared with a kept block are that block."""
    heights = [header.height for header in headers]
    rows = Block.objects.filter(network=network, height__in=heights).values_list("height", "hash")
    kept = {height: bytes(block_hash) for height, block_hash in rows}
    return network.cursor_height is not None and all(
        header.height <= network.cursor_height and kept.get(header.height, header.hash) == header.hash
        for header in headers
    )


def _position(network: Network) -> Position:
    assert network.cursor_height is not None and network.cursor_hash is not None
    return Position(network.cursor_height, bytes(network.cursor_hash))


def _write_observation(network: Network, cursor: Position, reading: Reading, now: datetime) -> int | None:
    fresh = network.observed_at is not None and now - network.observed_at < OBSERVED_EVERY
    if not reading.complete or fresh:
        return 0
    return 0 if _at_cursor(network, cursor).update(observed_at=now) else None


def _finalises(network: Network, reading: Reading) -> bool:
    """Whether more is final than before. What was final once stays so: another node may only know less."""
    return reading.final_height is not None and (
        network.final_height is None or reading.final_height > network.final_height
    )


def _move_cursor(network: Network, cursor: Position, reading: Reading, now: datetime) -> bool:
    end = _end(cursor, reading)
    fields: dict[str, object] = {"cursor_height": end.height, "cursor_hash": end.hash}
    if reading.complete and (network.observed_at is None or now > network.observed_at):
        fields["observed_at"] = now
    if _finalises(network, reading):
        fields["final_height"] = reading.final_height
    return bool(_at_cursor(network, cursor).update(**fields))


def _at_cursor(network: Network, cursor: Position) -> QuerySet[Network]:
    return Network.objects.filter(
        pk=network.pk, cursor_height=cursor.height, cursor_hash=cursor.hash, halted_at__isnull=True
    )


def _end(cursor: Position, reading: Reading) -> Position:
    if reading.blocks:
        newest = reading.blocks[-1].header
        return Position(newest.height, newest.hash)
    return reading.fork or cursor


def _orphan(network: Network, fork: Position) -> int:
    """Our blocks above ``fork`` are no more; their transfers are unmined until the node says where they are now."""
    Block.objects.filter(network=network, height__gt=fork.height).delete()
    # Balances seen up there may not have been; the next check begins at a block that still stands.
    CoinBalance.objects.filter(deposit_address__network=network, height__gt=fork.height).delete()
    outgoing.orphan(network, fork)
    return Transfer.objects.filter(
        network=network, state=TransferState.MINED, block_height__gt=fork.height
    ).update(
        state=TransferState.SEEN,
        state_reason=ORPHANED_REASON,
        # What was judged before its block is not true any more.
        unconfirmed_risks=None,
        block_height=None,
        block_hash=None,
        pending_match=True,
    )


def _insert_blocks(network: Network, headers: Sequence[BlockHeader]) -> None:
    """Add the next blocks of our chain, and let those go that no reorganisation can reach any more."""
    if not headers:
        return
    Block.objects.bulk_create(
        Block(
            network=network,
            height=header.height,
            hash=header.hash,
            parent_hash=header.parent_hash,
            time=header.time,
        )
        for header in headers
    )
    out_of_reach = headers[-1].height - WINDOW
    Block.objects.filter(network=network, height__lte=out_of_reach).delete()
    transfer_inputs.forget_mined(network, between=(headers[0].height - WINDOW, out_of_reach))


def _write_transfers(network: Network, reading: Reading, now: datetime) -> int:
    """Unmined transfers first, then mined ones: what a block says wins over what the mempool said before."""
    rows = TransferRows(network, reading, now)
    for transfers in _by_txid(reading.unmined).values():
        rows.write_unmined(transfers)
    rows.write_inputs(reading.unmined)
    for block in reading.blocks:
        for transfers in _by_txid(block.transfers).values():
            rows.write_mined(transfers, block.header)
        rows.write_inputs(block.transfers)
        rows.write_double_spent(block.double_spent)
    rows.write_gone(reading.gone)
    rows.write_risks(reading.risks)
    return rows.changed


def _by_txid(transfers: Sequence[FoundTransfer]) -> dict[bytes, list[FoundTransfer]]:
    grouped: dict[bytes, list[FoundTransfer]] = defaultdict(list)
    for transfer in transfers:
        grouped[transfer.txid].append(transfer)
    return grouped
