"""Reading a Bitcoin network from one node: raw blocks checked against their hashes, and the mempool by comparing lists.

A step asks for the mempool's txids and the tip in one batch. Transactions not looked at before are fetched raw, their
outputs matched against our addresses; hits are read a second time by python-bitcoinlib. What was looked at is kept in this
process only: losing it costs one more look at the mempool.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

from chains.bitcoin import second_reading
from chains.bitcoin.rpc import BitcoinRpc, ChainState
from chains.bitcoin.transfers import Output, RawHeader, read_block, read_header, read_transaction
from chains.nodes import NodeWrongChain
from chains.observation import BlockHeader, FindWatched, FoundBlock, FoundTransfer, Glance, Position, Unmined

# How much one answer may weigh while catching up, and how many transactions are fetched at once.
ANSWER_BYTES_TARGET = 16_000_000
BLOCKS_PER_BATCH_MAX = 64
TRANSACTIONS_PER_BATCH = 500
TRANSACTIONS_PER_STEP = 5_000
# A header may arrive a moment before its block; further ahead means the node is still fetching blocks.
HEADERS_AHEAD_MAX = 1

GONE_REASON = "replaced, double-spent or dropped: the node's mempool does not hold it any more"


class BitcoinReader:
    """Implements ``chains.observation.ChainReader`` for one bitcoind."""

    def __init__(self, rpc: BitcoinRpc, *, chain: str, anchor: Position) -> None:
        self.name = rpc.name
        self._rpc = rpc
        self._chain = chain
        self._anchor = anchor
        self._state: ChainState | None = None
        self._looked_at: set[str] = set()
        self._looking_at: set[str] = set()
        self._block_bytes = 500_000

    def glance(self) -> Glance:
        state = self._rpc.state(self._anchor.height)
        self._check_identity(state)
        self._state = state
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
        return [
            FoundBlock(_header(height, block.header), _confirmed(block.outputs_of(ours)))
            for height, block in zip(heights, parsed, strict=False)
        ]

    def unmined(self, scanned_height: int, watched: FindWatched) -> Unmined:
        assert self._state is not None, "glance comes first"
        listed = set(self._state.mempool_txids)
        self._looked_at &= listed
        new = listed - self._looked_at
        outputs, missing = self._fetch(list(islice(new, TRANSACTIONS_PER_STEP)))
        ours = watched({output.script for output in outputs})
        transfers = _confirmed([output for output in outputs if output.script in ours])
        # One that left the mempool since it was listed may be in a block that we have not read: look again first.
        return Unmined(transfers, complete=len(new) <= TRANSACTIONS_PER_STEP and not missing)

    def absent(self, txids: Sequence[bytes], *, tip_changed: bool) -> dict[bytes, str]:
        assert self._state is not None, "glance comes first"
        listed = set(self._state.mempool_txids)
        missing = [txid.hex() for txid in txids if txid.hex() not in listed]
        if not missing or tip_changed:
            # With a block that came in between, missing may mean mined; the next step knows.
            return {}
        absent = self._rpc.absent_from_mempool(missing, self._state.tip_hash)
        return {bytes.fromhex(txid): GONE_REASON for txid in absent}

    def accept(self) -> None:
        self._looked_at |= self._looking_at
        self._looking_at = set()

    def _check_identity(self, state: ChainState) -> None:
        if state.chain != self._chain:
            raise NodeWrongChain(f"{self.name} is a node of {state.chain!r}, not of {self._chain!r}")
        if state.anchor_hash is None and state.tip_height < self._anchor.height:
            return  # a node that has just begun to download: it is behind, which shows elsewhere
        if state.anchor_hash != self._anchor.hash.hex():
            raise NodeWrongChain(f"{self.name} has another block at height {self._anchor.height}")

    def _fetch(self, txids: list[str]) -> tuple[list[Output], bool]:
        """The watchable outputs of ``txids``, and whether some transaction was not there any more."""
        outputs: list[Output] = []
        self._looking_at = set()
        for start in range(0, len(txids), TRANSACTIONS_PER_BATCH):
            batch = txids[start : start + TRANSACTIONS_PER_BATCH]
            for txid, raw in zip(batch, self._rpc.raw_transactions(batch), strict=True):
                if raw is not None:
                    outputs += read_transaction(raw, expected_txid=bytes.fromhex(txid))
                    self._looking_at.add(txid)
        return outputs, len(self._looking_at) < len(txids)


def _header(height: int, raw: RawHeader) -> BlockHeader:
    return BlockHeader(height, raw.hash, raw.parent_hash, datetime.fromtimestamp(raw.time, UTC))


def _confirmed(outputs: Sequence[Output]) -> list[FoundTransfer]:
    """Transfers of outputs that a second program reads alike. An output of 0 satoshi moves nothing."""
    paying = [output for output in outputs if output.amount_sat > 0]
    for output in paying:
        second_reading.confirm(output)
    return [
        FoundTransfer(output.txid, output.index, output.script, None, output.amount_sat) for output in paying
    ]
