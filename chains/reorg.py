"""Where our chain and the node's chain part. Pure: the node is asked through a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

HashesAt = Callable[[Sequence[int]], Sequence[bytes | None]]


class ReorgTooDeep(Exception):
    """No block that we kept is in the node's chain."""


def fork_height(kept: Sequence[tuple[int, bytes]], hashes_at: HashesAt) -> int:
    """The height of the newest kept block that is also in the node's chain.

    ``kept`` holds our blocks (height, hash) without gaps, oldest first. The node is asked for blocks 1, 2, 4, 8, … below
    the newest in one question, then for the middle of what is left: about log2(depth) questions. A block's ancestors are
    fixed by its hash, so "is in the node's chain" changes only once along ``kept``.

    Raises:
        ReorgTooDeep: not even the oldest kept block is in the node's chain.
    """
    if not kept:
        raise ReorgTooDeep("no block was kept")
    probes = _doubling_probes(len(kept))
    found = _agreeing(kept, probes, hashes_at)
    agreed = max(found, default=None)
    if agreed is None:
        raise ReorgTooDeep(f"none of the {len(kept)} kept blocks is in the node's chain")
    disagreed = min((probe for probe in probes if probe > agreed), default=len(kept))
    while disagreed - agreed > 1:
        middle = (agreed + disagreed) // 2
        if _agreeing(kept, [middle], hashes_at):
            agreed = middle
        else:
            disagreed = middle
    return kept[agreed][0]


def _doubling_probes(count: int) -> list[int]:
    """Positions in the kept list: newest, 1, 3, 7, 15 … before it, and the oldest."""
    probes, step = [], 1
    position = count - 1
    while position > 0:
        probes.append(position)
        position -= step
        step *= 2
    return [*probes, 0]


def _agreeing(kept: Sequence[tuple[int, bytes]], positions: Sequence[int], hashes_at: HashesAt) -> list[int]:
    answers = hashes_at([kept[position][0] for position in positions])
    return [
        position for position, answer in zip(positions, answers, strict=True) if answer == kept[position][1]
    ]
