"""How many blocks are asked for at once."""

from __future__ import annotations

import pytest

from chains.evm.block_range import ANSWERS_BEFORE_MORE, FIRST, MOST, BlockRange, suggested_blocks


def test_fast_answers_double_the_range_up_to_the_most() -> None:
    blocks = BlockRange()
    sizes = []
    for _ in range(6):
        sizes.append(blocks.size)
        blocks.answered(0.1)
    assert sizes == [FIRST, 2 * FIRST, 4 * FIRST, MOST, MOST, MOST]


@pytest.mark.parametrize(("seconds", "size"), [(0.9, 32), (1.5, 16), (5.5, 8)])
def test_slow_answers_halve_it_and_middling_ones_leave_it(seconds: float, size: int) -> None:
    blocks = BlockRange(size=16)
    blocks.answered(seconds)
    assert blocks.size == size


def test_what_was_refused_is_not_tried_again_for_a_while() -> None:
    blocks = BlockRange(size=64)
    blocks.refused(64)
    sizes = set()
    for _ in range(ANSWERS_BEFORE_MORE - 1):
        sizes.add(blocks.size)
        blocks.answered(0.1)
    assert sizes == {32}
    blocks.answered(0.1)
    assert blocks.size == 64


def test_it_never_falls_below_one_block() -> None:
    blocks = BlockRange(size=1)
    blocks.refused(1)
    blocks.timed_out(1)
    blocks.answered(60)
    assert blocks.size == 1


def test_a_suggestion_is_taken_when_it_asks_for_less() -> None:
    blocks = BlockRange(size=64)
    blocks.refused(64, suggested=5)
    assert blocks.size == 5
    blocks.refused(5, suggested=500)
    assert blocks.size == 2


@pytest.mark.parametrize(
    ("message", "blocks"),
    [
        ("this block range should work: [0x64, 0x68] (-32602)", 5),
        ("query returned more than 10000 results. Try with this block range [0x64, 0x64]. (-32005)", 1),
        ("block range is too wide (-32000)", None),
        ("try [0x1, 0x5]", None),
        ("try [0x64, 0x5]", None),
    ],
)
def test_a_suggested_range_is_read_from_the_refusal(message: str, blocks: int | None) -> None:
    assert suggested_blocks(message, 0x64) == blocks
