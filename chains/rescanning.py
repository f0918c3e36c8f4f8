"""Looking back over blocks that were read before a wallet was there, or with a fault: resumable, and never twice.

A look back reads blocks at or below the cursor, which it leaves alone, and writes what they pay to deposit addresses through
the watcher's pen: what is known already stays one row. Where it has got to is committed together with what it found.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from chains import readers, recording, watched
from chains.bitcoin.reader import BitcoinReader
from chains.models import DepositAddress, Network, Rescan, Wallet
from chains.observation import ChainReader, FoundBlock

logger = logging.getLogger(__name__)

# Blocks that are looked through by filters in one question; the node answers it within seconds.
FILTERED_AT_ONCE = 500
BLOCKS_READ_AT_ONCE = 32
# A block may state a time so far from the true one (Bitcoin's rule for the future; other chains are stricter).
BLOCK_TIME_ERROR = timedelta(hours=2)


class CannotRescan(Exception):
    """There is nothing to look back over, or not now. The message is for a person."""


def begin(
    network_slug: str,
    *,
    first_height: int,
    last_height: int | None = None,
    wallet: Wallet | None = None,
    now: datetime,
) -> Rescan:
    """The look back over the blocks from ``first_height`` on: one that was interrupted goes on, else a new one.

    ``last_height`` None: up to where an interrupted one was to go, or up to the cursor.

    Raises:
        CannotRescan: the network is halted or was never read, or the blocks are not all at or below its cursor.
    """
    network = _readable(network_slug)
    assert network.cursor_height is not None
    unfinished = Rescan.objects.filter(
        network=network, wallet=wallet, first_height=first_height, finished_at__isnull=True
    )
    if last_height is not None:
        unfinished = unfinished.filter(last_height=last_height)
    known = unfinished.first()
    if known is not None:
        return known
    last = network.cursor_height if last_height is None else last_height
    if not 0 <= first_height <= last <= network.cursor_height:
        raise CannotRescan(
            f"blocks {first_height} to {last} are not all at or below {network.cursor_height}, the last one read"
        )
    return Rescan.objects.create(
        network=network,
        wallet=wallet,
        first_height=first_height,
        next_height=first_height,
        last_height=last,
        started_at=now,
    )


def advance(rescan: Rescan, *, now: datetime) -> Rescan:
    """Look through the next blocks of ``rescan`` and return it as it then is; ``finished_at`` is set with the last ones.

    Raises:
        CannotRescan: the network is halted, the node's chain is not ours, or another process looks at the same blocks.
        NodeUnavailable, NodeError, NodeWrongChain, BadBlock: the node gave no usable answer. Nothing is written.
    """
    if rescan.finished_at is not None:
        return rescan
    network = _readable(rescan.network_id)
    reader = readers.choice_for(network).in_order()[0]
    reader.glance()
    # The node is asked outside any database transaction.
    blocks, next_height = _read(reader, rescan)
    with transaction.atomic():
        changed = recording.write_past(network, blocks, now=now)
        _move_on(rescan, next_height, changed, now)
    return Rescan.objects.get(pk=rescan.pk)


def height_at(network_slug: str, instant: datetime) -> int:
    """A height below which no block was made at ``instant`` or later: the lowest that states a time near it.

    Raises:
        CannotRescan: the network is halted or was never read. NodeUnavailable, NodeError, NodeWrongChain: as ``advance``.
    """
    network = _readable(network_slug)
    reader = readers.choice_for(network).in_order()[0]
    reader.glance()
    low, high = 0, network.cursor_height or 0
    while low < high:
        middle = (low + high) // 2
        (header,) = reader.headers([middle])
        if header.time < instant - BLOCK_TIME_ERROR:
            low = middle + 1
        else:
            high = middle
    return low


def _readable(network_slug: str) -> Network:
    network = Network.objects.get(pk=network_slug)
    if network.halted_at is not None:
        raise CannotRescan(f"{network_slug} is halted: {network.halted_reason}")
    if network.cursor_height is None:
        raise CannotRescan(f"{network_slug} was never read: there is nothing behind it to look at again")
    return network


def _read(reader: ChainReader, rescan: Rescan) -> tuple[list[FoundBlock], int]:
    """The next blocks with what they pay us, and the height after the last one that was looked through."""
    first = rescan.next_height
    last = min(rescan.last_height, first + FILTERED_AT_ONCE - 1)
    heights = _heights_with_hits(reader, rescan, first, last)
    if heights is None:
        blocks = reader.blocks(first, rescan.last_height, lambda keys: _ours(rescan, keys))
        if not blocks:
            raise CannotRescan(f"{reader.name} has no block {first}")
        return _linked(blocks), first + len(blocks)
    chosen = heights[:BLOCKS_READ_AT_ONCE]
    blocks = [
        block
        for height in chosen
        for block in reader.blocks(height, height, lambda keys: _ours(rescan, keys))
    ]
    return blocks, last + 1 if len(chosen) == len(heights) else heights[len(chosen)]


def _heights_with_hits(reader: ChainReader, rescan: Rescan, first: int, last: int) -> list[int] | None:
    """The blocks that may pay us, by the node's block filters; None where it has none."""
    if not isinstance(reader, BitcoinReader):
        return None
    wallets = Wallet.objects.filter(network=rescan.network_id, next_index__gt=0)
    chosen = wallets if rescan.wallet_id is None else wallets.filter(pk=rescan.wallet_id)
    given_out = {wallet.public_key: wallet.next_index for wallet in chosen}
    return reader.heights_with_hits(first, last, given_out) if given_out else []


def _ours(rescan: Rescan, keys: Collection[bytes]) -> set[bytes]:
    found = watched.find(rescan.network_id, keys)
    if rescan.wallet_id is None or not found:
        return found
    rows = DepositAddress.objects.filter(
        network=rescan.network_id, wallet=rescan.wallet_id, key__in=list(found)
    )
    return {bytes(key) for key in rows.values_list("key", flat=True)}


def _linked(blocks: Sequence[FoundBlock]) -> list[FoundBlock]:
    for earlier, later in zip(blocks, blocks[1:], strict=False):
        if later.header.parent_hash != earlier.header.hash:
            raise CannotRescan("the chain moved while it was read; run it again")
    return list(blocks)


def _move_on(rescan: Rescan, next_height: int, changed: int | None, now: datetime) -> None:
    if changed is None:
        raise CannotRescan("the node's chain is not the one we follow (it may just have moved); run it again")
    is_done = next_height > rescan.last_height
    moved = Rescan.objects.filter(pk=rescan.pk, next_height=rescan.next_height).update(
        next_height=next_height, found=rescan.found + changed, finished_at=now if is_done else None
    )
    if not moved:
        raise CannotRescan("another process is looking at the same blocks")
    if is_done:
        logger.info(
            "rescan finished: blocks %s to %s, %s transfers changed",
            rescan.first_height,
            rescan.last_height,
            rescan.found + changed,
            extra={"network": rescan.network_id},
        )
