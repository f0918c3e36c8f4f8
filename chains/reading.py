"""One step's reading of a chain: from where we are to where the node is, forks included. No database, no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chains.nodes import NodeUnreachable
from chains.observation import BlockHeader, ChainReader, FindWatched, FoundBlock, Position, Reading
from chains.reorg import fork_height

# Our blocks (height, hash), oldest first, without gaps.
Kept = Sequence[tuple[int, bytes]]
LoadKept = Callable[[], Kept]
# Why a node whose newest block is this one is behind its network; "" when nothing says so.
DoubtTip = Callable[[Position], str]


def read(
    reader: ChainReader,
    cursor: Position,
    *,
    load_kept: LoadKept,
    watched: FindWatched,
    unmined_txids: Sequence[bytes],
    doubt: DoubtTip = lambda tip: "",
) -> Reading:
    """Everything the node knows beyond ``cursor`` and ``unmined_txids``, or a first part of it (``complete`` says which).

    ``unmined_txids`` are the transfers that for us are in no block. ``doubt`` says why the node is not to be believed to be
    at its network's newest block: what it shows is read, but the reading is never complete and nothing is gone.

    Raises:
        NodeUnavailable, NodeError, BadBlock: the node gave no usable answer. NodeWrongChain: it follows another chain.
        ReorgTooDeep: its chain parted from ours before the oldest block that we kept.
    """
    glance = reader.glance()
    behind_reason = glance.behind_reason or doubt(glance.tip)
    reading = Reading(tip=glance.tip, behind_reason=behind_reason, final_height=glance.final_height)
    if glance.tip.hash != cursor.hash:
        _read_blocks(reader, cursor, reading, load_kept, watched)
    scanned = _end_of(reading, cursor)
    unmined = reader.unmined(scanned.height, watched)
    reading.unmined = unmined.transfers
    at_tip = scanned.hash == glance.tip.hash
    if not reading.behind_reason:
        tip_changed = bool(reading.blocks or reading.fork) or not at_tip
        if unmined_txids:
            reading.gone = reader.absent(unmined_txids, tip_changed=tip_changed)
            reading.risks = reader.reassess([txid for txid in unmined_txids if txid not in reading.gone])
    _judge(reading, at_tip and unmined.complete and not reading.behind_reason, unmined.announced_only)
    return reading


def first_headers(reader: ChainReader, *, window: int, height: int | None = None) -> list[BlockHeader]:
    """The ``window`` headers up to ``height`` of the node's chain, oldest first: where reading begins.

    Without ``height`` up to the node's newest block. Empty when the node has no block that high.

    Raises:
        NodeUnavailable, NodeError, NodeWrongChain: as ``read``.
    """
    tip = reader.glance().tip
    last = tip.height if height is None else height
    if last > tip.height:
        return []
    headers = reader.headers(range(max(0, last - window + 1), last + 1))
    linked = all(
        later.parent_hash == earlier.hash for earlier, later in zip(headers, headers[1:], strict=False)
    )
    if not linked or not headers or headers[-1].height != last:
        raise NodeUnreachable(f"{reader.name}: the chain moved while it was read")
    return headers


def _read_blocks(
    reader: ChainReader, cursor: Position, reading: Reading, load_kept: LoadKept, watched: FindWatched
) -> None:
    tip = reading.tip
    blocks = reader.blocks(cursor.height + 1, tip.height, watched) if tip.height > cursor.height else []
    if blocks and blocks[0].header.parent_hash == cursor.hash:
        reading.blocks = _linked(cursor, blocks)
        return
    if not blocks and tip.height > cursor.height:
        reading.behind_reason = reading.behind_reason or "the node does not give the block that it named"
        return
    kept = load_kept()
    if _is_behind(tip, kept):
        reading.behind_reason = f"the node is at block {tip.height}, behind our {cursor.height}"
        return
    fork = _fork(kept, reader)
    if fork != cursor:
        reading.fork = fork
        reading.blocks = _linked(fork, reader.blocks(fork.height + 1, tip.height, watched))


def _judge(reading: Reading, nothing_left: bool, announced_only: bool) -> None:
    reading.complete = nothing_left and not announced_only
    reading.announced_only = nothing_left and announced_only


def _is_behind(tip: Position, kept: Kept) -> bool:
    """Whether the node's newest block is one of ours, or so old that we cannot tell: then it says nothing against us."""
    return not kept or tip.height < kept[0][0] or (tip.height, tip.hash) in kept


def _fork(kept: Kept, reader: ChainReader) -> Position:
    height = fork_height(kept, reader.hashes_at)
    return Position(height, dict(kept)[height])


def _linked(start: Position, blocks: Sequence[FoundBlock]) -> list[FoundBlock]:
    """``blocks`` as far as each names the one before as its parent: the chain may have moved while they were read."""
    linked: list[FoundBlock] = []
    parent_hash = start.hash
    for block in blocks:
        if block.header.parent_hash != parent_hash:
            break
        linked.append(block)
        parent_hash = block.header.hash
    return linked


def _end_of(reading: Reading, cursor: Position) -> Position:
    if reading.blocks:
        newest = reading.blocks[-1].header
        return Position(newest.height, newest.hash)
    return reading.fork or cursor
