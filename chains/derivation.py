"""Deposit addresses from public keys: the adapter over embit.

Pure. embit does the curve and the hashes; ``chains.descriptors`` reads what people paste.
Sources: BIP-32, 49, 67, 84, 86, 383, EIP-55.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from embit import bech32, ec, script
from embit.bip32 import HARDENED_INDEX, HDKey
from embit.descriptor.checksum import checksum
from embit.networks import NETWORKS
from embit.util import secp256k1

from chains.descriptors import (
    BITCOIN_CHAINS,
    VERSIONS,
    ExtendedKey,
    clean,
    ends_with_star,
    normal_descriptor,
    parse_extended,
    read_bare_bitcoin_key,
    read_bare_key,
    read_descriptor,
)
from chains.evm.addresses import address_of_public_key, checksum_address
from chains.key_guard import KeyRefused

__all__ = [
    "Derived",
    "KeyRefused",
    "derive_bitcoin",
    "derive_evm",
    "normalise_bitcoin",
    "normalise_evm",
    "require_fast_library",
]


# The first byte of a SegWit script → its version and how its address is checksummed (BIP-173, BIP-350).
_WITNESS_ENCODINGS = {0x00: (0, bech32.Encoding.BECH32), 0x51: (1, bech32.Encoding.BECH32M)}


@dataclass(frozen=True, slots=True)
class Derived:
    """A deposit address: as people read it, and as the chain shows it (scriptPubKey, or the 20-byte address)."""

    address: str
    key: bytes


def require_fast_library() -> None:
    """Return when embit uses its compiled secp256k1.

    Raises:
        RuntimeError: it fell back to pure Python, some 100 times slower: invoices would take seconds.
    """
    if secp256k1.ec_pubkey_add.__module__ != "embit.util.ctypes_secp256k1":
        raise RuntimeError("embit found no compiled libsecp256k1 for this platform")


def normalise_bitcoin(text: str, chain: str) -> str:
    """The output descriptor, with checksum, of an extended public key or descriptor that a person pasted.

    ``chain`` is main, test, signet or regtest. A bare key takes the script its prefix or its key origin names, else
    native SegWit. A multipath ``<0;1>`` is narrowed to its receive branch.

    Raises:
        KeyRefused: with a sentence for the person; nothing of ``text`` is in it.
    """
    text = clean(text)
    descriptor = read_descriptor(text) if "(" in text else read_bare_bitcoin_key(text)
    normal = normal_descriptor(descriptor, chain)
    body = str(normal)
    return f"{body}#{checksum(body)}"


def derive_bitcoin(descriptor: str, index: int, chain: str) -> Derived:
    """Address and scriptPubKey number ``index`` of a descriptor made by ``normalise_bitcoin``.

    Raises:
        KeyRefused: the descriptor is damaged. ValueError: the index is not in 0..2^31-1 or the chain is unknown.
    """
    if chain not in BITCOIN_CHAINS:
        raise ValueError(f"unknown Bitcoin chain: {chain!r}")
    output = _script_maker(descriptor)(_checked_index(index))
    return Derived(address=_address(output, chain), key=bytes(output.data))


def normalise_evm(text: str) -> str:
    """The extended public key, with the path to its addresses (``xpub…/0/*``), of what a person pasted.

    A bare key is read by its depth: the account key (m/44'/60'/0') gives ``/0/*``, its receive branch ``/*``.

    Raises:
        KeyRefused: with a sentence for the person; nothing of ``text`` is in it.
    """
    key = read_bare_key(clean(text))
    parsed = parse_extended(key.extended)
    if VERSIONS[parsed.version][1]:
        raise KeyRefused(
            "This is a Bitcoin key (ypub, zpub). Paste the extended public key (xpub) of an Ethereum account."
        )
    if not key.steps and not ends_with_star(text):
        key = ExtendedKey("", key.extended, () if parsed.depth >= 4 else (0,))
    return str(ExtendedKey("", parsed.to_base58(version=NETWORKS["main"]["xpub"]), key.steps))


def derive_evm(xpub: str, index: int) -> Derived:
    """Checksum address and 20 bytes number ``index`` of a key made by ``normalise_evm``.

    Raises:
        KeyRefused: the key is damaged. ValueError: the index is not in 0..2^31-1.
    """
    child = _child(_evm_branch(xpub), _checked_index(index))
    uncompressed = ec.PublicKey(child._point, compressed=False).sec()
    address = address_of_public_key(uncompressed[1:])
    return Derived(address=checksum_address(address), key=address)


def _checked_index(index: int) -> int:
    if isinstance(index, bool) or not 0 <= index < HARDENED_INDEX:
        raise ValueError("an address index is between 0 and 2^31-1")
    return index


def _address(output: Any, chain: str) -> str:
    """How people read an output script. For SegWit this is embit's own encoding without its decoding again to see."""
    data, network = bytes(output.data), NETWORKS[chain]
    if data[0] not in _WITNESS_ENCODINGS or data[1] != len(data) - 2:
        return str(output.address(network))
    version, encoding = _WITNESS_ENCODINGS[data[0]]
    groups = bech32.convertbits(data[2:], 8, 5)
    return str(bech32.bech32_encode(encoding, network["bech32"], [version, *groups]))


def _child(branch: HDKey, index: int) -> ec.PublicKey:
    """Public key number ``index`` of a branch: BIP-32's CKDpub on embit's curve.

    ``HDKey.child`` gives the same key, at twice the cost: it also makes the child's chain code, fingerprint and base58 text.
    """
    digest = hmac.digest(branch.chain_code, branch.sec() + index.to_bytes(4, "big"), "sha512")
    # A copy: the curve's functions may work in place.
    return ec.PublicKey(secp256k1.ec_pubkey_add(copy(branch.key._point), digest[:32]))


@lru_cache(maxsize=64)
def _script_maker(descriptor: str) -> Callable[[int], Any]:
    """The function index → output script of a descriptor, its branch keys derived once."""
    parsed = read_descriptor(descriptor)
    branches = [parse_extended(key.extended).derive(list(key.steps)) for key in parsed.keys]
    single = {
        "pkh": script.p2pkh,
        "wpkh": script.p2wpkh,
        "tr": script.p2tr,
        "sh(wpkh)": lambda key: script.p2sh(script.p2wpkh(key)),
    }.get(parsed.shape)
    if single:
        return lambda index: single(_child(branches[0], index))
    wrapped = parsed.shape.startswith("sh(")

    def multisig(index: int) -> Any:
        keys = sorted(_child(branch, index).sec() for branch in branches)
        output = script.p2wsh(script.Script(_multisig_script(parsed.threshold, keys)))
        return script.p2sh(output) if wrapped else output

    return multisig


def _multisig_script(threshold: int, keys: list[bytes]) -> bytes:
    """OP_k <key>… OP_n OP_CHECKMULTISIG (BIP-383; the keys sorted as BIP-67 says). 0x50 + n is OP_n up to 16."""
    pushes = b"".join(b"\x21" + key for key in keys)
    return bytes([0x50 + threshold]) + pushes + bytes([0x50 + len(keys), 0xAE])


@lru_cache(maxsize=64)
def _evm_branch(xpub: str) -> HDKey:
    key = read_bare_key(normalise_evm(xpub))
    return parse_extended(key.extended).derive(list(key.steps))
