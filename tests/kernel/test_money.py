"""Amounts are integers of smallest units: what is refused, what is exact, which way a division rounds."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alatau_pay.assets import KZT, Asset
from alatau_pay.money import (
    AMOUNT_MINOR_MAX,
    AmountError,
    Money,
    divide_down,
    divide_half_up,
    divide_up,
    format_minor,
    parse_minor,
    tenge,
)

BTC = Asset("BTC", "BTC", 8)


@pytest.mark.parametrize(
    ("text", "decimals", "minor"),
    [
        ("12500.00", 2, 1_250_000),
        ("0.01", 2, 1),
        ("-3.5", 2, -350),
        ("7", 0, 7),
        (12500, 2, 1_250_000),
        (Decimal("12500.50"), 2, 1_250_050),
        (Decimal("1E+3"), 2, 100_000),
        ("1.500000", 2, 150),
        ("0.000000000000000001", 18, 1),
    ],
)
def test_plain_decimal_text_is_read_exactly(text, decimals, minor):
    assert parse_minor(text, decimals) == minor


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        True,
        None,
        "",
        "NaN",
        "Infinity",
        "1e3",
        "1,5",
        "1 000",
        "+1",
        "--1",
        ".5",
        "5.",
        "0x10",
        "١٢",
        "1.001",
        "9" * 79,
        str(2**256),
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1E+999999999"),
        Decimal("1E-999999999"),
        [1],
    ],
)
def test_anything_else_is_refused(value):
    with pytest.raises(AmountError):
        parse_minor(value, 2)


def test_the_largest_token_amount_is_read():
    assert parse_minor(str(AMOUNT_MINOR_MAX), 0) == 2**256 - 1


@given(st.integers(min_value=-(10**40), max_value=10**40), st.integers(min_value=0, max_value=18))
def test_what_is_written_is_read_back(minor, decimals):
    assert parse_minor(format_minor(minor, decimals), decimals) == minor
    assert parse_minor(format_minor(minor, decimals, trim=True), decimals) == minor


def test_amounts_are_written_with_all_decimals_or_trimmed():
    assert format_minor(5, 8) == "0.00000005"
    assert format_minor(-5, 2) == "-0.05"
    assert format_minor(150_000_000, 8, trim=True) == "1.5"
    assert format_minor(100, 2, trim=True) == "1"


def test_money_of_two_assets_does_not_mix():
    with pytest.raises(AmountError):
        tenge(1) + Money(1, BTC)
    with pytest.raises(AmountError):
        assert tenge(1) < Money(2, BTC)
    assert tenge(1) + tenge(2) == tenge(3)
    assert tenge(3) - tenge(2) == tenge(1)
    assert tenge(1) != Money(1, BTC)


@pytest.mark.parametrize("minor", [1.0, True, "1", None, Decimal(1)])
def test_money_is_made_of_integers_only(minor):
    with pytest.raises(AmountError):
        Money(minor, KZT)


def test_money_outside_a_uint256_is_refused():
    with pytest.raises(AmountError):
        Money(2**256, KZT)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_divisions_round_the_way_they_are_named(numerator, denominator):
    exact = Fraction(numerator, denominator)
    assert divide_down(numerator, denominator) <= exact < divide_down(numerator, denominator) + 1
    assert divide_up(numerator, denominator) - 1 < exact <= divide_up(numerator, denominator)


@given(st.integers(0, 10**30), st.integers(1, 10**20))
def test_half_up_is_the_nearest_and_a_half_goes_up(numerator, denominator):
    rounded = divide_half_up(numerator, denominator)
    assert Fraction(-1, 2) < rounded - Fraction(numerator, denominator) <= Fraction(1, 2)


def test_half_up_refuses_negative_amounts():
    with pytest.raises(AmountError):
        divide_half_up(-1, 2)


@pytest.mark.parametrize("code", ["", "btc", "B", "BTC-CHAIN", "A" * 33, "1BTC"])
def test_an_asset_code_is_upper_case_letters_digits_and_dots(code):
    with pytest.raises(ValueError, match="asset code"):
        Asset(code, "BTC", 8)


@pytest.mark.parametrize("decimals", [-1, 37, True, 2.0])
def test_an_assets_decimals_are_a_small_integer(decimals):
    with pytest.raises(ValueError, match="decimals"):
        Asset("BTC", "BTC", decimals)
