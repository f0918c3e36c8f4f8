"""Whether the contracts that a forwarder wallet names are really ours: asked on the chain before the wallet is used.

The whole code of both contracts is compared, byte by byte, with the committed artefacts; the treasury is a part of it. Nothing
that a contract says of itself is believed.
"""

from __future__ import annotations

from typing import Any

from chains.evm import forwarder
from chains.evm.forwarder_code import factory_code, implementation_code
from chains.evm.question import ask
from chains.key_guard import KeyRefused
from chains.models import Network
from chains.nodes import NodeError, NodeUnavailable, NodeUnreachable, NodeWrongChain


def verify(network: Network, public_key: str) -> None:
    """Return when factory and implementation are on the chain with our code, this implementation and this treasury.

    ``public_key`` is a forwarder wallet's text. Asks a node: never inside a database transaction.

    Raises:
        KeyRefused: malformed, or a contract is missing or another; a sentence for the person.
        NodeUnavailable, NodeWrongChain: no usable answer; nothing is known of the contracts.
    """
    wanted = forwarder.parse(public_key)
    contracts = (wanted.factory, wanted.implementation)
    factory, implementation = ask(
        network, [("eth_getCode", ["0x" + contract.hex(), "latest"]) for contract in contracts]
    )
    if _code(implementation) != implementation_code(wanted.treasury):
        raise KeyRefused(
            "The implementation is not our forwarder for this treasury: money sent through it could go elsewhere."
        )
    if _code(factory) != factory_code(wanted.implementation):
        raise KeyRefused(
            "The factory is not our forwarder factory for this implementation: the addresses shown could not be emptied."
        )


def fault(network: Network, public_key: str) -> str:
    """Why ``public_key`` must not be imported, as a sentence for the person; "" for a sound forwarder wallet and any other.

    Asks a node: never inside a database transaction.
    """
    if not forwarder.is_forwarder(public_key):
        return ""
    try:
        verify(network, public_key)
    except KeyRefused as refusal:
        return str(refusal)
    except (NodeUnavailable, NodeWrongChain) as error:
        return f"The contracts could not be looked at on the chain, and unseen they are not used: {error}."
    return ""


def _code(result: Any) -> bytes:
    if isinstance(result, NodeError):
        raise NodeUnreachable(str(result))
    try:
        return bytes.fromhex(result.removeprefix("0x"))
    except (AttributeError, ValueError):
        raise NodeUnreachable("the node's answer is not a contract's code") from None
