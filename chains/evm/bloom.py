"""The bloom filter in a block's header: which contracts and topics its logs may hold. Pure.

A filter never denies what is there. So a node that leaves a log out contradicts the header of the very block, which it cannot
change without changing the block's hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from eth_hash.auto import keccak

_BITS = 2048
# What some chains write whose headers say nothing of their logs.
_SAYS_NOTHING = (1 << _BITS) - 1


def parse_bloom(text: str) -> int | None:
    """The filter of a header's ``logsBloom`` (0x and 512 hex digits); None where the header says nothing of its logs.

    Raises:
        ValueError: it is something else.
    """
    if len(text) != 2 + _BITS // 4:
        raise ValueError("a bloom filter is 256 bytes")
    bloom = int(text, 16)
    return None if bloom == _SAYS_NOTHING else bloom


def may_hold(bloom: int, *items: bytes) -> bool:
    """Whether logs under ``bloom`` may name each of ``items``: addresses of 20 bytes, topics of 32. False is certain."""
    return all(bloom & mask == mask for mask in map(_mask, items))


def bloom_of(items: Iterable[bytes]) -> int:
    """The filter of logs that name ``items``."""
    bloom = 0
    for item in items:
        bloom |= _mask(item)
    return bloom


@lru_cache(maxsize=4096)
def _mask(item: bytes) -> int:
    """The three bits of an item: the low 11 bits of the first three pairs of bytes of its hash."""
    digest = keccak(item)
    mask = 0
    for place in (0, 2, 4):
        mask |= 1 << (int.from_bytes(digest[place : place + 2], "big") % _BITS)
    return mask
