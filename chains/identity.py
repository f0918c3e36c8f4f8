"""Which transfer that was told before is the one told now. Pure.

A Bitcoin output and a coin transfer keep their index for ever. A token transfer does not: before it is mined it has no log, and
after a reorganisation its log may have another number in the block. It is then known by what it moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chains.observation import FoundTransfer


@dataclass(frozen=True, slots=True)
class KnownTransfer:
    """A transfer row in the terms of the chain."""

    index: int
    key: bytes
    contract: bytes | None
    amount_minor: int


Likeness = Callable[[KnownTransfer, FoundTransfer], bool]


def _is_same(known: KnownTransfer, found: FoundTransfer) -> bool:
    return known.index == found.index and _moves_same(known, found)


def _is_same_place(known: KnownTransfer, found: FoundTransfer) -> bool:
    return known.contract is None and found.contract is None and known.index == found.index


def _moves_same(known: KnownTransfer, found: FoundTransfer) -> bool:
    return _pays_same(known, found) and known.amount_minor == found.amount_minor


def _pays_same(known: KnownTransfer, found: FoundTransfer) -> bool:
    """Same token to the same address; what arrives may differ from what was announced (a token that takes a fee)."""
    return known.contract is not None and known.contract == found.contract and known.key == found.key


# From the surest likeness to the weakest: a weaker one never takes a row that a surer one could claim.
_LIKENESSES: tuple[Likeness, ...] = (_is_same, _is_same_place, _moves_same, _pays_same)


def assign(known: Sequence[KnownTransfer], found: Sequence[FoundTransfer]) -> list[int | None]:
    """For each of ``found`` the position in ``known`` of the same transfer, or None when it is new.

    All of one txid. No position is given twice.
    """
    positions: list[int | None] = [None] * len(found)
    free = set(range(len(known)))
    for alike in _LIKENESSES:
        for number, transfer in enumerate(found):
            if positions[number] is None:
                position = next((n for n in sorted(free) if alike(known[n], transfer)), None)
                positions[number] = position
                free.discard(position)
    return positions
