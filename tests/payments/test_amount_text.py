"""Amounts as people of each language read them."""

from decimal import Decimal

import pytest

from alatau_pay.money import AmountError
from payments.amount_text import rate_text, tenge_text


@pytest.mark.parametrize(
    ("amount_tiyn", "language", "text"),
    [
        (1250000, "kk", "12\u00a0500\u00a0₸"),
        (1250000, "ru", "12\u00a0500\u00a0₸"),
        (1250000, "en", "12,500\u00a0₸"),
        (123456780, "ru", "1\u00a0234\u00a0567,80\u00a0₸"),
        (123456780, "en", "1,234,567.80\u00a0₸"),
        (50, "kk", "0,50\u00a0₸"),
        (0, "kk", "0\u00a0₸"),
        (-150000, "ru", "−1\u00a0500\u00a0₸"),
    ],
)
def test_tenge(amount_tiyn, language, text):
    assert tenge_text(amount_tiyn, language) == text


@pytest.mark.parametrize(
    ("rate", "language", "text"),
    [
        (Decimal("34000000"), "ru", "34\u00a0000\u00a0000\u00a0₸"),
        (Decimal("495.500000000000"), "en", "495.50\u00a0₸"),
        (Decimal("495.505"), "kk", "495,51\u00a0₸"),
        (Decimal("0.001234567"), "kk", "0,001235\u00a0₸"),
    ],
)
def test_rates(rate, language, text):
    assert rate_text(rate, language) == text


@pytest.mark.parametrize("amount", [1.5, "1250000", None])
def test_only_integers_are_amounts(amount):
    with pytest.raises(AmountError):
        tenge_text(amount, "en")


def test_a_float_is_no_rate():
    with pytest.raises(AmountError):
        rate_text(1.5, "en")
