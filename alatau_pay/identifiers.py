"""Public identifiers: short, random, unguessable, and free of look-alike characters."""

from __future__ import annotations

import secrets

# Base58: no 0, O, I, l. 22 characters carry 128 bits.
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
LENGTH = 22
# The database column; identifiers that an installation was seeded with may be longer than random ones.
LENGTH_MAX = 32


def new_public_id() -> str:
    """A new identifier of 22 base58 characters (128 bits of randomness)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def is_public_id(text: str) -> bool:
    """True when ``text`` may be such an identifier: ASCII letters and digits, so that nothing else reaches a query."""
    return text.isascii() and text.isalnum() and len(text) <= LENGTH_MAX
