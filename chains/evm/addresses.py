"""EVM addresses: 20 bytes, written in hex whose letter case is a checksum (EIP-55). Pure."""

from __future__ import annotations

from eth_hash.auto import keccak


def address_of_public_key(uncompressed: bytes) -> bytes:
    """The 20-byte address of a public key given as its 64 bytes x ‖ y."""
    if len(uncompressed) != 64:
        raise ValueError("a public key is 64 bytes here, x and y")
    return bytes(keccak(uncompressed)[-20:])


def checksum_address(address: bytes) -> str:
    """``address`` as 0x and 40 hex digits, a letter in upper case where the hash of the lower-case text says so."""
    if len(address) != 20:
        raise ValueError("an EVM address is 20 bytes")
    text = address.hex()
    digest = keccak(text.encode()).hex()
    return "0x" + "".join(
        letter.upper() if int(nibble, 16) >= 8 else letter
        for letter, nibble in zip(text, digest, strict=False)
    )
