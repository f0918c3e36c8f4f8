"""Deposit addresses by CREATE2: where a forwarder is, or will be, computed without a key and without a node. Pure.

A forwarder is a minimal proxy whose only possible destination is one treasury. Its address follows from three public things:
the factory that deploys it, the implementation it delegates to (which holds the treasury in its code) and a number. Whoever
knows the wallet's text finds every coin again, as with an extended public key.
Sources: EIP-1014 (CREATE2), ERC-1167 (minimal proxy), EIP-55. Why the proxy is our own: docs/adr/evm-forwarder.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from eth_hash.auto import keccak

from chains.derivation import Derived
from chains.evm.addresses import checksum_address
from chains.key_guard import KeyRefused, refuse_private

__all__ = [
    "Forwarder",
    "KeyRefused",
    "creation_code",
    "deposit_address",
    "derive",
    "is_forwarder",
    "normalise",
    "parse",
    "read_address",
    "runtime_code",
    "salt",
]

INDEX_END = 2**31
TEXT_LENGTH_MAX = 400

# PUSH1 51, RETURNDATASIZE, DUP2, PUSH1 9, RETURNDATASIZE, CODECOPY, RETURN: puts the 51 bytes behind it into place.
_CREATION = bytes.fromhex("60333d8160093d39f3")
# CALLDATASIZE, PUSH1 5, JUMPI, STOP, JUMPDEST: coin without data is taken for 15 gas. Then ERC-1167, its jump moved by six.
_HEAD = bytes.fromhex("36600557005b") + bytes.fromhex("363d3d373d3d3d363d73")
_TAIL = bytes.fromhex("5af43d82803e903d91603157fd5bf3")

_FORM = re.compile(r"forwarder\((0x[0-9A-Fa-f]{40}),(0x[0-9A-Fa-f]{40}),(0x[0-9A-Fa-f]{40})\)")
_ADDRESS = re.compile(r"0x[0-9A-Fa-f]{40}")
_NAMES = ("factory", "implementation", "treasury")


@dataclass(frozen=True, slots=True)
class Forwarder:
    """The public parameters of a forwarder wallet, 20 bytes each. ``str`` is the one way of writing them."""

    factory: bytes
    implementation: bytes
    treasury: bytes

    def __str__(self) -> str:
        addresses = (self.factory, self.implementation, self.treasury)
        return f"forwarder({','.join(map(checksum_address, addresses))})"


def is_forwarder(text: str) -> bool:
    """Whether ``text`` means to be a forwarder wallet, well-formed or not."""
    return "".join(text.split()).lower().startswith("forwarder")


def parse(text: str) -> Forwarder:
    """The parameters in ``forwarder(<factory>,<implementation>,<treasury>)``.

    Raises:
        KeyRefused: with a sentence for the person; nothing of ``text`` is in it.
    """
    refuse_private(text)
    cleaned = "".join(text.split())
    match = _FORM.fullmatch(cleaned) if len(cleaned) <= TEXT_LENGTH_MAX else None
    if match is None:
        raise KeyRefused(
            "A forwarder wallet is written forwarder(<factory>,<implementation>,<treasury>), each an address of 0x and 40 digits."
        )
    factory, implementation, treasury = (
        read_address(written, name) for written, name in zip(match.groups(), _NAMES, strict=True)
    )
    if len({factory, implementation, treasury}) != 3:
        raise KeyRefused("The factory, the implementation and the treasury are three different addresses.")
    return Forwarder(factory, implementation, treasury)


def normalise(text: str) -> str:
    """The one way of writing the forwarder wallet that a person pasted: no spaces, addresses with their checksums.

    Raises:
        KeyRefused: as ``parse``.
    """
    return str(parse(text))


def derive(public_key: str, index: int) -> Derived:
    """Checksum address and 20 bytes number ``index`` of a text made by ``normalise``.

    Raises:
        KeyRefused: the text is damaged. ValueError: the index is not in 0..2^31-1.
    """
    forwarder = parse(public_key)
    key = deposit_address(forwarder.factory, forwarder.implementation, salt(index))
    return Derived(address=checksum_address(key), key=key)


def salt(index: int) -> bytes:
    """The salt of deposit address number ``index``: the number itself, 32 bytes, big-endian.

    The wallet need not be in it: CREATE2 hashes the factory and, in the creation code, the implementation, so two wallets
    never meet. A plain number costs a quarter of the call data of a hash, is readable where the call is confirmed, and can be
    found again by counting.

    Raises:
        ValueError: the index is not in 0..2^31-1, the same range as that of an extended public key.
    """
    if isinstance(index, bool) or not 0 <= index < INDEX_END:
        raise ValueError("an address index is between 0 and 2^31-1")
    return index.to_bytes(32, "big")


def deposit_address(factory: bytes, implementation: bytes, salt: bytes) -> bytes:
    """The 20-byte address at which ``factory`` deploys the proxy of ``implementation`` with ``salt`` (32 bytes).

    Raises:
        ValueError: an argument of another length.
    """
    if len(factory) != 20 or len(salt) != 32:
        raise ValueError("a factory is 20 bytes and a salt 32")
    creation_hash = keccak(creation_code(implementation))
    return bytes(keccak(b"\xff" + factory + salt + creation_hash)[12:])


def runtime_code(implementation: bytes) -> bytes:
    """The 51 bytes of a deployed proxy of ``implementation`` (20 bytes)."""
    if len(implementation) != 20:
        raise ValueError("an implementation is 20 bytes")
    return _HEAD + implementation + _TAIL


def creation_code(implementation: bytes) -> bytes:
    """The 60 bytes that deploy a proxy of ``implementation`` (20 bytes)."""
    return _CREATION + runtime_code(implementation)


def read_address(text: str, name: str) -> bytes:
    """The 20 bytes of an address as people write it; ``name`` says in an error whose it is.

    Raises:
        KeyRefused: not 0x and 40 digits, a wrong checksum (letter case), or the zero address.
    """
    if _ADDRESS.fullmatch(text) is None:
        raise KeyRefused(f"The {name} is not an address: 0x and 40 digits.")
    address, digits = bytes.fromhex(text[2:]), text[2:]
    if digits not in (digits.lower(), digits.upper()) and checksum_address(address) != text:
        raise KeyRefused(
            f"The {name}'s address has a wrong checksum (letter case): a character is wrong. Copy it again."
        )
    if not any(address):
        raise KeyRefused(f"The {name} cannot be the zero address.")
    return address
