"""Reading the settings of rates: prices in tenge that a demo or a test sets by hand, and limits in per cent."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from django.core.exceptions import ImproperlyConfigured


def parse_fixed_rates(text: str) -> dict[str, Decimal]:
    """Symbol → tenge for one unit, from "BTC=34000000,USDT=495.50".

    Raises:
        ImproperlyConfigured: a part is not SYMBOL=positive decimal.
    """
    rates: dict[str, Decimal] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        symbol, _, price_text = part.partition("=")
        try:
            price = Decimal(price_text)
        except InvalidOperation as error:
            raise ImproperlyConfigured(f"FIXED_RATES: not a price: {part!r}") from error
        if not symbol or not price.is_finite() or price <= 0:
            raise ImproperlyConfigured(f"FIXED_RATES: not a price: {part!r}")
        rates[symbol] = price
    return rates


def parse_percent(name: str, text: str) -> Decimal:
    """The fraction that ``text`` per cent is: "2.5" → 0.025.

    Raises:
        ImproperlyConfigured: not a number between 0 and 100, both left out; the message names the setting ``name``.
    """
    try:
        percent = Decimal(text)
    except InvalidOperation as error:
        raise ImproperlyConfigured(f"{name}: not a number: {text!r}") from error
    if not percent.is_finite() or not 0 < percent < 100:
        raise ImproperlyConfigured(f"{name}: not between 0 and 100 per cent: {text!r}")
    return percent / 100
