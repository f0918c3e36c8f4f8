"""The Ethereum JSON-RPC methods that the watcher uses, in batches. Plain JSON in and out: web3's formatting of the same
answers costs some twenty times the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chains.nodes import JsonRpcNode, NodeError, NodeUnreachable, raise_first_error

Json = dict[str, Any]

CALLS_PER_BATCH = 100


class EvmRpc:
    """One EVM node."""

    def __init__(self, node: JsonRpcNode) -> None:
        self._node = node
        self.name = node.name

    def batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Results in order; a failed call is a NodeError in its place."""
        return self._node.batch(calls)

    def blocks(self, heights: Sequence[int], *, full: bool) -> list[Json | None]:
        """Blocks at ``heights``, with whole transactions or only their hashes; None where there is none."""
        return self._all([("eth_getBlockByNumber", [hex(height), full]) for height in heights])

    def blocks_and_logs(
        self, first: int, last: int, log_filter: Json | None, *, full: bool
    ) -> tuple[list[Json | None], list[Json]]:
        """Blocks ``first`` to ``last`` and the logs in them that pass ``log_filter`` (None: no logs are wanted).

        With ``full`` the blocks hold whole transactions, without only their hashes.

        Raises:
            NodeError: the node does not answer so much at once, or other trouble.
        """
        calls: list[tuple[str, list[Any]]] = [
            ("eth_getBlockByNumber", [hex(height), full]) for height in range(first, last + 1)
        ]
        if log_filter is not None:
            calls.append(("eth_getLogs", [{**log_filter, "fromBlock": hex(first), "toBlock": hex(last)}]))
        results = self._node.batch(calls)
        raise_first_error(results)
        logs = results.pop() if log_filter is not None else []
        return results, logs

    def transactions(self, txids: Sequence[str]) -> list[Json | None]:
        """Transactions by hash, pending ones included; None for one the node does not know."""
        return self._all([("eth_getTransactionByHash", [txid]) for txid in txids])

    def receipts(self, txids: Sequence[str]) -> list[Json | None]:
        """Receipts of mined transactions; None for one that is in no block."""
        return self._all([("eth_getTransactionReceipt", [txid]) for txid in txids])

    def receipts_of_block(self, block: Json) -> list[Json]:
        """The receipts of all transactions of a block that was read, in their order.

        Raises:
            NodeUnreachable: the node has not got all of them.
        """
        receipts = self._node.batch([("eth_getBlockReceipts", [block["hash"]])])[0]
        transactions = [each if isinstance(each, str) else each["hash"] for each in block["transactions"]]
        if not isinstance(receipts, list):
            # A node without that method.
            receipts = self.receipts(transactions)
        if len(receipts) < len(transactions) or any(
            receipt is None or receipt["blockHash"] != block["hash"] for receipt in receipts
        ):
            raise NodeUnreachable(f"{self.name}: the receipts of a block just read are missing")
        return receipts

    def logs_by_block(self, log_filter: Json, block_hashes: Sequence[str]) -> list[Json]:
        """The logs that pass ``log_filter`` in each of the blocks, one after the other."""
        answers = self._all([("eth_getLogs", [{**log_filter, "blockHash": each}]) for each in block_hashes])
        return [log for logs in answers for log in logs]

    def each(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The results of any number of calls; a failed one is a NodeError in its place."""
        results: list[Any] = []
        for start in range(0, len(calls), CALLS_PER_BATCH):
            results += self._node.batch(calls[start : start + CALLS_PER_BATCH])
        return results

    def new_pending_filter(self) -> str | None:
        """The id of a new filter for pending transactions; None where the node offers none."""
        result = self._node.batch([("eth_newPendingTransactionFilter", [])])[0]
        return None if isinstance(result, NodeError) else str(result)

    def pending_block(self) -> list[Json]:
        """The transactions the node would put into its next block, as far as it says so."""
        result = self._node.batch([("eth_getBlockByNumber", ["pending", True])])[0]
        if isinstance(result, NodeError) or result is None:
            return []
        return [transaction for transaction in result["transactions"] if isinstance(transaction, dict)]

    def _all(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The results of any number of calls, in batches of a size that every provider takes."""
        results = self.each(calls)
        raise_first_error(results)
        return results


def number(text: Any, name: str) -> int:
    """The integer of a quantity as nodes write it (0x…).

    Raises:
        NodeUnreachable: it is something else; ``name`` is the node's.
    """
    try:
        return int(text, 16)
    except (TypeError, ValueError):
        raise NodeUnreachable(f"{name}: not the answer of an EVM node") from None
