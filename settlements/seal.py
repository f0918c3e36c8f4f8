"""The seal of a business day: a Merkle tree over its entries, chained to the seal of the day before. Pure.

The tree is RFC 6962's (Certificate Transparency), with SHA-256: a leaf's hash is over 0x00 and the leaf's bytes, a node's over
0x01 and its two children's hashes, and the root of nothing is the hash of nothing. A day's seal is over 0x02, the seal before
(32 zero bytes for the first), the day as "2026-11-23" and the root. The first bytes differ, so none can pass for another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

HASH_BYTES = 32
NO_SEAL = bytes(HASH_BYTES)
_LEAF, _NODE, _DAY = b"\x00", b"\x01", b"\x02"
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))

Side = Literal["left", "right"]
#: The hashes that stand beside the way from a leaf to the root, and on which side of it.
Path = list[tuple[Side, bytes]]


@dataclass(frozen=True, slots=True)
class LeafEntry:
    """All that is sealed of an entry; ``lines`` are (account code, side, amount in smallest units) in the order posted.

    ``reverses`` is the idempotency key of the entry that this one undoes, or "".
    """

    idempotency_key: str
    recipe: str
    business_date: date
    posted_at: datetime
    reference: str
    description: str
    reverses: str
    lines: tuple[tuple[str, str, str], ...]


def leaf_bytes(entry: LeafEntry) -> bytes:
    """The entry as canonical JSON: keys sorted, no spaces, UTF-8, amounts as decimal text, the moment in UTC."""
    content = {
        "business_date": entry.business_date.isoformat(),
        "description": entry.description,
        "key": entry.idempotency_key,
        "lines": entry.lines,
        "posted_at": entry.posted_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "recipe": entry.recipe,
        "reference": entry.reference,
        "reverses": entry.reverses,
    }
    return _CANONICAL.encode(content).encode()


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf's bytes."""
    return hashlib.sha256(_LEAF + leaf).digest()


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over ``leaf_hashes``, read once: memory for one hash a level of the tree."""
    # Whole subtrees waiting for their right neighbour, the largest first, with the number of leaves under each.
    waiting: list[tuple[int, bytes]] = []
    for leaf in leaf_hashes:
        size, node = 1, leaf
        while waiting and waiting[-1][0] == size:
            node = _node(waiting.pop()[1], node)
            size *= 2
        waiting.append((size, node))
    if not waiting:
        return hashlib.sha256().digest()
    node = waiting.pop()[1]
    while waiting:
        node = _node(waiting.pop()[1], node)
    return node


def path_of(leaf_hashes: Sequence[bytes], index: int) -> Path:
    """The path from the leaf at ``index`` up to the root.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(f"no leaf {index} among {len(leaf_hashes)}")
    path: Path = []
    level, place = list(leaf_hashes), index
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            path.append(("left" if beside < place else "right", level[beside]))
        # A last one without a neighbour goes up as it is.
        level = [
            _node(*level[start : start + 2]) if start + 1 < len(level) else level[start]
            for start in range(0, len(level), 2)
        ]
        place //= 2
    return path


def root_from(leaf: bytes, path: Path) -> bytes:
    """The root that a leaf's bytes and its path lead to."""
    node = leaf_hash(leaf)
    for side, beside in path:
        node = _node(beside, node) if side == "left" else _node(node, beside)
    return node


def seal_of(*, previous: bytes, day: date, root: bytes) -> bytes:
    """The seal of ``day``: binds its root, and through ``previous`` every day before it."""
    return hashlib.sha256(_DAY + previous + day.isoformat().encode() + root).digest()


def split_hashes(joined: bytes) -> list[bytes]:
    """The hashes that stand one after another in ``joined``."""
    return [joined[start : start + HASH_BYTES] for start in range(0, len(joined), HASH_BYTES)]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
