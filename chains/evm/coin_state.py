"""How much coin addresses held at a block, and whether anything can have left them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chains.evm.question import quantity
from chains.evm.rpc import EvmRpc
from chains.nodes import Call


@dataclass(frozen=True, slots=True)
class CoinState:
    """An address at one block: its balance in wei, and whether it never sent anything (its nonce is 0)."""

    balance_wei: int
    never_sent: bool


def coin_states(rpc: EvmRpc, questions: Sequence[tuple[bytes, bytes]]) -> list[CoinState | None]:
    """The coin at each (address, block hash), in batches; None where the node does not say."""
    calls: list[Call] = [
        (method, ["0x" + key.hex(), {"blockHash": "0x" + block_hash.hex()}])
        for key, block_hash in questions
        for method in ("eth_getBalance", "eth_getTransactionCount")
    ]
    numbers = [quantity(result) for result in rpc.each(calls)]
    return [
        None if balance is None or nonce is None else CoinState(balance, nonce == 0)
        for balance, nonce in zip(numbers[::2], numbers[1::2], strict=True)
    ]
