"""What a node was heard to say, before any of it is in the database. Plain values; no Django, no network, no clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

# Transfer.index of an EVM coin transfer, and of a token transfer whose log does not exist yet.
COIN_INDEX = -1
PENDING_TOKEN_INDEX = -2


@dataclass(frozen=True, slots=True)
class Position:
    """A block by height and hash (32 bytes, big-endian)."""

    height: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A block's place in its chain; ``time`` is what the block itself states, aware UTC."""

    height: int
    hash: bytes
    parent_hash: bytes
    time: datetime


@dataclass(frozen=True, slots=True)
class FoundTransfer:
    """Value on its way to, or arrived at, the deposit address with this ``key``.

    ``contract`` is the token's 20 bytes, None for the network's coin; ``amount_minor`` is in the asset's smallest unit.
    """

    txid: bytes
    index: int
    key: bytes
    contract: bytes | None
    amount_minor: int
    sender: str = ""


@dataclass(frozen=True, slots=True)
class FoundBlock:
    """A block and every transfer in it to an address of ours."""

    header: BlockHeader
    transfers: Sequence[FoundTransfer]


@dataclass(frozen=True, slots=True)
class Glance:
    """One look at the node: its newest block, and why it cannot be taken at its word yet ("" when it can)."""

    tip: Position
    behind_reason: str = ""


@dataclass(frozen=True, slots=True)
class Unmined:
    """What the node holds outside blocks: transfers to us, and whether everything it knew of has been looked at."""

    transfers: Sequence[FoundTransfer] = ()
    complete: bool = True


@dataclass(slots=True)
class Reading:
    """All that one step read, to be written in one database transaction.

    ``fork`` set: our blocks above it are not in the node's chain any more. ``complete``: everything the node knew when it
    was first asked is in here or in the database already. ``gone`` maps a txid to the reason.
    """

    tip: Position
    fork: Position | None = None
    blocks: Sequence[FoundBlock] = ()
    unmined: Sequence[FoundTransfer] = ()
    gone: dict[bytes, str] = field(default_factory=dict)
    complete: bool = False
    behind_reason: str = ""

    @property
    def has_news(self) -> bool:
        """Whether anything but the time of the observation has to be written."""
        return bool(self.fork or self.blocks or self.unmined or self.gone)


# The given keys that are deposit addresses of the network: one indexed query, in no database transaction.
FindWatched = Callable[[Collection[bytes]], set[bytes]]


class ChainReader(Protocol):
    """Reading one network from one node. Its caches may be lost at any time at the cost of asking again."""

    name: str

    def glance(self) -> Glance:
        """The node's newest block. First question of a step.

        Raises:
            NodeUnavailable: no usable answer. NodeWrongChain: the node follows another chain.
        """

    def hashes_at(self, heights: Sequence[int]) -> list[bytes | None]:
        """The hashes of the node's blocks at ``heights``; None where it has none."""

    def headers(self, heights: Sequence[int]) -> list[BlockHeader]:
        """The headers of the node's blocks at ``heights``, all of which are at or below its tip."""

    def blocks(self, first: int, last: int, watched: FindWatched) -> list[FoundBlock]:
        """The blocks from ``first`` on, at most up to ``last``; as many as are sensible at once, at least one.

        Raises:
            NodeUnavailable, NodeError: nothing was read. BadBlock: the node's block contradicts its own hash.
        """

    def unmined(self, scanned_height: int, watched: FindWatched) -> Unmined:
        """Transfers to us that are in no block up to ``scanned_height``."""

    def absent(self, txids: Sequence[bytes], *, tip_changed: bool) -> dict[bytes, str]:
        """Those of ``txids`` (all unmined for us) that the node holds nowhere any more, or that moved nothing, and why."""

    def accept(self) -> None:
        """What was read since the last call is committed and need not be read again."""
