"""Reading a Bitcoin network from one node: raw blocks checked against their hashes, and its mempool.

Outputs are matched against our addresses, hits are read a second time by python-bitcoinlib. What a transfer of ours spends is
watched as well: whoever else spends it takes its place. A transfer in the mempool is judged by what speaks against counting
it before it is in a block.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

from chains.bitcoin import second_reading
from chains.bitcoin.mempool import MempoolView, NewTransactions
from chains.bitcoin.rpc import BitcoinRpc, ChainState
from chains.bitcoin.spending import Spending, double_spends, read_spending
from chains.bitcoin.transfers import Output, RawBlock, RawHeader, read_block, read_header, read_transaction
from chains.bitcoin.unconfirmed import risks
from chains.nodes import NodeError, NodeWrongChain
from chains.observation import (
    BlockHeader,
    Departure,
    FindWatched,
    FoundBlock,
    FoundTransfer,
    Glance,
    Outpoint,
    Position,
    Unmined,
)

# How much one answer may weigh while catching up.
ANSWER_BYTES_TARGET = 16_000_000
BLOCKS_PER_BATCH_MAX = 64
# A header may arrive a moment before its block; further ahead means the node is still fetching blocks.
HEADERS_AHEAD_MAX = 1
# What speaks against an unmined transfer is judged anew with every block, and after this long: fees move between blocks.
REASSESS_SECONDS = 10.0
# With many unmined ones a block makes all of them due at once; a step must stay short.
REASSESSED_PER_STEP = 100

DROPPED = Departure("dropped: the node's mempool does not hold it any more")
REPLACED_REASON = "replaced by {txid}"


class SpentByOurs(Protocol):
    """What the transactions that pay us spend: questions to the database, asked in no database transaction."""

    def of(self, txids: Collection[bytes]) -> Mapping[bytes, Sequence[Outpoint]]:
        """What each of ``txids`` spends."""

    def that_blocks_may_spend(self, first_height: int) -> Mapping[Outpoint, Collection[bytes]]:
        """Outpoint → transfers of ours that would spend it and are not mined below ``first_height``."""


@dataclass(frozen=True, slots=True)
class _Assessment:
    tip_hash: str
    at: float
    risks: tuple[str, ...]


class BitcoinReader:
    """Implements ``chains.observation.ChainReader`` for one bitcoind."""

    def __init__(
        self,
        rpc: BitcoinRpc,
        *,
        chain: str,
        anchor: Position,
        spent_by_ours: SpentByOurs,
        mempool: MempoolView,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = rpc.name
        self._rpc = rpc
        self._chain = chain
        self._anchor = anchor
        self._spent_by_ours = spent_by_ours
        self._mempool = mempool
        self._clock = clock
        self._state: ChainState | None = None
        self._assessed: dict[bytes, _Assessment] = {}
        self._assessing: dict[bytes, _Assessment] = {}
        self._block_bytes = 500_000
        self._may_have_filters = True

    def glance(self) -> Glance:
        state = self._rpc.state(self._anchor.height, list_mempool=self._mempool.wants_list())
        self._check_identity(state)
        self._state = state
        self._assessing = {}
        self._mempool.take(state)
        tip = Position(state.tip_height, bytes.fromhex(state.tip_hash))
        if state.header_height > state.tip_height + HEADERS_AHEAD_MAX:
            return Glance(tip, f"the node has {state.tip_height} of {state.header_height} blocks")
        if not state.mempool_loaded:
            return Glance(tip, "the node is still loading its mempool")
        return Glance(tip)

    def hashes_at(self, heights: Sequence[int]) -> list[bytes | None]:
        return [bytes.fromhex(found) if found else None for found in self._rpc.block_hashes(heights)]

    def headers(self, heights: Sequence[int]) -> list[BlockHeader]:
        hashes = [found for found in self._rpc.block_hashes(heights) if found]
        raw_headers = self._rpc.raw_headers(hashes)
        return [_header(height, read_header(raw)) for height, raw in zip(heights, raw_headers, strict=False)]

    def blocks(self, first: int, last: int, watched: FindWatched) -> list[FoundBlock]:
        count = max(1, min(BLOCKS_PER_BATCH_MAX, ANSWER_BYTES_TARGET // self._block_bytes))
        heights = range(first, min(last, first + count - 1) + 1)
        hashes = [found for found in self._rpc.block_hashes(heights) if found]
        raws = self._rpc.raw_blocks(hashes)
        if not raws:
            return []
        self._block_bytes = max(1, max(map(len, raws)))
        parsed = [
            read_block(raw, expected_hash=bytes.fromhex(asked))
            for raw, asked in zip(raws, hashes, strict=True)
        ]
        ours = watched({script for block in parsed for script in block.scripts})
        contested = self._spent_by_ours.that_blocks_may_spend(first)
        return [
            self._found_block(height, block, raw, ours, contested)
            for height, block, raw in zip(heights, parsed, raws, strict=False)
        ]

    def unmined(self, scanned_height: int, watched: FindWatched) -> Unmined:
        new = self._mempool.new()
        outputs = [
            output
            for txid, raw in new.raws.items()
            for output in read_transaction(raw, expected_txid=bytes.fromhex(txid))
        ]
        ours = watched({output.script for output in outputs})
        paying = _confirmed([output for output in outputs if output.script in ours])
        transfers, complete = self._assessed_transfers(paying, new)
        return Unmined(transfers, complete=complete and new.complete, announced_only=new.announced_only)

    def absent(self, txids: Sequence[bytes], *, tip_changed: bool) -> dict[bytes, Departure]:
        missing = self._mempool.missing(txid.hex() for txid in txids)
        if not missing or tip_changed:
            # With a block that came in between, missing may mean mined; the next step knows.
            return {}
        absent = [bytes.fromhex(txid) for txid in self._rpc.absent_from_mempool(missing, self._tip_hash)]
        self._mempool.forget(txid.hex() for txid in absent)
        return self._departures(absent)

    def reassess(self, txids: Sequence[bytes]) -> dict[bytes, Sequence[str]]:
        asked = set(txids)
        self._assessed = {txid: known for txid, known in self._assessed.items() if txid in asked}
        due = list(islice(filter(self._is_due, txids), REASSESSED_PER_STEP))
        if not due:
            return {}
        raws = self._rpc.raw_transactions([txid.hex() for txid in due])
        spendings = {txid: read_spending(raw) for txid, raw in zip(due, raws, strict=True) if raw is not None}
        found = self._assess(spendings)
        # Told again with each block: a reorganisation takes back what was written.
        return {txid: names for txid, names in found.items() if not self._was_told(txid, names)}

    def heights_with_hits(self, first: int, last: int, given_out: Mapping[str, int]) -> list[int] | None:
        """The heights from ``first`` to ``last`` of blocks that may pay the descriptors' addresses given out (so many each).

        None where the node cannot tell, because it keeps no block filters: then every block has to be read.
        """
        if not self._may_have_filters:
            return None
        try:
            hashes = self._rpc.blocks_touching(given_out, first, last)
        except NodeError:
            self._may_have_filters = False
            return None
        return sorted(self._rpc.heights_of(hashes))

    def accept(self) -> None:
        self._mempool.accept()
        self._assessed |= self._assessing
        self._assessing = {}

    @property
    def _tip_hash(self) -> str:
        assert self._state is not None, "glance comes first"
        return self._state.tip_hash

    def _check_identity(self, state: ChainState) -> None:
        if state.chain != self._chain:
            raise NodeWrongChain(f"{self.name} is a node of {state.chain!r}, not of {self._chain!r}")
        if state.anchor_hash is None and state.tip_height < self._anchor.height:
            return  # a node that has just begun to download: it is behind, which shows elsewhere
        if state.anchor_hash != self._anchor.hash.hex():
            raise NodeWrongChain(f"{self.name} has another block at height {self._anchor.height}")

    def _found_block(
        self,
        height: int,
        block: RawBlock,
        raw: bytes,
        ours: set[bytes],
        contested: Mapping[Outpoint, Collection[bytes]],
    ) -> FoundBlock:
        transfers = [
            _transfer(output, read_spending(output.raw)) for output in _confirmed(block.outputs_of(ours))
        ]
        double_spent = double_spends(raw, contested) if contested else {}
        self._mempool.forget(txid.hex() for txid in double_spent)
        return FoundBlock(_header(height, block.header), transfers, double_spent)

    def _assessed_transfers(
        self, paying: Sequence[Output], new: NewTransactions
    ) -> tuple[list[FoundTransfer], bool]:
        """The transfers of ``paying`` that the node still holds, and whether all it listed are among them."""
        spendings = {output.txid: read_spending(output.raw) for output in paying}
        assessed = self._assess(spendings)
        vanished = [txid.hex() for txid in spendings if txid not in assessed]
        self._mempool.forget(vanished)
        transfers = [
            _transfer(output, spendings[output.txid], assessed[output.txid])
            for output in paying
            if output.txid in assessed
        ]
        return transfers, new.unlisted.issuperset(vanished)

    def _assess(self, spendings: Mapping[bytes, Spending]) -> dict[bytes, tuple[str, ...]]:
        """What speaks against counting each now; one that the mempool does not hold any more is left out."""
        if not spendings:
            return {}
        entries, prompt_sat_per_kvb = self._rpc.pool_entries([txid.hex() for txid in spendings])
        found = {
            txid: risks(
                signals_replacement=spending.signals_replacement,
                entry=entry,
                prompt_sat_per_kvb=prompt_sat_per_kvb,
            )
            for (txid, spending), entry in zip(spendings.items(), entries, strict=True)
            if entry is not None
        }
        at = self._clock()
        self._assessing |= {txid: _Assessment(self._tip_hash, at, names) for txid, names in found.items()}
        return found

    def _is_due(self, txid: bytes) -> bool:
        if txid in self._assessing:
            return False
        known = self._assessed.get(txid)
        if known is None or known.tip_hash != self._tip_hash:
            return True
        return self._clock() - known.at >= REASSESS_SECONDS

    def _was_told(self, txid: bytes, names: tuple[str, ...]) -> bool:
        known = self._assessed.get(txid)
        return known is not None and known.tip_hash == self._tip_hash and known.risks == names

    def _departures(self, absent: Sequence[bytes]) -> dict[bytes, Departure]:
        """Why each is not in the mempool any more: because of whom it holds instead, as far as it holds anybody."""
        inputs = self._spent_by_ours.of(absent) if absent else {}
        spenders = self._rpc.spenders([outpoint for outpoints in inputs.values() for outpoint in outpoints])
        departures = dict.fromkeys(absent, DROPPED)
        for txid, outpoints in inputs.items():
            rivals = [spenders[outpoint] for outpoint in outpoints if outpoint in spenders]
            for rival in rivals[:1]:
                departures[txid] = Departure(REPLACED_REASON.format(txid=rival.hex()), rival)
        return departures


def _header(height: int, raw: RawHeader) -> BlockHeader:
    return BlockHeader(height, raw.hash, raw.parent_hash, datetime.fromtimestamp(raw.time, UTC))


def _confirmed(outputs: Sequence[Output]) -> list[Output]:
    """Those that move something, each read alike by a second program."""
    paying = [output for output in outputs if output.amount_sat > 0]
    for output in paying:
        second_reading.confirm(output)
    return paying


def _transfer(
    output: Output, spending: Spending, unconfirmed_risks: tuple[str, ...] | None = None
) -> FoundTransfer:
    return FoundTransfer(
        output.txid,
        output.index,
        output.script,
        None,
        output.amount_sat,
        inputs=spending.outpoints,
        unconfirmed_risks=unconfirmed_risks,
        is_coinbase=spending.is_coinbase,
    )
