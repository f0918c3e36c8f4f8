"""What a node was heard to say, before any of it is in the database. Plain values; no Django, no network, no clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

# Transfer.index of an EVM coin transfer, and of a token transfer whose log does not exist yet.
COIN_INDEX = -1
PENDING_TOKEN_INDEX = -2
# The first of an EVM transaction's coin transfers inside its calls; the next is one less. Where no node told of the call, the
# txid is the hash of the block up to which the balance was checked, and the deposit address's number is taken off.
INSIDE_INDEX = -100


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
class Outpoint:
    """Output ``index`` of the Bitcoin transaction ``txid`` (32 bytes, big-endian): what another one spends."""

    txid: bytes
    index: int


@dataclass(frozen=True, slots=True)
class FoundTransfer:
    """Value on its way to, or arrived at, the deposit address with this ``key``.

    ``contract`` is the token's 20 bytes, None for the network's coin; ``amount_minor`` is in the asset's smallest unit.
    Bitcoin alone tells of the last three: ``inputs`` are what the transaction spends; ``unconfirmed_risks`` why it must not
    count before it is in a block (empty: for no reason; None: nobody has looked).
    """

    txid: bytes
    index: int
    key: bytes
    contract: bytes | None
    amount_minor: int
    sender: str = ""
    inputs: tuple[Outpoint, ...] = ()
    unconfirmed_risks: tuple[str, ...] | None = None
    is_coinbase: bool = False


@dataclass(frozen=True, slots=True)
class Departure:
    """Why a transfer is gone, and the txid (big-endian) of what took its place, where that is known."""

    reason: str
    replaced_by: bytes | None = None


@dataclass(frozen=True, slots=True)
class FoundBlock:
    """A block and every transfer in it to an address of ours.

    ``double_spent`` maps the txid of a transfer of ours that can never be mined on top of this block to the txid in the
    block that spent what it would have spent.
    """

    header: BlockHeader
    transfers: Sequence[FoundTransfer]
    double_spent: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Glance:
    """One look at the node: its newest block, and why it cannot be taken at its word yet ("" when it can).

    ``final_height``: nothing up to there will be undone, by the network's own finality; None where depth alone decides.
    """

    tip: Position
    behind_reason: str = ""
    final_height: int | None = None


@dataclass(frozen=True, slots=True)
class Unmined:
    """What the node holds outside blocks: transfers to us, and whether everything it knew of has been looked at.

    ``announced_only``: what the node announced has been looked at, and its whole list was not asked for this time.
    """

    transfers: Sequence[FoundTransfer] = ()
    complete: bool = True
    announced_only: bool = False


@dataclass(slots=True)
class Reading:
    """All that one step read, to be written in one database transaction.

    ``fork`` set: our blocks above it are not in the node's chain any more. ``complete``: everything the node knew when it
    was first asked is in here or in the database already; ``announced_only``: everything that it announced is. ``gone`` maps
    a txid to the reason, ``risks`` the txid of an unmined transfer to why it must not count yet.
    """

    tip: Position
    fork: Position | None = None
    blocks: Sequence[FoundBlock] = ()
    unmined: Sequence[FoundTransfer] = ()
    gone: Mapping[bytes, Departure] = field(default_factory=dict)
    risks: Mapping[bytes, Sequence[str]] = field(default_factory=dict)
    complete: bool = False
    announced_only: bool = False
    behind_reason: str = ""
    final_height: int | None = None

    @property
    def has_news(self) -> bool:
        """Whether anything but the time of the observation has to be written."""
        return bool(self.fork or self.blocks or self.unmined or self.gone or self.risks)


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

    def absent(self, txids: Sequence[bytes], *, tip_changed: bool) -> Mapping[bytes, Departure]:
        """Those of ``txids`` (all unmined for us) that the node holds nowhere any more, or that moved nothing, and why."""

    def reassess(self, txids: Sequence[bytes]) -> Mapping[bytes, Sequence[str]]:
        """Why those of ``txids`` (all unmined for us) must not count before they are mined whose risks changed since the
        last accepted answer. Always empty where a transfer counts in a block only.
        """

    def accept(self) -> None:
        """What was read since the last call is committed and need not be read again."""
