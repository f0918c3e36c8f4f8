"""The forwarder contracts' compiled code, and how they come onto a chain. Reads the committed artefacts; no network.

Both contracts are deployed through the deterministic deployment proxy, which every large EVM network has at one address: it
creates what it is sent by CREATE2, so the addresses follow from the treasury alone, are the same on every network, and do not
depend on who pays for the gas.
Source: github.com/Arachnid/deterministic-deployment-proxy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from eth_hash.auto import keccak

from chains.evm.forwarder import Forwarder

ARTIFACTS = Path(__file__).with_name("contracts") / "artifacts"
DEPLOYER = bytes.fromhex("4e59b44847b379578588920cA78FbF26c0B4956C")
_DEPLOYMENT_SALT = bytes(32)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One contract to deploy: its ``address`` once ``data`` was sent to the deterministic deployment proxy."""

    contract: str
    address: bytes
    data: bytes


@cache
def artifact(contract: str) -> dict[str, Any]:
    """The compiled contract: ``abi``, ``creation`` and ``runtime`` as 0x hex."""
    content: dict[str, Any] = orjson.loads((ARTIFACTS / f"{contract}.json").read_bytes())
    return content


def implementation_code(treasury: bytes) -> bytes:
    """The code that the implementation for ``treasury`` (20 bytes) has on a chain."""
    return _runtime("Forwarder") + _word(treasury)


def factory_code(implementation: bytes) -> bytes:
    """The code that the factory of ``implementation`` (20 bytes) has on a chain."""
    return _runtime("ForwarderFactory") + _word(implementation)


def deployments(treasury: bytes) -> tuple[Forwarder, list[Deployment]]:
    """The forwarder wallet of ``treasury`` (20 bytes) and the two contracts to deploy for it, in their order.

    Raises:
        ValueError: no address, or the zero address.
    """
    if len(treasury) != 20 or not any(treasury):
        raise ValueError("the treasury is an address of 20 bytes and not zero")
    implementation = _deployment("Forwarder", treasury)
    factory = _deployment("ForwarderFactory", implementation.address)
    return Forwarder(factory.address, implementation.address, treasury), [implementation, factory]


def _deployment(contract: str, argument: bytes) -> Deployment:
    creation = bytes.fromhex(artifact(contract)["creation"][2:]) + _word(argument)
    digest = keccak(b"\xff" + DEPLOYER + _DEPLOYMENT_SALT + keccak(creation))
    return Deployment(contract, bytes(digest[12:]), _DEPLOYMENT_SALT + creation)


def _runtime(contract: str) -> bytes:
    return bytes.fromhex(artifact(contract)["runtime"][2:])


def _word(address: bytes) -> bytes:
    """An address as the compiler lays out an immutable and an argument: 32 bytes, zeros first."""
    return address.rjust(32, b"\0")
