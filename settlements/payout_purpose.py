"""The purpose of a payout, in the wording that merchants' accountants search for. Pure.

Banks and their files take Russian; 1C's exporters stop at 210 characters. Nothing is cut: a text that does not fit is refused.
"""

from __future__ import annotations

from datetime import date

from alatau_pay.money import format_minor

PURPOSE_LENGTH_MAX = 210


class PurposeTooLong(ValueError):
    """The purpose does not fit into 210 characters."""


def purpose_of(
    *, first_day: date, last_day: date, number: int, operation_count: int, fee_tiyn: int, vat_tiyn: int
) -> str:
    """The purpose of payout ``number`` over the days ``first_day`` to ``last_day``; ``fee_tiyn`` is without its VAT.

    "Возмещение по платежам Alatau Pay за 22.11.2026, реестр №17, 12 оп., комиссия 1520,00 удержана, в т.ч. НДС 209,66".

    Raises:
        PurposeTooLong: see there.
        ValueError: the days are not in order.
    """
    if last_day < first_day:
        raise ValueError("the last day is before the first")
    days = f"{first_day:%d.%m.%Y}" if first_day == last_day else f"{first_day:%d.%m.%Y}-{last_day:%d.%m.%Y}"
    text = (
        f"Возмещение по платежам Alatau Pay за {days}, реестр №{number}, {operation_count} оп., "
        f"{_fee_words(fee_tiyn, vat_tiyn)}"
    )
    if len(text) > PURPOSE_LENGTH_MAX:
        raise PurposeTooLong(f"{len(text)} characters, at most {PURPOSE_LENGTH_MAX} fit")
    return text


def _fee_words(fee_tiyn: int, vat_tiyn: int) -> str:
    total_tiyn = fee_tiyn + vat_tiyn
    if total_tiyn == 0:
        return "комиссия не удержана"
    # Days with more refunds than sales give fee back.
    what = "удержана" if total_tiyn > 0 else "возвращена"
    vat = f"в т.ч. НДС {_comma(abs(vat_tiyn))}" if vat_tiyn else "без НДС"
    return f"комиссия {_comma(abs(total_tiyn))} {what}, {vat}"


def _comma(tiyn: int) -> str:
    return format_minor(tiyn, 2).replace(".", ",")
