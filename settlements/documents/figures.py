"""Figures as documents print them: to the tiyn, in the customs of each language. Pure."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from num2words import num2words

from alatau_pay.money import AmountError, format_minor
from settlements.business_day import ALMATY

NO_BREAK_SPACE = "\u00a0"
TENGE_SIGN = "₸"


def money(amount_tiyn: int, language: str) -> str:
    """ "1 234 567,80" (kk, ru) or "1,234,567.80" (en): always with tiyn, without the sign of the currency."""
    return grouped(format_minor(amount_tiyn, 2), language)


def tenge(amount_tiyn: int, language: str) -> str:
    """``money`` with the tenge sign after it."""
    return money(amount_tiyn, language) + NO_BREAK_SPACE + TENGE_SIGN


def price(rate_tenge: Decimal, language: str) -> str:
    """A price in tenge to the tiyn; to six decimals under one tenge."""
    if not isinstance(rate_tenge, Decimal):
        raise AmountError("a rate is a Decimal")
    step = Decimal("0.01") if rate_tenge >= 1 else Decimal("0.000001")
    return grouped(format(rate_tenge.quantize(step, ROUND_HALF_UP), "f"), language)


def grouped(text: str, language: str) -> str:
    """Decimal text ("-1234.50") with the language's thousands and comma, and a real minus."""
    comma, point = (",", ".") if language == "en" else (NO_BREAK_SPACE, ",")
    whole, _, fraction = text.partition(".")
    sign, digits = ("−", whole[1:]) if whole.startswith("-") else ("", whole)
    return sign + f"{int(digits):,}".replace(",", comma) + (point + fraction if fraction else "")


def day(value: date) -> str:
    """ "23.11.2026", as is usual in the country in every language."""
    return value.strftime("%d.%m.%Y")


def moment(value: datetime) -> str:
    """ "23.11.2026 14:05" in Almaty."""
    return value.astimezone(ALMATY).strftime("%d.%m.%Y %H:%M")


def percent(basis_points: int, language: str) -> str:
    """Hundredths of a per cent as "16 %" or "12,5 %"."""
    text = format_minor(basis_points, 2, trim=True)
    return grouped(text, language) + NO_BREAK_SPACE + "%"


def in_words(amount_tiyn: int, language: str) -> str:
    """The amount in words, with a capital letter: "Сто пятьдесят две тысячи тенге, пятьдесят тиынов"."""
    text = format_minor(abs(amount_tiyn), 2)
    if language == "ru" or language == "kk":
        code = "kz" if language == "kk" else "ru"
        words = str(num2words(text, lang=code, to="currency", currency="KZT"))
    else:
        whole, _, tiyn = text.partition(".")
        words = f"{num2words(int(whole), lang='en')} tenge, {num2words(int(tiyn), lang='en')} tiyn"
    if amount_tiyn < 0:
        words = {"kk": "минус", "ru": "минус", "en": "minus"}[language] + " " + words
    return words[0].upper() + words[1:]
