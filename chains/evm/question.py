"""One question to an EVM network outside the watcher: the first of its nodes that gives an answer is taken at its word.

Never call this inside a database transaction: a node may take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from django.conf import settings

from chains.models import Network, NetworkKind
from chains.nodes import Call, JsonRpcNode, NodeError, NodeUnavailable, NodeUnreachable, NodeWrongChain

CALLS_PER_BATCH = 500


def ask(network: Network, calls: Sequence[Call]) -> list[Any]:
    """The results of ``calls`` in their order, all from one node; one that failed is a NodeError in its place.

    Raises:
        NodeUnavailable: no node of the network gave a usable answer, or none is set for it.
        NodeWrongChain: a node follows another chain.
    """
    urls: Sequence[str] = settings.NODE_URLS.get(network.slug, [])
    if network.kind != NetworkKind.EVM or not urls:
        raise NodeUnreachable("no EVM node is set for this network (NODE_URLS)")
    failure: NodeUnavailable | None = None
    for url in urls:
        with closing(JsonRpcNode(url, timeout_seconds=settings.NODE_TIMEOUT_SECONDS)) as node:
            try:
                return _ask(node, network.chain_id, calls)
            except NodeUnavailable as error:
                failure = error
    assert failure is not None  # there was a node, and it did not answer
    raise failure


def quantity(result: Any) -> int | None:
    """The integer of a result, a quantity or a 32-byte word in hex; None for an error or anything else."""
    if not isinstance(result, str) or not 2 < len(result) <= 66:
        return None
    try:
        return int(result, 16)
    except ValueError:
        return None


def _ask(node: JsonRpcNode, chain_id: int | None, calls: Sequence[Call]) -> list[Any]:
    """The chain is asked for along with the first calls, so that no answer of another chain is ever used."""
    asked: list[Call] = [("eth_chainId", []), *calls]
    results: list[Any] = []
    for first in range(0, len(asked), CALLS_PER_BATCH):
        results += node.batch(asked[first : first + CALLS_PER_BATCH])
        if isinstance(results[0], NodeError):
            raise NodeUnreachable(f"{node.name}: {results[0]}")
        if quantity(results[0]) != chain_id:
            raise NodeWrongChain(f"{node.name} is not a node of chain {chain_id}")
    return results[1:]
