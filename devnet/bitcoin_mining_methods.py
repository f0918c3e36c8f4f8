"""The JSON-RPC methods that make blocks and forks on demand, with Bitcoin Core's keys, types and errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from devnet.bitcoin_block import (
    MAX_BLOCK_WEIGHT,
    RESERVED_WEIGHT,
    RegtestBlock,
    coinbase,
    mine_block,
    subsidy_sat,
)
from devnet.bitcoin_json import INVALID_ADDRESS_OR_KEY, checked_hash
from devnet.bitcoin_pool_methods import DESERIALIZATION_ERROR, decoded_transaction
from devnet.bitcoin_script import AddressError, script_of_address, scripts_of_descriptor
from devnet.bitcoin_transaction import BitcoinTransaction, OutPoint
from devnet.json_rpc_server import RpcError
from devnet.kernel_chain import ChainChange, KernelChain, RejectedBlockError
from devnet.mempool import Mempool

VERIFY_ERROR = -25
DATABASE_ERROR = -20
DEFAULT_MAX_TRIES = 1_000_000

OnChainChange = Callable[[ChainChange, bool], None]


class MiningMethods:
    """Every public method here is a JSON-RPC method of the same name."""

    def __init__(self, chain: KernelChain, pool: Mempool, on_change: OnChainChange) -> None:
        self._chain = chain
        self._pool = pool
        #: Called with each change, and whether it came from an invalidation.
        self._on_change = on_change

    def generatetoaddress(self, nblocks: int, address: str, maxtries: int = DEFAULT_MAX_TRIES) -> list[str]:
        try:
            script = script_of_address(address)
        except AddressError:
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Error: Invalid address") from None
        return [self._mine(script, self._selected()).hash for _ in range(nblocks)]

    def generatetodescriptor(
        self, num_blocks: int, descriptor: str, maxtries: int = DEFAULT_MAX_TRIES
    ) -> list[str]:
        script = self._script_of(descriptor)
        return [self._mine(script, self._selected()).hash for _ in range(num_blocks)]

    def generateblock(self, output: str, transactions: list[Any], submit: bool = True) -> dict[str, str]:
        """A block of exactly these transactions, each a mempool member's txid or raw hex, in this order."""
        block = self._assemble(self._script_of(output), [self._named(item) for item in transactions])
        if not submit:
            return {"hash": block.hash, "hex": block.raw.hex()}
        self._submit(block)
        return {"hash": block.hash}

    def submitblock(self, hexdata: str, dummy: str = "ignored") -> str | None:
        """None when accepted, also on a branch that is not the best; otherwise the reason."""
        try:
            block = RegtestBlock.parse(bytes.fromhex(hexdata))
        except ValueError:
            raise RpcError(DESERIALIZATION_ERROR, "Block decode failed") from None
        try:
            change = self._chain.submit(block)
        except RejectedBlockError as rejection:
            return str(rejection)
        self._on_change(change, False)
        return None

    def invalidateblock(self, blockhash: str) -> None:
        block = self._known(blockhash)
        if block.height == 0:
            raise RpcError(DATABASE_ERROR, "")
        self._on_change(self._chain.invalidate(block), True)

    def reconsiderblock(self, blockhash: str) -> None:
        self._on_change(self._chain.reconsider(self._known(blockhash)), False)

    def _known(self, blockhash: str) -> RegtestBlock:
        block = self._chain.blocks.get(checked_hash(blockhash, "blockhash"))
        if block is None:
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Block not found")
        return block

    def _script_of(self, output: str) -> bytes:
        try:
            return scripts_of_descriptor(output)[0] if "(" in output else script_of_address(output)
        except AddressError:
            raise RpcError(INVALID_ADDRESS_OR_KEY, "Error: Invalid address or descriptor") from None

    def _named(self, item: object) -> BitcoinTransaction:
        text = str(item)
        if len(text) != 64:
            return decoded_transaction(text)
        if text not in self._pool.entries:
            raise RpcError(INVALID_ADDRESS_OR_KEY, f"Transaction {text} not in mempool.")
        return self._pool.entries[text].transaction

    def _selected(self) -> list[BitcoinTransaction]:
        """Mempool members in order of arrival, as many as a block holds; parents come before children."""
        selected: list[BitcoinTransaction] = []
        left_out: set[str] = set()
        weight = RESERVED_WEIGHT
        for txid, entry in self._pool.entries.items():
            fits = weight + entry.transaction.weight <= MAX_BLOCK_WEIGHT
            if not fits or left_out.intersection(self._pool.parents(txid)):
                left_out.add(txid)
                continue
            weight += entry.transaction.weight
            selected.append(entry.transaction)
        return selected

    def _mine(self, script: bytes, transactions: list[BitcoinTransaction]) -> RegtestBlock:
        block = self._assemble(script, transactions)
        self._submit(block)
        return block

    def _assemble(self, script: bytes, transactions: list[BitcoinTransaction]) -> RegtestBlock:
        height = self._chain.height + 1
        reward_sat = subsidy_sat(height) + self._fees_sat(transactions)
        first = coinbase(
            height=height, reward_sat=reward_sat, reward_script=script, transactions=transactions
        )
        return mine_block(parent=self._chain.tip, now=int(time.time()), transactions=[first, *transactions])

    def _fees_sat(self, transactions: list[BitcoinTransaction]) -> int:
        """What the transactions leave to the miner; an input that does not exist is left to the engine to refuse."""
        made = {
            OutPoint(transaction.txid, index): output.amount_sat
            for transaction in transactions
            for index, output in enumerate(transaction.outputs)
        }
        total_sat = 0
        for transaction in transactions:
            for item in transaction.inputs:
                coin = self._pool.coin(item.previous)
                total_sat += coin.amount_sat if coin else made.get(item.previous, 0)
            total_sat -= transaction.output_total_sat
        return max(total_sat, 0)

    def _submit(self, block: RegtestBlock) -> None:
        try:
            change = self._chain.submit(block)
        except RejectedBlockError as rejection:
            raise RpcError(VERIFY_ERROR, f"TestBlockValidity failed: {rejection}") from None
        self._on_change(change, False)
