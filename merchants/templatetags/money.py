"""Tenge in templates: ``{{ invoice.amount_tiyn|tenge }}``."""

from __future__ import annotations

from django import template
from django.utils.translation import get_language

from alatau_pay.money import AmountError

register = template.Library()

NO_BREAK_SPACE = "\xa0"
SIGN = "₸"


@register.filter
def tenge(tiyn: int) -> str:
    """``tiyn`` as people read it: 1250000 → "12 500,00 ₸" (kk, ru; no-break spaces) or "12,500.00 ₸" (en).

    Raises:
        AmountError: not an integer.
    """
    if isinstance(tiyn, bool) or not isinstance(tiyn, int):
        raise AmountError(f"an amount is an integer of tiyn, not {type(tiyn).__name__}")
    whole, rest = divmod(abs(tiyn), 100)
    minus = "-" if tiyn < 0 else ""
    digits = f"{whole:,}"
    if (get_language() or "en").startswith("en"):
        return f"{minus}{digits}.{rest:02d}{NO_BREAK_SPACE}{SIGN}"
    return f"{minus}{digits.replace(',', NO_BREAK_SPACE)},{rest:02d}{NO_BREAK_SPACE}{SIGN}"
