"""Which pending transactions of an EVM node have not been looked at yet.

The node's filter tells each hash once, so hashes are kept here until what they led to is committed. A filter lives in the
node: after a restart there is a new one, and what was pending before it is taken from the node's pending block.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from chains.evm.rpc import EvmRpc, Json
from chains.nodes import NodeError

TRANSACTIONS_PER_BATCH = 500
# Asked for hashes only; a node that forgets a filter after five idle minutes is never idle that long.
_CHANGES = "eth_getFilterChanges"


class PendingTransactions:
    """The pending transactions of one node, each told once."""

    def __init__(self, rpc: EvmRpc) -> None:
        self._rpc = rpc
        self._filter_id: str | None = None
        self._needs_snapshot = True
        self._waiting: dict[str, None] = {}
        self._fetched: list[str] = []

    @property
    def all_fetched(self) -> bool:
        """Whether the last ``fetch`` left nothing waiting."""
        return len(self._fetched) == len(self._waiting)

    def calls(self) -> list[tuple[str, list[Any]]]:
        """The question to ask along with others: what is new."""
        return [(_CHANGES, [self._filter_id])] if self._filter_id else []

    def take(self, results: Sequence[Any]) -> None:
        """Take the answer to ``calls``."""
        if not results or isinstance(results[0], NodeError) or not isinstance(results[0], list):
            self.forget_filter()
            return
        self._waiting.update(dict.fromkeys(results[0]))

    def forget_filter(self) -> None:
        """The node may have lost the filter: make a new one, and look at all that is pending."""
        self._filter_id = None
        self._needs_snapshot = True

    def fetch(self) -> list[Json]:
        """The transactions that wait to be looked at, as the node knows them now; at most a batch."""
        snapshot = self._take_snapshot() if self._needs_snapshot else []
        self._fetched = list(islice(self._waiting, TRANSACTIONS_PER_BATCH))
        found = self._rpc.transactions(self._fetched)
        # A hash that the node has forgotten was replaced or dropped before anybody could see it.
        return [*snapshot, *(transaction for transaction in found if transaction is not None)]

    def accept(self) -> None:
        """What was fetched last is committed."""
        for txid in self._fetched:
            self._waiting.pop(txid, None)
        self._fetched = []
        self._needs_snapshot = self._filter_id is None

    def _take_snapshot(self) -> list[Json]:
        """A new filter, then what was pending before it. A node without filters gives its pending block at each look."""
        self._filter_id = self._filter_id or self._rpc.new_pending_filter()
        return self._rpc.pending_block()
