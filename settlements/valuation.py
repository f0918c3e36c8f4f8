"""What coins are worth in tenge beside what they cost. Pure.

Rounding: each value is rounded down to a tiyn by itself, so that the reserve is never shown above its worth; a total is the sum
of the values that stand above it. The unrealised difference is a value less a cost and needs no rounding of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from alatau_pay.assets import Asset
from alatau_pay.money import AmountError, divide_down

_TIYN_PER_TENGE = 100


def value_tiyn(amount_minor: int, asset: Asset, tenge: Decimal) -> int:
    """Tiyn that ``amount_minor`` smallest units are worth at ``tenge`` for a whole unit, rounded down.

    A negative amount, which only wrong books have, is worth as little: it is rounded away from zero.

    Raises:
        AmountError: the price is no positive Decimal.
    """
    if not isinstance(tenge, Decimal) or not tenge.is_finite() or tenge <= 0:
        raise AmountError("a price is a positive Decimal")
    units = Fraction(amount_minor, asset.minor_per_unit)
    return divide_down(units * Fraction(tenge) * _TIYN_PER_TENGE, 1)


@dataclass(frozen=True, slots=True)
class Position:
    """What the operator holds of one coin for itself, and what it cost; ``realised_tiyn`` is what its sales brought beyond it."""

    asset: Asset
    amount_minor: int
    cost_tiyn: int
    realised_tiyn: int

    def unrealised_tiyn(self, tenge: Decimal) -> int:
        """What the position would bring beyond its cost at ``tenge`` for a whole unit; its value rounded down to a tiyn."""
        return value_tiyn(self.amount_minor, self.asset, tenge) - self.cost_tiyn
