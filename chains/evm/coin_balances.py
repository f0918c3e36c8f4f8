"""How much coin addresses held at a block."""

from __future__ import annotations

from collections.abc import Sequence

from chains.evm.question import quantity
from chains.evm.rpc import EvmRpc
from chains.nodes import Call


def coin_balances(rpc: EvmRpc, questions: Sequence[tuple[bytes, bytes]]) -> list[int | None]:
    """The wei at each (address, block hash), in batches; None where the node does not say, as it may of older blocks."""
    calls: list[Call] = [
        ("eth_getBalance", ["0x" + key.hex(), {"blockHash": "0x" + block_hash.hex()}])
        for key, block_hash in questions
    ]
    return [quantity(result) for result in rpc.each(calls)]
