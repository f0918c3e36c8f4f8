"""The guard at the door: text that holds, or may hold, a private key or a seed never gets in.

Pure. The text itself is never part of an error, a log line or an exception's arguments.
"""

from __future__ import annotations

import re

from embit import base58


class KeyRefused(ValueError):
    """The offered text is not a public key that deposit addresses can be derived from. The message is for a person."""


PRIVATE_KEY_MESSAGE = (
    "This is a private key – never paste one anywhere but into your own wallet. It was not stored. "
    "Whoever sees it can take the money: move the funds to a new wallet, then paste that wallet's public key (xpub) here."
)
SEED_MESSAGE = (
    "This is a seed phrase – never paste one anywhere but into your own wallet. It was not stored. "
    "Whoever sees it can take the money: move the funds to a new wallet, then paste that wallet's public key (xpub) here."
)

_EXTENDED_PRIVATE = re.compile(r"(?<![1-9A-HJ-NP-Za-km-z])[A-Za-z]prv[1-9A-HJ-NP-Za-km-z]{16,}")
_HEX_32_BYTES = re.compile(r"(?<![0-9A-Fa-f])(?:0x)?[0-9A-Fa-f]{64}(?![0-9A-Fa-f])")
_BASE58_WORD = re.compile(r"[1-9A-HJ-NP-Za-km-z]{50,60}")
_WORD = re.compile(r"[^\W\d_]+")
_SEED_WORDS_MIN = 12

_WIF_VERSIONS = (b"\x80", b"\xef")
_ENCRYPTED_KEY_PREFIXES = (b"\x01\x42", b"\x01\x43")


def refuse_private(text: str) -> None:
    """Return when ``text`` shows no private key or seed phrase.

    Raises:
        KeyRefused: an extended private key, a WIF or encrypted (BIP-38) key, 32 bytes of hex, or twelve words and more.
    """
    if _EXTENDED_PRIVATE.search(text) or _HEX_32_BYTES.search(text) or _holds_wif(text):
        raise KeyRefused(PRIVATE_KEY_MESSAGE)
    if _looks_like_seed(text):
        raise KeyRefused(SEED_MESSAGE)


def _holds_wif(text: str) -> bool:
    return any(_is_wif(match.group()) for match in _BASE58_WORD.finditer(text))


def _is_wif(word: str) -> bool:
    try:
        payload = base58.decode_check(word)
    except ValueError:
        return False
    if len(payload) == 39 and payload[:2] in _ENCRYPTED_KEY_PREFIXES:
        return True
    return len(payload) in {33, 34} and payload[:1] in _WIF_VERSIONS


def _looks_like_seed(text: str) -> bool:
    """Twelve words or more, in any language, however they are numbered or separated. A public key has no words."""
    pieces = (re.sub(r"^\d{1,2}", "", piece) for piece in re.split(r"[\s,;.:|)_\-–]+", text))
    words = [piece for piece in pieces if _WORD.fullmatch(piece) and len(piece) <= 12]
    return len(words) >= _SEED_WORDS_MIN
