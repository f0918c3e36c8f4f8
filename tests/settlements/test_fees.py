"""Which fee and VAT hold on a day."""

from datetime import date

import pytest

from settlements.fee_terms import Fee
from settlements.fees import FeeUnknown, fee_for
from settlements.models import FeeSchedule

pytestmark = pytest.mark.django_db


def test_vat_is_16_per_cent_from_2026():
    assert fee_for(merchant_id="m", asset_code="BTC", gross_tiyn=1_000_000, on=date(2026, 1, 1)) == Fee(
        10_000, 1_600
    )


def test_vat_was_12_per_cent_before():
    FeeSchedule.objects.create(valid_from=date(2025, 1, 1), fee_basis_points=100)
    assert fee_for(merchant_id="m", asset_code="BTC", gross_tiyn=1_000_000, on=date(2025, 12, 31)) == Fee(
        10_000, 1_200
    )


def test_a_day_before_every_schedule_has_no_fee_to_guess():
    with pytest.raises(FeeUnknown):
        fee_for(merchant_id="m", asset_code="BTC", gross_tiyn=1_000_000, on=date(2024, 12, 31))


def test_the_merchants_own_row_goes_before_everybodys(merchant):
    FeeSchedule.objects.create(merchant=merchant, valid_from=date(2026, 3, 1), fee_basis_points=50)
    assert (
        fee_for(
            merchant_id=merchant.pk, asset_code="BTC", gross_tiyn=1_000_000, on=date(2026, 2, 28)
        ).fee_tiyn
        == 10_000
    )
    assert (
        fee_for(merchant_id=merchant.pk, asset_code="BTC", gross_tiyn=1_000_000, on=date(2026, 3, 1)).fee_tiyn
        == 5_000
    )
    assert (
        fee_for(merchant_id="other", asset_code="BTC", gross_tiyn=1_000_000, on=date(2026, 3, 1)).fee_tiyn
        == 10_000
    )
