"""What goes back, to the satoshi and the tiyn."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.refund_amounts import AmountRefused, Credited, Sum, at_rate_now, at_rate_then, of_amount

# 12 500 ₸ for 36 765 sat: 34 000 000 ₸ a bitcoin.
WHOLE = Credited(36_765, 1_250_000)
BITCOIN = 10**8


def test_the_whole_goes_back_as_it_came():
    assert at_rate_then(WHOLE, None) == Sum(36_765, 1_250_000)
    assert of_amount(WHOLE, 36_765) == Sum(36_765, 1_250_000)


def test_a_part_at_the_rate_of_then():
    # 5 000 ₸ are 500 000 / 1 250 000 of 36 765 sat.
    assert at_rate_then(WHOLE, 500_000) == Sum(14_706, 500_000)


def test_the_coin_is_rounded_down():
    assert at_rate_then(WHOLE, 100) == Sum(2, 100)  # 2.94 sat
    with pytest.raises(AmountRefused, match="smallest unit"):
        at_rate_then(WHOLE, 1)


def test_what_a_coin_amount_costs_the_store_is_rounded_down():
    # 1 sat was credited as 33.99… tiyn.
    assert of_amount(WHOLE, 1) == Sum(1, 33)


def test_at_the_rate_of_now_the_tenge_stay_and_the_coin_follows():
    dearer = at_rate_now(WHOLE, None, tenge=Decimal(68_000_000), minor_per_unit=BITCOIN)
    assert dearer == Sum(18_382, 1_250_000)


def test_a_coin_that_fell_goes_back_whole_and_costs_what_it_is_worth():
    cheaper = at_rate_now(WHOLE, None, tenge=Decimal(17_000_000), minor_per_unit=BITCOIN)
    assert cheaper == Sum(36_765, 36_765 * 17)


@pytest.mark.parametrize("value", [0, -1, 1_250_001])
def test_never_more_value_than_was_credited(value):
    with pytest.raises(AmountRefused):
        at_rate_then(WHOLE, value)
    with pytest.raises(AmountRefused):
        at_rate_now(WHOLE, value, tenge=Decimal(34_000_000), minor_per_unit=BITCOIN)


@pytest.mark.parametrize("amount", [0, -1, 36_766])
def test_never_more_coin_than_came(amount):
    with pytest.raises(AmountRefused):
        of_amount(WHOLE, amount)


def test_what_went_back_is_not_there_again():
    half = Credited(36_765, 1_250_000, Sum(18_382, 625_000))
    assert half.left == Sum(18_383, 625_000)
    with pytest.raises(AmountRefused):
        of_amount(half, 18_384)
    with pytest.raises(AmountRefused):
        at_rate_then(half, 625_001)
    assert at_rate_then(half, None).value_tiyn == 625_000


def test_where_more_value_went_back_than_is_credited_by_now_the_store_bears_no_less_than_nothing():
    """A payment that was corrected after a part of it had gone back."""
    corrected = Credited(1_000, 30_000, given=Sum(900, 30_600))
    assert corrected.left == Sum(100, 0)
    assert of_amount(corrected, 100) == Sum(100, 0)


def test_nothing_credited_gives_nothing_back():
    nothing = Credited(0, 0)
    for attempt in (lambda: at_rate_then(nothing, None), lambda: of_amount(nothing, 1)):
        with pytest.raises(AmountRefused):
            attempt()


@given(
    coin=st.integers(1, 10**24),
    value=st.integers(1, 10**12),
    parts=st.lists(st.tuples(st.sampled_from(["then", "now", "amount"]), st.integers(1, 10**24)), max_size=8),
    tenge=st.decimals("0.01", "100000000", places=2),
)
def test_whatever_is_given_back_in_parts_stays_within_what_came(coin, value, parts, tenge):
    given_back = Sum(0, 0)
    for basis, asked in parts:
        credited = Credited(coin, value, given_back)
        try:
            if basis == "then":
                part = at_rate_then(credited, min(asked, credited.left.value_tiyn))
            elif basis == "now":
                part = at_rate_now(
                    credited, min(asked, credited.left.value_tiyn), tenge=tenge, minor_per_unit=10**8
                )
            else:
                part = of_amount(credited, min(asked, credited.left.amount_minor))
        except AmountRefused:
            continue
        assert part.amount_minor > 0
        assert part.value_tiyn >= 0
        given_back = Sum(given_back.amount_minor + part.amount_minor, given_back.value_tiyn + part.value_tiyn)
        assert given_back.amount_minor <= coin
        assert given_back.value_tiyn <= value
