"""How much goes back: the coin that a resident is sent and the tenge that the merchant bears for it. Pure, exact.

Everything is rounded down: the coin to its smallest unit, so that no more goes back than the value asked for buys; the tenge to
a tiyn, so that the merchant never bears more than is given back. What is less than one unit stays in the operator's position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from alatau_pay.money import divide_down

TIYN_PER_TENGE = 100


class AmountRefused(ValueError):
    """Not so much can go back. The message is for a person."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What a refund moves: smallest units of the coin, and tiyn of the merchant's."""

    amount_minor: int
    value_tiyn: int


@dataclass(frozen=True, slots=True)
class Credited:
    """What of a payment its merchant was credited with, and what of that goes or went back already."""

    amount_minor: int
    value_tiyn: int
    given: Sum = Sum(0, 0)

    @property
    def left(self) -> Sum:
        """What may still go back; never less than nothing."""
        return Sum(
            max(0, self.amount_minor - self.given.amount_minor),
            max(0, self.value_tiyn - self.given.value_tiyn),
        )

    def worth_then(self, amount_minor: int) -> int:
        """Tiyn that ``amount_minor`` was credited as, rounded down; 0 where nothing was credited."""
        return divide_down(amount_minor * self.value_tiyn, self.amount_minor) if self.amount_minor else 0


def at_rate_then(credited: Credited, value_tiyn: int | None) -> Sum:
    """``value_tiyn`` (None: all that is left) in coin at the rate at which the payment was credited.

    Raises:
        AmountRefused: it is not positive, more than is left, or less than the coin's smallest unit.
    """
    value = _asked(credited, value_tiyn)
    return _within(
        credited, divide_down(value * credited.amount_minor, credited.value_tiyn), value, credited.worth_then
    )


def at_rate_now(credited: Credited, value_tiyn: int | None, *, tenge: Decimal, minor_per_unit: int) -> Sum:
    """``value_tiyn`` (None: all that is left) in coin at ``tenge`` a unit.

    Where the coin fell so much that more of it would go back than came, all that came goes back, and the merchant bears what
    that is worth now.

    Raises:
        AmountRefused: as ``at_rate_then``.
    """
    value = _asked(credited, value_tiyn)
    rate = Fraction(tenge) * TIYN_PER_TENGE / minor_per_unit
    return _within(credited, divide_down(value, rate), value, lambda amount: divide_down(amount * rate, 1))


def of_amount(credited: Credited, amount_minor: int) -> Sum:
    """``amount_minor`` of the coin; the merchant bears what it was credited as.

    Raises:
        AmountRefused: it is not positive, or more than is left.
    """
    left = credited.left
    if not 0 < amount_minor <= left.amount_minor:
        raise AmountRefused(
            "never more goes back than came: the amount is not within what is left of the payment"
        )
    return Sum(amount_minor, min(left.value_tiyn, credited.worth_then(amount_minor)))


def _asked(credited: Credited, value_tiyn: int | None) -> int:
    left_tiyn = credited.left.value_tiyn
    value = left_tiyn if value_tiyn is None else value_tiyn
    if not 0 < value <= left_tiyn:
        raise AmountRefused(
            "never more goes back than came: the amount is not within what is left of the payment"
        )
    return value


def _within(credited: Credited, amount_minor: int, value_tiyn: int, worth: Callable[[int], int]) -> Sum:
    left_minor = credited.left.amount_minor
    if amount_minor > left_minor:
        amount_minor, value_tiyn = left_minor, min(value_tiyn, worth(left_minor))
    if amount_minor <= 0:
        raise AmountRefused("this is less than the smallest unit of the coin")
    return Sum(amount_minor, value_tiyn)
