"""The purpose of a payout: the wording that accountants search for, whole or refused."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlements.models import Payout
from settlements.payout_purpose import PURPOSE_LENGTH_MAX, PurposeTooLong, purpose_of

DAY = date(2026, 11, 22)


def purpose(**figures):
    values = {
        "first_day": DAY,
        "last_day": DAY,
        "number": 17,
        "operation_count": 12,
        "fee_tiyn": 131034,
        "vat_tiyn": 20966,
    }
    return purpose_of(**values | figures)


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        (
            {},
            "Возмещение по платежам Alatau Pay за 22.11.2026, реестр №17, 12 оп., "
            "комиссия 1520,00 удержана, в т.ч. НДС 209,66",
        ),
        (
            {"first_day": date(2026, 3, 20), "last_day": date(2026, 3, 25)},
            "Возмещение по платежам Alatau Pay за 20.03.2026-25.03.2026, реестр №17, 12 оп., "
            "комиссия 1520,00 удержана, в т.ч. НДС 209,66",
        ),
        (
            {"fee_tiyn": 152000, "vat_tiyn": 0},
            "Возмещение по платежам Alatau Pay за 22.11.2026, реестр №17, 12 оп., "
            "комиссия 1520,00 удержана, без НДС",
        ),
        (
            {"fee_tiyn": 0, "vat_tiyn": 0},
            "Возмещение по платежам Alatau Pay за 22.11.2026, реестр №17, 12 оп., комиссия не удержана",
        ),
        (
            {"fee_tiyn": -100, "vat_tiyn": -16},
            "Возмещение по платежам Alatau Pay за 22.11.2026, реестр №17, 12 оп., "
            "комиссия 1,16 возвращена, в т.ч. НДС 0,16",
        ),
    ],
)
def test_the_wording(figures, text):
    assert purpose(**figures) == text


def test_the_column_is_as_wide_as_the_text_may_be():
    assert Payout._meta.get_field("purpose").max_length == PURPOSE_LENGTH_MAX == 210


@given(st.integers(1, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**62), st.integers(0, 2**62))
def test_every_figure_that_the_columns_hold_fits_whole(number, operation_count, fee_tiyn, vat_tiyn):
    text = purpose(
        last_day=date(2026, 12, 31),
        number=number,
        operation_count=operation_count,
        fee_tiyn=fee_tiyn,
        vat_tiyn=vat_tiyn,
    )
    assert len(text) <= PURPOSE_LENGTH_MAX
    assert f"№{number}, {operation_count} оп." in text
    assert "\n" not in text
    assert "  " not in text


def test_what_does_not_fit_is_refused_not_cut():
    with pytest.raises(PurposeTooLong):
        purpose(operation_count=10**150)


def test_days_out_of_order_are_refused():
    with pytest.raises(ValueError, match="before the first"):
        purpose(last_day=date(2026, 11, 21))
