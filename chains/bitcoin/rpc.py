"""Bitcoin Core's methods that the watcher uses, typed, in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chains.bitcoin.unconfirmed import PoolEntry
from chains.nodes import Call, JsonRpcNode, NodeError, NodeUnreachable, raise_first_error
from chains.observation import Outpoint

# RPC_INVALID_PARAMETER: a height above the tip. RPC_INVALID_ADDRESS_OR_KEY: a txid or block that is not there.
_OUT_OF_RANGE = -8
_NOT_FOUND = -5
# A transaction is prompt when it is likely in one of the next two blocks: the nearest that a node estimates.
PROMPT_BLOCKS = 2


@dataclass(frozen=True, slots=True)
class ChainState:
    """One consistent look: hashes in hex, big-endian. ``mempool_txids`` (None: not asked for) were
    listed before ``tip_hash`` was.
    """

    chain: str
    anchor_hash: str | None
    mempool_txids: Sequence[str] | None
    mempool_size: int
    mempool_loaded: bool
    tip_height: int
    tip_hash: str
    header_height: int


class BitcoinRpc:
    """One bitcoind, or a node that answers like it."""

    def __init__(self, node: JsonRpcNode) -> None:
        self._node = node
        self.name = node.name

    def state(self, anchor_height: int, *, list_mempool: bool = True) -> ChainState:
        """Which chain, what is in the mempool, and then where the tip is, in one batch that the node works off in order.

        The order matters: a transaction that is missing from the list was mined at or below the tip named after it.
        """
        calls: list[Call] = [("getblockhash", [anchor_height]), ("getmempoolinfo", [])]
        calls += [("getrawmempool", [])] if list_mempool else []
        results = self._node.batch([*calls, ("getblockchaininfo", [])])
        anchor, pool, info = results[0], results[1], results[-1]
        raise_first_error(results[1:])
        try:
            return ChainState(
                chain=info["chain"],
                anchor_hash=None if isinstance(anchor, NodeError) else str(anchor),
                mempool_txids=results[2] if list_mempool else None,
                mempool_size=pool["size"],
                mempool_loaded=pool.get("loaded", True),
                tip_height=info["blocks"],
                tip_hash=info["bestblockhash"],
                header_height=info["headers"],
            )
        except (KeyError, TypeError, AttributeError):
            raise NodeUnreachable(f"{self.name}: not the answers of a Bitcoin node") from None

    def block_hashes(self, heights: Sequence[int]) -> list[str | None]:
        """Hashes at ``heights``; None above the tip."""
        return _absent_as_none(
            self._node.batch([("getblockhash", [height]) for height in heights]), _OUT_OF_RANGE
        )

    def raw_headers(self, hashes: Sequence[str]) -> list[bytes]:
        """80-byte headers."""
        return self._all([("getblockheader", [block_hash, False]) for block_hash in hashes])

    def raw_blocks(self, hashes: Sequence[str]) -> list[bytes]:
        """Whole blocks with their witnesses."""
        return self._all([("getblock", [block_hash, 0]) for block_hash in hashes])

    def raw_transactions(self, txids: Sequence[str]) -> list[bytes | None]:
        """Raw transactions of the mempool; None for one that is not there (any more)."""
        results = _absent_as_none(
            self._node.batch([("getrawtransaction", [txid]) for txid in txids]), _NOT_FOUND
        )
        return [None if result is None else bytes.fromhex(result) for result in results]

    def absent_from_mempool(self, txids: Sequence[str], tip_hash: str) -> list[str]:
        """Those of ``txids`` that the mempool does not hold; none when a block came in since ``tip_hash`` was the tip.

        One batch in order: a transaction that is missing while the tip has stayed was not mined meanwhile.
        """
        entries = self._node.batch([*_entry_calls(txids), ("getbestblockhash", [])])
        best = entries.pop()
        if best != tip_hash:
            return []
        known = _absent_as_none(entries, _NOT_FOUND)
        return [txid for txid, entry in zip(txids, known, strict=True) if entry is None]

    def blocks_touching(self, descriptors: Mapping[str, int], first: int, last: int) -> list[str]:
        """Hashes of the blocks between the heights whose filters match one of the descriptors' first scripts (so many each).

        A few match by chance. In no promised order.

        Raises:
            NodeError: the node has no block filters, not all of them yet, or scans for somebody else.
        """
        objects = [{"desc": text, "range": [0, count - 1]} for text, count in descriptors.items()]
        answer = self._node.call("scanblocks", ["start", objects, first, last])
        try:
            return [str(found) for found in answer["relevant_blocks"]]
        except (KeyError, TypeError):
            raise NodeUnreachable(f"{self.name}: not the answer of a Bitcoin node") from None

    def heights_of(self, hashes: Sequence[str]) -> list[int]:
        """The heights of blocks that the node has."""
        headers = self._node.batch([("getblockheader", [block_hash]) for block_hash in hashes])
        raise_first_error(headers)
        return [int(header["height"]) for header in headers]

    def spenders(self, outpoints: Sequence[Outpoint]) -> dict[Outpoint, bytes]:
        """Which transaction of the mempool spends each of ``outpoints``; one that none spends is left out."""
        asked = [{"txid": outpoint.txid.hex(), "vout": outpoint.index} for outpoint in outpoints]
        answers = self._node.call("gettxspendingprevout", [asked]) if asked else []
        return {
            outpoint: bytes.fromhex(answer["spendingtxid"])
            for outpoint, answer in zip(outpoints, answers, strict=True)
            if "spendingtxid" in answer
        }

    def pool_entries(self, txids: Sequence[str]) -> tuple[list[PoolEntry | None], int]:
        """The mempool's entries of ``txids`` (None: not there), and the fee rate for a prompt block in satoshi per kvB.

        Where the node has no estimate (a quiet network, a fresh node), the least at which it keeps a transaction.
        """
        results = self._node.batch(
            [("getmempoolinfo", []), ("estimatesmartfee", [PROMPT_BLOCKS]), *_entry_calls(txids)]
        )
        pool, estimate = results[:2]
        raise_first_error([pool, estimate])
        entries = _absent_as_none(results[2:], _NOT_FOUND)
        try:
            rates = [pool["mempoolminfee"], pool["minrelaytxfee"], estimate.get("feerate", 0)]
            return [_pool_entry(entry) for entry in entries], max(map(_satoshi, rates))
        except (KeyError, TypeError, AttributeError):
            raise NodeUnreachable(f"{self.name}: not the answers of a Bitcoin node") from None

    def _all(self, calls: list[tuple[str, list[Any]]]) -> list[bytes]:
        results = self._node.batch(calls)
        raise_first_error(results)
        return [bytes.fromhex(result) for result in results]


def _entry_calls(txids: Sequence[str]) -> list[Call]:
    return [("getmempoolentry", [txid]) for txid in txids]


def _pool_entry(entry: dict[str, Any] | None) -> PoolEntry | None:
    if entry is None:
        return None
    return PoolEntry(_satoshi(entry["fees"]["base"]), entry["vsize"], entry["ancestorcount"])


def _satoshi(amount_btc: float | int) -> int:
    """An amount of the node's JSON, which has at most eight decimals, in satoshi."""
    return int((Decimal(repr(amount_btc)) * 100_000_000).to_integral_value())


def _absent_as_none(results: list[Any], absent_code: int) -> list[Any]:
    known = [
        None if isinstance(result, NodeError) and result.code == absent_code else result for result in results
    ]
    raise_first_error(known)
    return known
