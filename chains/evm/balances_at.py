"""What addresses held of each asset at one block, as an EVM node says: many questions, a few hundred in each batch."""

from __future__ import annotations

from collections.abc import Sequence

from chains.evm.question import ask, quantity
from chains.models import Network, OnChainAsset
from chains.nodes import Call, NodeError, NodeUnreachable
from chains.observation import Position

# The first four bytes of keccak of balanceOf(address).
_BALANCE_OF = "0x70a08231"


def balances_at(
    network: Network, position: Position, questions: Sequence[tuple[bytes, OnChainAsset]]
) -> list[int]:
    """Smallest units of each (20-byte address, asset) at ``position``, in the order of ``questions``.

    Asked by the block's hash (EIP-1898), so that a node on another branch answers with an error and never with a figure of
    another block. Never call it inside a database transaction.

    Raises:
        NodeUnavailable, NodeWrongChain: no usable answer, also for one balance among many.
    """
    block = {"blockHash": "0x" + position.hash.hex(), "requireCanonical": True}
    results = ask(network, [_call(address, asset, block) for address, asset in questions])
    amounts: list[int] = []
    for (address, asset), result in zip(questions, results, strict=True):
        amount_minor = quantity(result)
        if amount_minor is None:
            reason = f": {result.message}" if isinstance(result, NodeError) else ""
            raise NodeUnreachable(
                f"the node does not say how much {asset.code} 0x{address.hex()} held at block {position.height}{reason}"
            )
        amounts.append(amount_minor)
    return amounts


def _call(owner: bytes, asset: OnChainAsset, block: dict[str, object]) -> Call:
    if asset.contract is None:
        return "eth_getBalance", ["0x" + owner.hex(), block]
    call = {"to": "0x" + bytes(asset.contract).hex(), "data": _BALANCE_OF + owner.rjust(32, b"\0").hex()}
    return "eth_call", [call, block]
