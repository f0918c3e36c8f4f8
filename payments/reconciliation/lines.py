"""A run's parts and differences in one line each, for a terminal and for a letter: in English, as the log is."""

from __future__ import annotations

from datetime import datetime

from django.utils import translation

from alatau_pay.money import format_minor
from payments.models import Comparison, Difference


def of_comparison(comparison: Comparison) -> str:
    """What a part of a run came to, or why it was not compared."""
    if comparison.not_compared_reason:
        return f"{comparison.scope}: not compared: {comparison.not_compared_reason}"
    height = f" at height {comparison.height}" if comparison.height is not None else ""
    return f"{comparison.scope}: {comparison.checked_count} compared{height}, {comparison.difference_count} differ"


def of_difference(difference: Difference, *, now: datetime) -> str:
    """Both sides of a difference, and its age at ``now`` in whole days."""
    with translation.override("en"):
        named = str(difference)
    sides = f"{_side(difference, difference.left_minor)} and {_side(difference, difference.right_minor)}"
    return f"{named}: {sides}, for {counted(difference.age(now).days, 'day')}. {difference.detail}".rstrip()


def counted(number: int, what: str) -> str:
    """A number of things, ``what`` being one of them."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _side(difference: Difference, amount_minor: int | None) -> str:
    if amount_minor is None:
        return "nothing"
    return f"{format_minor(amount_minor, difference.asset_decimals, trim=True)} {difference.asset_code}"
