"""Money: an integer of an asset's smallest unit, together with its asset.

Nothing here is a float and nothing rounds by itself: text that is more precise than the asset is refused, and a division
names its direction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from alatau_pay.assets import DECIMALS_MAX, KZT, Asset

# NUMERIC(78,0) holds every uint256, the largest amount an EVM token can report.
AMOUNT_MINOR_MAX = 2**256 - 1
AMOUNT_DIGITS_MAX = 78

_DECIMAL_TEXT = re.compile(r"^(-?)(\d{1,78})(?:\.(\d{1,36}))?$", re.ASCII)


class AmountError(ValueError):
    """An amount that is not a number, is more precise than its asset, or is out of range."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """``minor`` smallest units of ``asset``. Adding or comparing two assets raises AmountError; a float raises."""

    minor: int
    asset: Asset

    def __post_init__(self) -> None:
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise AmountError(f"an amount is an integer of smallest units, not {type(self.minor).__name__}")
        if abs(self.minor) > AMOUNT_MINOR_MAX:
            raise AmountError("amount out of range")

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.asset)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.asset)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __str__(self) -> str:
        return f"{format_minor(self.minor, self.asset.decimals)} {self.asset.code}"

    def _same(self, other: Money) -> int:
        if not isinstance(other, Money) or other.asset != self.asset:
            raise AmountError(f"{self.asset.code} does not mix with {other!r}")
        return other.minor


def parse_minor(value: object, decimals: int) -> int:
    """Smallest units of the decimal text ``value`` ("12500.00", 2 → 1250000).

    Accepts str, int and Decimal. No exponent, no grouping, no sign "+", no surplus precision.

    Raises:
        AmountError: the value is a float, a bool, not a plain decimal number, NaN, too precise or too large.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise AmountError("an amount is decimal text, never a binary float")
    if isinstance(value, Decimal):
        # Looked at before it is written out: 1E+999999999 is short to send and a gigabyte to print.
        if not value.is_finite() or not -DECIMALS_MAX <= int(value.as_tuple().exponent) <= AMOUNT_DIGITS_MAX:
            raise AmountError("not a decimal number")
        text = format(value, "f")
    else:
        text = str(value)
    match = _DECIMAL_TEXT.match(text)
    if match is None:
        raise AmountError("not a decimal number")
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    if len(fraction.rstrip("0")) > decimals:
        raise AmountError(f"at most {decimals} digits after the point")
    minor = int(whole + fraction[:decimals].ljust(decimals, "0"))
    if minor > AMOUNT_MINOR_MAX:
        raise AmountError("amount out of range")
    return -minor if sign else minor


def format_minor(minor: int, decimals: int, *, trim: bool = False) -> str:
    """Decimal text of ``minor`` smallest units: (1250000, 2) → "12500.00"; ``trim`` drops trailing zeros."""
    if isinstance(minor, bool) or not isinstance(minor, int):
        raise AmountError(f"an amount is an integer of smallest units, not {type(minor).__name__}")
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(decimals + 1, "0")
    if decimals == 0:
        return sign + digits
    whole, fraction = digits[:-decimals], digits[-decimals:]
    if trim:
        fraction = fraction.rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def divide_up(numerator: int | Fraction, denominator: int | Fraction) -> int:
    """The quotient rounded towards plus infinity, exactly. Used where the payer rounds (a quote)."""
    return -(-Fraction(numerator) // Fraction(denominator))


def divide_down(numerator: int | Fraction, denominator: int | Fraction) -> int:
    """The quotient rounded towards minus infinity, exactly. Used where the platform's claim rounds (a value received)."""
    return Fraction(numerator) // Fraction(denominator)


def divide_half_up(numerator: int, denominator: int) -> int:
    """The quotient of two non-negative integers rounded half up: fees and taxes in tiyn."""
    if numerator < 0 or denominator <= 0:
        raise AmountError("half-up division is defined here for non-negative amounts")
    return (2 * numerator + denominator) // (2 * denominator)


def tenge(minor: int) -> Money:
    """``minor`` tiyn as Money."""
    return Money(minor, KZT)
