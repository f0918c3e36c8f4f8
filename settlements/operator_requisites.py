"""Who the operator is, as documents name it: the settings of the installation, and the bank account of the day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.db.models import Q

from settlements.models import ServicingBank


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's requisites; the bank's are "" where no servicing bank is entered for the day."""

    name: str
    business_id: str
    address: str
    kbe: str
    bank_name: str
    bank_bic: str
    iban: str
    payout_knp: str


def operator_on(day: date) -> Operator:
    """The operator with the servicing bank that is valid on ``day`` (the first entered, where there are several)."""
    valid = Q(valid_from__lte=day) & (Q(valid_to__isnull=True) | Q(valid_to__gte=day))
    bank = ServicingBank.objects.filter(valid).order_by("pk").first()
    return Operator(
        name=settings.OPERATOR_NAME,
        business_id=settings.OPERATOR_BUSINESS_ID,
        address=settings.OPERATOR_ADDRESS,
        kbe=bank.payer_kbe if bank else settings.OPERATOR_KBE,
        bank_name=bank.name if bank else "",
        bank_bic=bank.bic if bank else "",
        iban=bank.iban if bank else "",
        payout_knp=bank.knp if bank else "",
    )
