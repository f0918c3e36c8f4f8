"""Which transactions of a node's mempool have not been looked at: by comparing its whole list, and by what it announces.

Without announcements, or with a small mempool, the whole list is compared in every step. With them a big list is compared
every few seconds only, and the steps between look at what was announced. What has been looked at is kept in this process
only: losing it costs one more look at the mempool.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from chains.bitcoin.announcements import Announcements, Heard
from chains.bitcoin.rpc import BitcoinRpc, ChainState
from chains.bitcoin.spending import txid_of
from chains.bitcoin.transfers import BadBlock

# How many transactions are fetched at once, and in one step.
TRANSACTIONS_PER_BATCH = 500
TRANSACTIONS_PER_STEP = 5_000
# How many announced ones are kept for a step that does not come.
ANNOUNCED_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Listing:
    """When a mempool is listed although the node announces: always up to ``small_count`` transactions, else so often."""

    small_count: int = 1_000
    every_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class NewTransactions:
    """Transactions to look at, txid (hex) → raw, and those of them that were announced but not listed by the node.

    ``complete``: there are no others; ``announced_only``: none that were announced.
    """

    raws: dict[str, bytes] = field(default_factory=dict)
    unlisted: frozenset[str] = frozenset()
    complete: bool = True
    announced_only: bool = False


class MempoolView:
    """One node's mempool, as far as this process has looked at it."""

    def __init__(
        self, rpc: BitcoinRpc, announcements: Announcements | None = None, listing: Listing | None = None
    ) -> None:
        self._rpc = rpc
        self._announcements = announcements
        self._listing = listing or Listing()
        self._looked_at: set[str] = set()
        self._looking_at: set[str] = set()
        self._listed: set[str] | None = set()
        self._size = 0
        self._list_at = 0.0
        self._announced: dict[str, bytes] = {}
        self._left: set[str] = set()
        # Listed by the node, but not announced so far: after the next look that means that announcements get lost.
        self._unannounced: set[str] = set()
        self._trusted = False
        self._is_silent = False

    def wants_list(self) -> bool:
        """Hear what was announced; then whether this step has to compare the whole list. Comes before the node is asked."""
        if self._announcements is None:
            return True
        self._take_announced(self._announcements.drain())
        is_due = time.monotonic() >= self._list_at
        return is_due or self._size <= self._listing.small_count or not self._is_trustworthy()

    def take(self, state: ChainState) -> None:
        """What the node answered in this step."""
        self._size = state.mempool_size
        self._listed = None if state.mempool_txids is None else set(state.mempool_txids)
        if self._listed is None:
            return
        self._looked_at &= self._listed
        self._left.clear()
        if self._announcements is not None:
            self._list_at = time.monotonic() + self._listing.every_seconds
            known = self._looked_at | self._announced.keys()
            self._unannounced = self._listed - known if self._trusted else set()
            self._announcements.start_over()
            self._trusted = self._announcements.is_unbroken and not self._is_silent

    def new(self) -> NewTransactions:
        """The transactions that have not been looked at."""
        announced = {txid: raw for txid, raw in self._announced.items() if txid not in self._looked_at}
        if self._listed is None:
            self._looking_at = set(announced)
            return NewTransactions(announced, frozenset(announced), announced_only=True)
        new = self._listed - self._looked_at
        wanted = list(islice(new, TRANSACTIONS_PER_STEP))
        raws = self._fetch([txid for txid in wanted if txid not in announced])
        raws |= announced
        self._looking_at = set(raws)
        # One that left the mempool since it was listed may be in a block that we have not read: look again first.
        complete = len(new) <= TRANSACTIONS_PER_STEP and all(txid in raws for txid in wanted)
        return NewTransactions(raws, frozenset(raws.keys() - self._listed), complete)

    def missing(self, txids: Iterable[str]) -> list[str]:
        """Those of ``txids`` that the mempool seems not to hold: not in its list, or announced to have left."""
        if self._listed is None:
            return [txid for txid in txids if txid in self._left]
        return [txid for txid in txids if txid not in self._listed]

    def forget(self, txids: Iterable[str]) -> None:
        """``txids`` are to be looked at again when they are there."""
        forgotten = set(txids)
        self._looked_at -= forgotten
        self._looking_at -= forgotten

    def accept(self) -> None:
        """What was given out by ``new`` is committed."""
        self._looked_at |= self._looking_at
        self._looking_at = set()
        self._announced.clear()

    def _is_trustworthy(self) -> bool:
        assert self._announcements is not None
        self._is_silent = self._is_silent or bool(self._unannounced)
        self._trusted = self._trusted and self._announcements.is_unbroken and not self._is_silent
        return self._trusted

    def _take_announced(self, heard: Heard) -> None:
        self._is_silent = self._is_silent and not heard.transactions
        for raw in heard.transactions:
            try:
                self._announced[txid_of(raw).hex()] = raw
            except BadBlock:
                continue  # not from a Bitcoin node; the list will tell
        if len(self._announced) > ANNOUNCED_MAX:
            # The node announces but does not answer: its list will tell, when it does.
            self._announced.clear()
            self._trusted = False
        self._left |= heard.left
        self._looked_at -= heard.left
        self._unannounced -= self._announced.keys()

    def _fetch(self, txids: Sequence[str]) -> dict[str, bytes]:
        raws: dict[str, bytes] = {}
        for start in range(0, len(txids), TRANSACTIONS_PER_BATCH):
            batch = txids[start : start + TRANSACTIONS_PER_BATCH]
            found = zip(batch, self._rpc.raw_transactions(batch), strict=True)
            raws |= {txid: raw for txid, raw in found if raw is not None}
        return raws
