"""One step's reading on a made-up chain: behind, forked, moving while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.nodes import NodeUnreachable
from chains.observation import (
    BlockHeader,
    Departure,
    FindWatched,
    FoundBlock,
    FoundTransfer,
    Glance,
    Position,
    Reading,
    Unmined,
)
from chains.reading import first_headers, read
from chains.reorg import ReorgTooDeep


def block(parent: bytes, name: str) -> bytes:
    return sha256(parent + name.encode()).digest()


class MadeUpChain:
    """A ChainReader over a list of hashes; ``together`` blocks are given at once."""

    def __init__(self, hashes: Sequence[bytes], *, behind_reason: str = "", together: int = 1000) -> None:
        self.name = "made up"
        self.hashes = list(hashes)
        self.behind_reason = behind_reason
        self.together = together
        self.unmined_now = Unmined()
        self.gone: dict[bytes, Departure] = {}
        self.asked_absent: list[bool] = []

    def glance(self) -> Glance:
        return Glance(Position(len(self.hashes) - 1, self.hashes[-1]), self.behind_reason)

    def hashes_at(self, heights: Sequence[int]) -> list[bytes | None]:
        return [self.hashes[height] if height < len(self.hashes) else None for height in heights]

    def headers(self, heights: Sequence[int]) -> list[BlockHeader]:
        return [
            BlockHeader(
                height,
                self.hashes[height],
                self.hashes[height - 1] if height else b"",
                datetime(2026, 1, 1, tzinfo=UTC),
            )
            for height in heights
            if height < len(self.hashes)
        ]

    def blocks(self, first: int, last: int, watched: FindWatched) -> list[FoundBlock]:
        heights = range(first, min(last, first + self.together - 1) + 1)
        return [FoundBlock(header, []) for header in self.headers(heights)]

    def unmined(self, scanned_height: int, watched: FindWatched) -> Unmined:
        return self.unmined_now

    def absent(self, txids: Sequence[bytes], *, tip_changed: bool) -> dict[bytes, Departure]:
        self.asked_absent.append(tip_changed)
        return {} if tip_changed else self.gone

    def reassess(self, txids: Sequence[bytes]) -> dict[bytes, list[str]]:
        return {}

    def accept(self) -> None:
        pass


def chain_of(length: int, name: str = "ours", *, onto: Sequence[bytes] = ()) -> list[bytes]:
    hashes = list(onto)
    for _ in range(length):
        hashes.append(block(hashes[-1] if hashes else b"", f"{name}{len(hashes)}"))
    return hashes


def read_from(
    ours: Sequence[bytes], node: MadeUpChain, *, kept: int = 288, unmined: Sequence[bytes] = ()
) -> Reading:
    heights = list(enumerate(ours))[-kept:]
    return read(
        node,
        Position(len(ours) - 1, ours[-1]),
        load_kept=lambda: heights,
        watched=lambda keys: set(),
        unmined_txids=unmined,
    )


def test_nothing_new_is_complete() -> None:
    ours = chain_of(10)
    reading = read_from(ours, MadeUpChain(ours))
    assert reading.complete
    assert not reading.has_news


def test_new_blocks_are_read_up_to_the_tip() -> None:
    ours = chain_of(10)
    reading = read_from(ours, MadeUpChain(chain_of(3, onto=ours)))
    assert reading.complete
    assert [found.header.height for found in reading.blocks] == [10, 11, 12]
    assert reading.fork is None


def test_a_part_of_the_new_blocks_is_not_complete() -> None:
    ours = chain_of(10)
    reading = read_from(ours, MadeUpChain(chain_of(30, onto=ours), together=8))
    assert [found.header.height for found in reading.blocks] == list(range(10, 18))
    assert not reading.complete


@pytest.mark.parametrize("height", [0, 4, 8])
def test_a_node_at_one_of_our_older_blocks_is_behind_and_says_nothing_against_us(height: int) -> None:
    ours = chain_of(10)
    reading = read_from(ours, MadeUpChain(ours[: height + 1]), unmined=[b"x"])
    assert not reading.has_news
    assert not reading.complete
    assert "behind" in reading.behind_reason


def test_a_node_far_behind_what_we_keep_is_behind_and_no_reorganisation() -> None:
    ours = chain_of(400)
    other = chain_of(50, "theirs")
    reading = read_from(ours, MadeUpChain(other))
    assert "behind" in reading.behind_reason
    assert not reading.has_news


@pytest.mark.parametrize(("depth", "longer"), [(1, 0), (1, 1), (6, 1), (100, 5), (200, 40)])
def test_a_fork_is_followed_from_where_the_chains_part(depth: int, longer: int) -> None:
    ours = chain_of(300)
    theirs = chain_of(depth + longer, "theirs", onto=ours[:-depth])
    reading = read_from(ours, MadeUpChain(theirs))
    assert reading.fork == Position(299 - depth, ours[299 - depth])
    assert [found.header.hash for found in reading.blocks] == theirs[300 - depth :]
    assert reading.complete


def test_a_shorter_chain_that_is_not_ours_is_a_fork_too() -> None:
    ours = chain_of(20)
    theirs = chain_of(2, "theirs", onto=ours[:-5])
    reading = read_from(ours, MadeUpChain(theirs))
    assert reading.fork == Position(14, ours[14])
    assert reading.complete


def test_a_fork_below_all_that_is_kept_is_too_deep() -> None:
    ours = chain_of(300)
    theirs = chain_of(60, "theirs", onto=ours[:250])
    with pytest.raises(ReorgTooDeep):
        read_from(ours, MadeUpChain(theirs), kept=40)


def test_a_node_that_says_it_is_behind_is_read_but_decides_nothing() -> None:
    ours = chain_of(10)
    node = MadeUpChain(chain_of(1, onto=ours), behind_reason="still downloading")
    node.gone = {b"x": Departure("dropped")}
    reading = read_from(ours, node, unmined=[b"x"])
    assert len(reading.blocks) == 1
    assert not reading.complete
    assert reading.gone == {}
    assert node.asked_absent == []


def test_what_is_missing_while_blocks_come_in_is_not_gone_yet() -> None:
    ours = chain_of(10)
    node = MadeUpChain(chain_of(1, onto=ours))
    node.gone = {b"x": Departure("dropped")}
    assert read_from(ours, node, unmined=[b"x"]).gone == {}
    assert node.asked_absent == [True]
    assert read_from(node.hashes, node, unmined=[b"x"]).gone == {b"x": Departure("dropped")}


def test_transfers_not_all_looked_at_are_not_complete() -> None:
    ours = chain_of(10)
    node = MadeUpChain(ours)
    node.unmined_now = Unmined([FoundTransfer(b"x" * 32, 0, b"k", None, 1)], complete=False)
    reading = read_from(ours, node)
    assert reading.has_news
    assert not reading.complete


class MovingChain(MadeUpChain):
    """Another chain is there by the time the blocks are asked for."""

    def __init__(self, first: Sequence[bytes], then: Sequence[bytes]) -> None:
        super().__init__(first)
        self._then = list(then)

    def glance(self) -> Glance:
        seen = super().glance()
        self.hashes = self._then
        return seen


def test_a_chain_that_moves_while_it_is_read_is_read_again_and_nothing_is_skipped() -> None:
    ours = chain_of(10)
    first = chain_of(3, onto=ours)
    then = chain_of(3, "theirs", onto=ours)
    reading = read_from(ours, MovingChain(first, then))
    assert [found.header.hash for found in reading.blocks] == then[10:]
    assert not reading.complete


@given(st.integers(1, 40), st.integers(0, 12), st.integers(0, 12), st.integers(1, 9))
def test_from_anywhere_the_end_is_the_nodes_chain(
    length: int, depth: int, longer: int, together: int
) -> None:
    ours = chain_of(length)
    depth = min(depth, length - 1)
    node = MadeUpChain(chain_of(depth + longer, "theirs", onto=ours[: length - depth]), together=together)
    for _ in range(60):
        reading = read_from(ours, node)
        if reading.behind_reason:
            assert len(node.hashes) < length
            return
        if reading.fork:
            ours = ours[: reading.fork.height + 1]
        ours = [*ours, *(found.header.hash for found in reading.blocks)]
        if reading.complete:
            break
    assert ours == node.hashes


def test_a_new_network_begins_with_linked_headers_up_to_the_tip() -> None:
    headers = first_headers(MadeUpChain(chain_of(500)), window=288)
    assert [header.height for header in headers] == list(range(212, 500))
    assert [header.height for header in first_headers(MadeUpChain(chain_of(3)), window=288)] == [0, 1, 2]


def test_a_new_network_does_not_begin_while_the_chain_moves() -> None:
    ours = chain_of(10)
    with pytest.raises(NodeUnreachable):
        first_headers(MovingChain(chain_of(3, onto=ours), ours), window=288)
