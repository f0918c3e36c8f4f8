"""A transfer told twice is one transfer, whatever number its log has this time."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from chains.identity import KnownTransfer, assign
from chains.observation import COIN_INDEX, PENDING_TOKEN_INDEX, FoundTransfer

TOKEN, OTHER_TOKEN = b"t" * 20, b"o" * 20
ALICE, BOB = b"a" * 20, b"b" * 20


def known(index: int, key: bytes = ALICE, contract: bytes | None = TOKEN, amount: int = 5) -> KnownTransfer:
    return KnownTransfer(index, key, contract, amount)


def found(index: int, key: bytes = ALICE, contract: bytes | None = TOKEN, amount: int = 5) -> FoundTransfer:
    return FoundTransfer(b"x" * 32, index, key, contract, amount)


def test_a_pending_token_transfer_is_the_log_that_moves_the_same() -> None:
    before = [known(PENDING_TOKEN_INDEX, BOB, amount=7)]
    assert assign(before, [found(4, ALICE, amount=7), found(5, BOB, amount=7)]) == [None, 0]


def test_a_token_that_takes_a_fee_arrives_as_less_than_announced() -> None:
    assert assign([known(PENDING_TOKEN_INDEX, amount=100)], [found(3, amount=99)]) == [0]


def test_after_a_reorganisation_logs_are_known_by_what_they_move() -> None:
    before = [known(5, ALICE), known(6, BOB)]
    assert assign(before, [found(6, ALICE), found(5, BOB)]) == [0, 1]


def test_the_coin_and_a_token_to_one_address_are_two() -> None:
    before = [known(COIN_INDEX, contract=None)]
    assert assign(before, [found(0), found(COIN_INDEX, contract=None)]) == [None, 0]


def test_tokens_of_two_contracts_are_two() -> None:
    assert assign([known(PENDING_TOKEN_INDEX)], [found(0, contract=OTHER_TOKEN)]) == [None]


def test_equal_transfers_are_as_many_as_they_are() -> None:
    assert assign([known(0), known(1)], [found(0), found(1), found(2)]) == [0, 1, None]


def test_bitcoin_outputs_are_known_by_their_number() -> None:
    before = [known(0, contract=None), known(1, contract=None)]
    assert assign(before, [found(1, contract=None), found(2, contract=None)]) == [1, None]


TRANSFERS = st.lists(
    st.tuples(st.sampled_from([ALICE, BOB]), st.sampled_from([TOKEN, OTHER_TOKEN]), st.integers(1, 3)),
    max_size=6,
)


@given(TRANSFERS, st.integers(0, 9), st.randoms(use_true_random=False))
def test_told_again_with_other_numbers_nothing_is_new_and_nothing_is_taken_twice(
    moved: list[tuple[bytes, bytes, int]], shift: int, order: random.Random
) -> None:
    before = [known(n, *one) for n, one in enumerate(moved)]
    again = list(enumerate(moved, start=shift))
    order.shuffle(again)
    positions = assign(before, [found(n, *one) for n, one in again])
    assert sorted(positions) == list(range(len(moved)))  # type: ignore[type-var]
    for position, (_, one) in zip(positions, again, strict=True):
        assert moved[position] == one  # type: ignore[index]
