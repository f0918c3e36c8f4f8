"""Which chain an EVM node follows: its chain id at every look, its anchor block now and then."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from chains.evm.rpc import number
from chains.nodes import NodeError, NodeUnreachable, NodeWrongChain
from chains.observation import Position

# The anchor block is asked for again after this long: a node behind the same address may have been replaced.
ANCHOR_SECONDS = 60.0


class NodeIdentity:
    """What one node has to be: of this chain id, with this block at the anchor's height."""

    def __init__(self, name: str, *, chain_id: int, anchor: Position) -> None:
        self._name = name
        self._chain_id = chain_id
        self._anchor = anchor
        self._seen_at: float | None = None

    def calls(self) -> list[tuple[str, list[Any]]]:
        """The questions to ask along with others."""
        calls: list[tuple[str, list[Any]]] = [("eth_chainId", [])]
        if self._seen_at is None or time.monotonic() - self._seen_at > ANCHOR_SECONDS:
            calls.append(("eth_getBlockByNumber", [hex(self._anchor.height), False]))
        return calls

    def take(self, results: Sequence[Any]) -> None:
        """Take the answers to ``calls``.

        Raises:
            NodeWrongChain: the node follows another chain. NodeError, NodeUnreachable: no usable answer.
        """
        chain_id, *anchors = results
        if isinstance(chain_id, NodeError):
            raise chain_id
        if number(chain_id, self._name) != self._chain_id:
            raise NodeWrongChain(
                f"{self._name} is a node of chain {number(chain_id, self._name)}, not of {self._chain_id}"
            )
        for anchor in anchors:
            self._take_anchor(anchor)

    def forget(self) -> None:
        """Another node may answer from now on: look at the anchor again."""
        self._seen_at = None

    def _take_anchor(self, answer: Any) -> None:
        if answer is None:
            return  # a node that has just begun to download: it is behind, which shows elsewhere
        if isinstance(answer, NodeError):
            raise answer
        if not isinstance(answer, dict):
            raise NodeUnreachable(f"{self._name}: not the answer of an EVM node")
        if bytes.fromhex(answer["hash"][2:]) != self._anchor.hash:
            raise NodeWrongChain(f"{self._name} has another block at height {self._anchor.height}")
        self._seen_at = time.monotonic()
