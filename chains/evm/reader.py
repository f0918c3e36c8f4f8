"""Reading an EVM network from one node: full blocks for the coin, one log filter for all admitted tokens, traces for coin that
contracts send, a filter for pending transactions.

Blocks and logs of a range are asked for in one batch; a log whose block hash is not that of the block read beside it means
that the chain moved meanwhile, and the range is cut there. A coin transfer counts only when its receipt says success. Logs are
held against the block's header (``log_check``), token amounts against balances (``arrivals``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from chains.collector import collector_at_rest
from chains.evm import linking, log_check
from chains.evm.answer_shape import fault_of_the_node
from chains.evm.arrivals import Arrivals
from chains.evm.coin_balances import coin_balances
from chains.evm.inside_calls import InsideCalls
from chains.evm.node_identity import NodeIdentity
from chains.evm.pending import PendingTransactions
from chains.evm.range_reading import RangeReading
from chains.evm.rpc import EvmRpc, Json, number
from chains.evm.transfers import (
    coin_recipients,
    keys,
    pending_transfers,
    token_recipients,
    transfers_by_block,
)
from chains.nodes import NodeError, NodeUnreachable
from chains.observation import (
    COIN_INDEX,
    BlockHeader,
    Departure,
    FindWatched,
    FoundBlock,
    FoundTransfer,
    Glance,
    Position,
    Unmined,
)

logger = logging.getLogger(__name__)

GONE_REVERTED = Departure("reverted: the call failed on the chain and moved nothing")
GONE_DROPPED = Departure("replaced or dropped: the node does not know it any more")
GONE_MOVED_NOTHING = Departure("mined without moving anything to this address")

# All deposit addresses of the network while they are few, else None.
FewRecipients = Callable[[], frozenset[bytes] | None]


def nobody_knows() -> None:
    """The ``FewRecipients`` of a reader that asks for every transfer of its tokens."""
    return


class EvmReader:
    """Implements ``chains.observation.ChainReader`` for one EVM node.

    ``finality_tag`` is the network's, ``final_depth`` the confirmations that stand in for it at a node that does not know it.
    ``recipients`` is asked before and after a range is read. Without ``reads_coin`` (the network's coin is not admitted) blocks
    are read without their transactions.
    """

    def __init__(
        self,
        rpc: EvmRpc,
        *,
        chain_id: int,
        anchor: Position,
        contracts: Collection[bytes],
        finality_tag: str = "",
        final_depth: int = 0,
        recipients: FewRecipients = nobody_knows,
        reads_coin: bool = True,
        wants_traces: bool = True,
    ) -> None:
        self.name = rpc.name
        self.contracts = frozenset(contracts)
        self.inside_calls = InsideCalls(rpc, wanted=wants_traces and reads_coin)
        self._rpc = rpc
        self._identity = NodeIdentity(rpc.name, chain_id=chain_id, anchor=anchor)
        self._finality_tag = finality_tag
        self._final_depth = final_depth
        self._knows_tag = True
        self._recipients = recipients
        self._reads_coin = reads_coin
        self._pending = PendingTransactions(rpc)
        self._ranges = RangeReading(rpc, full=reads_coin)
        self._arrivals = Arrivals(rpc)
        self._tip_height = 0

    @fault_of_the_node
    def glance(self) -> Glance:
        identity, tag, pending = self._identity.calls(), self._finality_calls(), self._pending.calls()
        results = iter(
            self._ask(
                [("eth_getBlockByNumber", ["latest", False]), ("eth_syncing", []), *identity, *tag, *pending]
            )
        )
        latest, syncing = next(results), next(results)
        self._identity.take([next(results) for _ in identity])
        final = [next(results) for _ in tag]
        self._pending.take(list(results))
        tip = _position(_known(latest, self.name), self.name)
        self._tip_height = tip.height
        is_syncing = bool(syncing) and not isinstance(syncing, NodeError)
        return Glance(
            tip,
            "the node is still synchronising" if is_syncing else "",
            self._final_height(final[0], tip) if final else None,
        )

    @fault_of_the_node
    def hashes_at(self, heights: Sequence[int]) -> list[bytes | None]:
        return [
            bytes.fromhex(block["hash"][2:]) if block else None
            for block in self._rpc.blocks(heights, full=False)
        ]

    @fault_of_the_node
    def headers(self, heights: Sequence[int]) -> list[BlockHeader]:
        return [self._header(block) for block in self._rpc.blocks(heights, full=False) if block]

    @collector_at_rest()
    @fault_of_the_node
    def blocks(self, first: int, last: int, watched: FindWatched) -> list[FoundBlock]:
        linked, logs = self._linked_blocks_and_logs(first, last)
        logs = linking.cut_where_moved(linked, logs)
        inside = self.inside_calls.of(linked)
        # Whole transfers are made of what is ours alone: nearly all that moves on a network is not.
        recipients = token_recipients(logs) | self._coin_recipients(linked)
        ours = watched({*recipients.values(), *(key for transfers in inside for key in keys(transfers))})
        paying = {text for text, key in recipients.items() if key in ours}
        hits = [
            [*transfers, *(transfer for transfer in more if transfer.key in ours)]
            for transfers, more in zip(
                transfers_by_block(linked, logs, self.contracts, paying), inside, strict=True
            )
        ]
        failed = self._failed_coin_transfers(
            [transfer for transfers in hits for transfer in transfers], linked
        )
        moved = [[transfer for transfer in transfers if transfer.txid not in failed] for transfers in hits]
        arrived = self._arrivals.checked(linked, moved)
        return [
            FoundBlock(self._header(block), transfers)
            for block, transfers in zip(linked, arrived, strict=True)
        ]

    @fault_of_the_node
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

    @fault_of_the_node
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

    @fault_of_the_node
    def coin_balances(self, questions: Sequence[tuple[bytes, bytes]]) -> list[int | None]:
        """The wei at each (address, block hash); None where the node does not say, as it may of older blocks."""
        return coin_balances(self._rpc, questions)

    def _ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        try:
            return self._rpc.batch(calls)
        except NodeUnreachable:
            # Whoever answers next on this address may be another node.
            self._identity.forget()
            self._pending.forget_filter()
            raise

    def _finality_calls(self) -> list[tuple[str, list[Any]]]:
        return [("eth_getBlockByNumber", [self._finality_tag, False])] if self._finality_tag else []

    def _final_height(self, answer: Any, tip: Position) -> int:
        """The height of the tag's block; of a node that does not know the tag, the newest block deep enough."""
        knows_tag = isinstance(answer, dict)
        if self._knows_tag and not knows_tag:
            logger.warning(
                "the node does not know the tag %s: depth alone decides",
                self._finality_tag,
                extra={"node": self.name},
            )
        self._knows_tag = knows_tag
        if knows_tag:
            return min(tip.height, _position(answer, self.name).height)
        return tip.height - self._final_depth + 1

    def _linked_blocks_and_logs(self, first: int, last: int) -> tuple[list[Json], Sequence[Json]]:
        """Blocks without a gap and all transfers in their logs that can be to us."""
        recipients = self._recipients()
        blocks, logs = self._read_range(first, last, recipients)
        if recipients is not None and self._recipients() != recipients:
            # An address was given out after the filter was made, and may have been paid in these very blocks.
            blocks, logs = self._read_range(first, last, None)
        return blocks, logs

    def _read_range(
        self, first: int, last: int, recipients: frozenset[bytes] | None
    ) -> tuple[list[Json], Sequence[Json]]:
        log_filter = log_check.token_filter(self.contracts, recipients)
        found, logs = self._ranges.read(first, last, log_filter)
        blocks = linking.until_gap(found, first, self.name)
        if log_filter is None:
            return blocks, []
        return blocks, log_check.complete(self._rpc, blocks, logs, self.contracts, recipients)

    def _coin_recipients(self, blocks: Sequence[Json]) -> dict[str, bytes]:
        if not self._reads_coin:
            return {}
        return coin_recipients(transaction for block in blocks for transaction in block["transactions"])

    def _failed_coin_transfers(self, hits: Sequence[FoundTransfer], blocks: Sequence[Json]) -> set[bytes]:
        """The txids among ``hits`` whose coin did not move because the call failed.

        Raises:
            NodeUnreachable: a receipt is missing or of another block; the chain moved, and the step is repeated.
        """
        txids = [hit.txid for hit in hits if hit.index == COIN_INDEX]
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


def _known(result: Any, name: str) -> Json:
    if isinstance(result, NodeError):
        raise result
    if not isinstance(result, dict):
        raise NodeUnreachable(f"{name}: not the answer of an EVM node")
    return result


def _succeeded(receipt: Json) -> bool:
    return receipt.get("status") == "0x1"


def _position(block: Json, name: str) -> Position:
    return Position(number(block.get("number"), name), bytes.fromhex(block["hash"][2:]))
