"""Which fee and which VAT hold on a day: dated rows, the merchant's own before everybody's."""

from __future__ import annotations

from datetime import date

from django.db.models import F, Q

from settlements.entries import Fee, fee_of
from settlements.models import FeeSchedule, VatRate


class FeeUnknown(Exception):
    """No fee schedule or VAT rate holds on that day: the city's officer has to enter one."""


def fee_for(*, merchant_id: str, gross_tiyn: int, on: date) -> Fee:
    """The platform's fee and the VAT on it for a payment of ``gross_tiyn`` settled ``on`` a day in Almaty.

    Raises:
        FeeUnknown: nothing is entered for that day.
    """
    schedule = (
        FeeSchedule.objects.filter(Q(merchant_id=merchant_id) | Q(merchant__isnull=True), valid_from__lte=on)
        .order_by(F("merchant_id").asc(nulls_last=True), "-valid_from")
        .first()
    )
    vat = VatRate.objects.filter(valid_from__lte=on).order_by("-valid_from").first()
    if schedule is None or vat is None:
        raise FeeUnknown(f"no {'fee schedule' if schedule is None else 'VAT rate'} holds on {on}")
    return fee_of(
        gross_tiyn, fee_basis_points=schedule.fee_basis_points, vat_basis_points=vat.rate_basis_points
    )
