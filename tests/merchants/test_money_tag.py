"""Tenge and dates as people read them in each language."""

from datetime import datetime
from decimal import Decimal

import pytest
from django.template import Context, Template
from django.utils import formats, timezone, translation

from alatau_pay.money import AmountError
from merchants.templatetags.money import tenge

NBSP = "\xa0"


@pytest.mark.parametrize(
    ("language", "tiyn", "text"),
    [
        ("kk", 1250000, f"12{NBSP}500,00{NBSP}₸"),
        ("ru", 1250000, f"12{NBSP}500,00{NBSP}₸"),
        ("en", 1250000, f"12,500.00{NBSP}₸"),
        ("kk", 0, f"0,00{NBSP}₸"),
        ("kk", 5, f"0,05{NBSP}₸"),
        ("en", -105, f"-1.05{NBSP}₸"),
        ("ru", -100000001, f"-1{NBSP}000{NBSP}000,01{NBSP}₸"),
        # More than a binary float can count.
        ("en", 900719925474099301, f"9,007,199,254,740,993.01{NBSP}₸"),
    ],
)
def test_tiyn_are_written_as_tenge(language, tiyn, text):
    with translation.override(language):
        assert tenge(tiyn) == text
        assert Template("{% load money %}{{ amount|tenge }}").render(Context({"amount": tiyn})) == text


@pytest.mark.parametrize("value", [12500.0, Decimal("12500"), "12500", None, True])
def test_what_is_no_integer_raises(value):
    with pytest.raises(AmountError):
        tenge(value)


@pytest.mark.parametrize(
    ("language", "date", "number"),
    [
        ("kk", "2026 ж. 23 қараша", f"1{NBSP}234{NBSP}567,80"),
        ("ru", "23 ноября 2026 г.", f"1{NBSP}234{NBSP}567,80"),
        ("en", "23 November 2026", "1,234,567.80"),
    ],
)
def test_dates_and_numbers_are_written_as_in_kazakhstan(language, date, number):
    day = datetime(2026, 11, 23, 9, 5, tzinfo=timezone.get_default_timezone())
    with translation.override(language):
        # Whether the month begins with a capital is the catalogue's choice.
        assert formats.date_format(day, "DATE_FORMAT").lower() == date.lower()
        assert formats.date_format(day, "SHORT_DATE_FORMAT") == "23.11.2026"
        assert formats.date_format(day, "SHORT_DATETIME_FORMAT") == "23.11.2026 09:05"
        assert formats.localize(Decimal("1234567.80"), use_l10n=True) == number
        assert formats.get_format("FIRST_DAY_OF_WEEK") == 1
