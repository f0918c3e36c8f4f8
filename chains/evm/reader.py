"""Reading an EVM network from one node: full blocks for the coin, one log filter for all admitted tokens, a filter for
pending transactions.

Blocks and logs of a range are asked for in one batch; a log whose block hash is not that of the block read beside it means
that the chain moved meanwhile, and the range is cut there. A coin transfer counts only when its receipt says success.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from chains.evm.pending import PendingTransactions
from chains.evm.rpc import EvmRpc, Json, number
from chains.evm.transfers import coin_transfer, keys, log_filter, pending_transfers, token_transfer
from chains.nodes import NodeError, NodeUnreachable, NodeWrongChain
from chains.observation import (
    BlockHeader,
    Departure,
    FindWatched,
    FoundBlock,
    FoundTransfer,
    Glance,
    Position,
    Unmined,
)

BLOCKS_PER_BATCH_FIRST = 16
BLOCKS_PER_BATCH_MAX = 128
ANSWER_SECONDS_FAST = 1.0
ANSWER_SECONDS_SLOW = 5.0
# The anchor block is asked for again after this long: a node behind the same address may have been replaced.
IDENTITY_SECONDS = 60.0

GONE_REVERTED = Departure("reverted: the call failed on the chain and moved nothing")
GONE_DROPPED = Departure("replaced or dropped: the node does not know it any more")
GONE_MOVED_NOTHING = Departure("mined without moving anything to this address")


class EvmReader:
    """Implements ``chains.observation.ChainReader`` for one EVM node."""

    def __init__(self, rpc: EvmRpc, *, chain_id: int, anchor: Position, contracts: Collection[bytes]) -> None:
        self.name = rpc.name
        self.contracts = frozenset(contracts)
        self._rpc = rpc
        self._chain_id = chain_id
        self._anchor = anchor
        self._pending = PendingTransactions(rpc)
        self._identified_at: float | None = None
        self._range = BLOCKS_PER_BATCH_FIRST
        self._tip_height = 0

    def glance(self) -> Glance:
        calls: list[tuple[str, list[Any]]] = [
            ("eth_chainId", []),
            ("eth_getBlockByNumber", ["latest", False]),
            ("eth_syncing", []),
            *self._pending.calls(),
        ]
        check_anchor = (
            self._identified_at is None or time.monotonic() - self._identified_at > IDENTITY_SECONDS
        )
        if check_anchor:
            calls.append(("eth_getBlockByNumber", [hex(self._anchor.height), False]))
        results = self._ask(calls)
        self._check_chain_id(results[0])
        if check_anchor:
            self._check_anchor(results.pop())
        self._pending.take(results[3:])
        tip = _position(self._known(results[1]), self.name)
        self._tip_height = tip.height
        syncing = results[2]
        return Glance(
            tip, "the node is still synchronising" if syncing and not isinstance(syncing, NodeError) else ""
        )

    def hashes_at(self, heights: Sequence[int]) -> list[bytes | None]:
        return [
            bytes.fromhex(block["hash"][2:]) if block else None
            for block in self._rpc.blocks(heights, full=False)
        ]

    def headers(self, heights: Sequence[int]) -> list[BlockHeader]:
        return [self._header(block) for block in self._rpc.blocks(heights, full=False) if block]

    def blocks(self, first: int, last: int, watched: FindWatched) -> list[FoundBlock]:
        found, logs = self._blocks_and_logs(first, last)
        linked = _until_gap(found, first, self.name)
        by_block = self._transfers_by_block(linked, logs)
        ours = watched({key for transfers in by_block for key in keys(transfers)})
        hits = [[transfer for transfer in transfers if transfer.key in ours] for transfers in by_block]
        failed = self._failed_coin_transfers(
            [transfer for transfers in hits for transfer in transfers], linked
        )
        return [
            FoundBlock(
                self._header(block), [transfer for transfer in transfers if transfer.txid not in failed]
            )
            for block, transfers in zip(linked, hits, strict=True)
        ]

    def unmined(self, scanned_height: int, watched: FindWatched) -> Unmined:
        transactions = self._pending.fetch()
        transfers = [
            transfer
            for transaction in transactions
            # One in a block that was read is told by the block; one in a later block has not been told yet.
            if transaction.get("blockNumber") is None
            or number(transaction["blockNumber"], self.name) > scanned_height
            for transfer in pending_transfers(transaction, self.contracts)
        ]
        ours = watched(keys(transfers))
        return Unmined(
            [transfer for transfer in transfers if transfer.key in ours], self._pending.all_fetched
        )

    def absent(self, txids: Sequence[bytes], *, tip_changed: bool) -> dict[bytes, Departure]:
        if tip_changed:
            return {}
        # The receipt is asked for first: a transaction mined in between is then still known by its hash.
        texts = ["0x" + txid.hex() for txid in txids]
        receipts = self._rpc.receipts(texts)
        known = self._rpc.transactions(texts)
        gone = {}
        for txid, receipt, transaction in zip(txids, receipts, known, strict=True):
            if receipt is None and transaction is None:
                gone[txid] = GONE_DROPPED
            elif receipt is not None and number(receipt["blockNumber"], self.name) <= self._tip_height:
                # Every block up to there has been read, and what moved has been told by it.
                gone[txid] = GONE_MOVED_NOTHING if _succeeded(receipt) else GONE_REVERTED
        return gone

    def reassess(self, txids: Sequence[bytes]) -> dict[bytes, Sequence[str]]:
        # Nothing counts here before it is in a block.
        return {}

    def accept(self) -> None:
        self._pending.accept()

    def _ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        try:
            return self._rpc.batch(calls)
        except NodeUnreachable:
            # Whoever answers next on this address may be another node.
            self._identified_at = None
            self._pending.forget_filter()
            raise

    def _known(self, result: Any) -> Json:
        if isinstance(result, NodeError):
            raise result
        if not isinstance(result, dict):
            raise NodeUnreachable(f"{self.name}: not the answer of an EVM node")
        return result

    def _check_chain_id(self, answer: Any) -> None:
        if isinstance(answer, NodeError):
            raise answer
        chain_id = number(answer, self.name)
        if chain_id != self._chain_id:
            raise NodeWrongChain(f"{self.name} is a node of chain {chain_id}, not of {self._chain_id}")

    def _check_anchor(self, answer: Any) -> None:
        if answer is None:
            return  # a node that has just begun to download: it is behind, which shows elsewhere
        if _position(self._known(answer), self.name).hash != self._anchor.hash:
            raise NodeWrongChain(f"{self.name} has another block at height {self._anchor.height}")
        self._identified_at = time.monotonic()

    def _blocks_and_logs(self, first: int, last: int) -> tuple[list[Json | None], list[Json]]:
        """As many blocks at once as the node answers gladly: half as many after an error or a slow answer, then more."""
        while True:
            asked_at = time.monotonic()
            try:
                answer = self._rpc.blocks_and_logs(
                    first, min(last, first + self._range - 1), log_filter(self.contracts)
                )
            except NodeUnreachable:
                self._range = max(1, self._range // 2)
                raise
            except NodeError:
                # Nodes say "too much at once" in many ways; what is no such thing is still there with one block.
                if self._range == 1:
                    raise
                self._range //= 2
                continue
            self._adapt_range(time.monotonic() - asked_at)
            return answer

    def _adapt_range(self, answer_seconds: float) -> None:
        if answer_seconds > ANSWER_SECONDS_SLOW:
            self._range = max(1, self._range // 2)
        elif answer_seconds < ANSWER_SECONDS_FAST:
            self._range = min(BLOCKS_PER_BATCH_MAX, self._range * 2)

    def _transfers_by_block(self, blocks: list[Json], logs: Sequence[Json]) -> list[list[FoundTransfer]]:
        """The transfers of each block. Cuts ``blocks`` before the first whose logs are of another block at its height."""
        place = {block["hash"]: n for n, block in enumerate(blocks)}
        heights = {block["number"]: n for n, block in enumerate(blocks)}
        transfers = [
            [found for tx in block["transactions"] if (found := coin_transfer(tx))] for block in blocks
        ]
        end = len(blocks)
        for log in logs:
            if log["blockHash"] in place:
                if found := token_transfer(log, self.contracts):
                    transfers[place[log["blockHash"]]].append(found)
            elif log["blockNumber"] in heights:
                end = min(end, heights[log["blockNumber"]])
        del blocks[end:]
        return transfers[:end]

    def _failed_coin_transfers(self, hits: Sequence[FoundTransfer], blocks: Sequence[Json]) -> set[bytes]:
        """The txids among ``hits`` whose coin did not move because the call failed.

        Raises:
            NodeUnreachable: a receipt is missing or of another block; the chain moved, and the step is repeated.
        """
        txids = [hit.txid for hit in hits if hit.contract is None]
        hashes = {block["hash"] for block in blocks}
        failed = set()
        for txid, receipt in zip(
            txids, self._rpc.receipts(["0x" + txid.hex() for txid in txids]), strict=True
        ):
            if receipt is None or receipt["blockHash"] not in hashes:
                raise NodeUnreachable(f"{self.name}: a receipt of a block just read is missing")
            if not _succeeded(receipt):
                failed.add(txid)
        return failed

    def _header(self, block: Json) -> BlockHeader:
        position = _position(block, self.name)
        return BlockHeader(
            height=position.height,
            hash=position.hash,
            parent_hash=bytes.fromhex(block["parentHash"][2:]),
            time=datetime.fromtimestamp(number(block["timestamp"], self.name), UTC),
        )


def _succeeded(receipt: Json) -> bool:
    return receipt.get("status") == "0x1"


def _position(block: Json, name: str) -> Position:
    return Position(number(block.get("number"), name), bytes.fromhex(block["hash"][2:]))


def _until_gap(blocks: Sequence[Json | None], first: int, name: str) -> list[Json]:
    """The blocks up to the first that is missing or not the one asked for."""
    present: list[Json] = []
    for height, block in enumerate(blocks, start=first):
        if block is None or number(block.get("number"), name) != height:
            break
        present.append(block)
    return present
