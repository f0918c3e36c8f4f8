"""Amounts as people read them: tenge in the customs of each language, assets as wallets write them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from alatau_pay.assets import KZT
from alatau_pay.money import AmountError, format_minor

NO_BREAK_SPACE = "\u00a0"
TENGE_SIGN = "₸"


def tenge_text(amount_tiyn: int, language: str) -> str:
    """``amount_tiyn`` in tenge: "12 500 ₸", "12 500,50 ₸" (kk, ru), "12,500.50 ₸" (en). Whole tenge show no tiyn."""
    text = format_minor(amount_tiyn, KZT.decimals)
    return _grouped(text.removesuffix(".00"), language) + NO_BREAK_SPACE + TENGE_SIGN


def rate_text(rate_tenge: Decimal, language: str) -> str:
    """A price in tenge for one unit of an asset, to the tiyn; to six decimals under one tenge, where tiyn say too little."""
    if not isinstance(rate_tenge, Decimal):
        raise AmountError("a rate is a Decimal")
    step = Decimal("0.01") if rate_tenge >= 1 else Decimal("0.000001")
    text = format(rate_tenge.quantize(step, ROUND_HALF_UP), "f").removesuffix(".00")
    return _grouped(text, language) + NO_BREAK_SPACE + TENGE_SIGN


def _grouped(text: str, language: str) -> str:
    comma, point = (",", ".") if language == "en" else (NO_BREAK_SPACE, ",")
    whole, _, fraction = text.partition(".")
    sign, digits = ("−", whole[1:]) if whole.startswith("-") else ("", whole)
    grouped = f"{int(digits):,}".replace(",", comma)
    return sign + grouped + (point + fraction if fraction else "")
