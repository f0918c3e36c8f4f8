"""Reading FIXED_RATES: prices in tenge that a demo or a test sets by hand."""

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
