"""What one node says of its own chain: its newest block, and its blocks at given heights.

Asked apart from the watcher's readers, which keep what they have looked at; whoever asks here changes nothing for them. Never
ask inside a database transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from chains.bitcoin.rpc import BitcoinRpc
from chains.bitcoin.transfers import BadBlock, read_header
from chains.evm.rpc import EvmRpc, number
from chains.models import Network, NetworkKind
from chains.nodes import JsonRpcNode, NodeError, NodeUnreachable, NodeWrongChain
from chains.observation import Position

# No chain is so high, and no block of one states so late a second.
_NUMBER_MAX = 10**11


@dataclass(frozen=True, slots=True)
class Head:
    """A node's newest block; ``time`` is what the block itself states, aware UTC."""

    position: Position
    time: datetime


class HeadQuestions(Protocol):
    """The two questions, for one node of one network."""

    def head(self) -> Head:
        """The newest block.

        Raises:
            NodeUnavailable, NodeError: no usable answer. NodeWrongChain: the node follows another chain.
        """

    def hashes_at(self, heights: Sequence[int]) -> list[bytes | None]:
        """The hashes of the node's blocks at ``heights``; None where it has none. Raises as ``head``."""


def questions(network: Network, node: JsonRpcNode) -> HeadQuestions:
    """The questions to ``node`` as one of ``network``."""
    anchor = Position(network.anchor_height, bytes.fromhex(network.anchor_hash_hex.removeprefix("0x")))
    if network.kind == NetworkKind.BITCOIN:
        return _BitcoinQuestions(node, network.bitcoin_chain, anchor)
    assert network.chain_id is not None  # the database refuses an EVM network without one
    return _EvmQuestions(node, network.chain_id, anchor)


class _BitcoinQuestions:
    def __init__(self, node: JsonRpcNode, chain: str, anchor: Position) -> None:
        self._node, self._rpc = node, BitcoinRpc(node)
        self._chain, self._anchor = chain, anchor

    def head(self) -> Head:
        info, anchor = self._node.batch([("getblockchaininfo", []), ("getblockhash", [self._anchor.height])])
        if isinstance(info, NodeError):
            raise info
        try:
            chain, height, block_hash = (
                info["chain"],
                int(info["blocks"]),
                bytes.fromhex(info["bestblockhash"]),
            )
        except (KeyError, TypeError, ValueError):
            raise NodeUnreachable(f"{self._node.name}: not the answer of a Bitcoin node") from None
        if not 0 <= height <= _NUMBER_MAX:
            raise NodeUnreachable(f"{self._node.name}: not the answer of a Bitcoin node")
        if chain != self._chain:
            raise NodeWrongChain(f"{self._node.name} is a node of {chain!r}, not of {self._chain!r}")
        if not isinstance(anchor, NodeError):
            _check_anchor(anchor, self._anchor, self._node.name)
        return Head(Position(height, block_hash), self._time_of(block_hash))

    def hashes_at(self, heights: Sequence[int]) -> list[bytes | None]:
        return [_hash(found, self._node.name) if found else None for found in self._rpc.block_hashes(heights)]

    def _time_of(self, block_hash: bytes) -> datetime:
        try:
            header = read_header(self._rpc.raw_headers([block_hash.hex()])[0])
        except (BadBlock, ValueError, TypeError):
            raise NodeUnreachable(f"{self._node.name}: not the header of a block") from None
        if header.hash != block_hash:
            raise NodeUnreachable(f"{self._node.name}: its newest header has another hash")
        return datetime.fromtimestamp(header.time, UTC)


class _EvmQuestions:
    def __init__(self, node: JsonRpcNode, chain_id: int, anchor: Position) -> None:
        self._node, self._rpc = node, EvmRpc(node)
        self._chain_id, self._anchor = chain_id, anchor

    def head(self) -> Head:
        chain_id, latest, anchor = self._node.batch(
            [
                ("eth_chainId", []),
                ("eth_getBlockByNumber", ["latest", False]),
                ("eth_getBlockByNumber", [hex(self._anchor.height), False]),
            ]
        )
        for answer in (chain_id, latest):
            if isinstance(answer, NodeError):
                raise answer
        if number(chain_id, self._node.name) != self._chain_id:
            raise NodeWrongChain(
                f"{self._node.name} is a node of chain {number(chain_id, self._node.name)}, not of {self._chain_id}"
            )
        if isinstance(
            anchor, dict
        ):  # a node that keeps no old blocks, or has not got them yet, says nothing against it
            _check_anchor(anchor.get("hash"), self._anchor, self._node.name)
        if not isinstance(latest, dict):
            raise NodeUnreachable(f"{self._node.name}: not the answer of an EVM node")
        height, seconds = (number(latest.get(key), self._node.name) for key in ("number", "timestamp"))
        if max(height, seconds) > _NUMBER_MAX:
            raise NodeUnreachable(f"{self._node.name}: not the answer of an EVM node")
        position = Position(height, _hash(latest.get("hash"), self._node.name))
        return Head(position, datetime.fromtimestamp(seconds, UTC))

    def hashes_at(self, heights: Sequence[int]) -> list[bytes | None]:
        blocks = self._rpc.blocks(heights, full=False)
        return [_hash(block.get("hash"), self._node.name) if block else None for block in blocks]


def _check_anchor(answer: Any, anchor: Position, name: str) -> None:
    if _hash(answer, name) != anchor.hash:
        raise NodeWrongChain(f"{name} has another block at height {anchor.height}")


def _hash(text: Any, name: str) -> bytes:
    try:
        block_hash = bytes.fromhex(text.removeprefix("0x"))
    except (AttributeError, ValueError):
        block_hash = b""
    if len(block_hash) != 32:
        raise NodeUnreachable(f"{name}: not the hash of a block")
    return block_hash
