"""Where two chains part: the quick search against looking at every block."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.reorg import ReorgTooDeep, fork_height


def chain(length: int, name: str, *, fork_at: int = 0, first: int = 0) -> list[tuple[int, bytes]]:
    """Blocks (height, hash): shared up to ``fork_at``, then ``name``'s own."""
    return [
        (height, b"shared%d" % height if height <= fork_at else name.encode() + b"%d" % height)
        for height in range(first, first + length)
    ]


@given(
    length=st.integers(1, 320),
    first=st.integers(0, 1000),
    depth=st.integers(0, 400),
    extra=st.integers(-10, 50),
)
def test_the_fork_is_the_one_that_looking_at_every_block_finds(
    length: int, first: int, depth: int, extra: int
) -> None:
    kept = chain(length, "ours", fork_at=first + length - 1 - depth, first=first)
    last_of_node = max(first + length - 1 - depth, first + length - 1 + extra)
    node = dict(chain(last_of_node + 1, "theirs", fork_at=first + length - 1 - depth))
    questions: list[int] = []

    def hashes_at(heights: Sequence[int]) -> list[bytes | None]:
        questions.append(len(heights))
        return [node.get(height) for height in heights]

    agreeing = [height for height, block_hash in kept if node.get(height) == block_hash]
    if agreeing:
        assert fork_height(kept, hashes_at) == max(agreeing)
    else:
        with pytest.raises(ReorgTooDeep):
            fork_height(kept, hashes_at)
    assert len(questions) <= 11
    assert sum(questions) <= 30


def test_nothing_kept_is_too_deep() -> None:
    with pytest.raises(ReorgTooDeep):
        fork_height([], lambda heights: [None for _ in heights])
