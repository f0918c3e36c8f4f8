"""How a merchant is paid out: its own wish, or the usual one. The only writer of PayoutPolicy."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from merchants.models import LegalForm, Merchant, User
from settlements.models import PayoutPolicy
from settlements.payout_schedule import Kind, Terms

# КБе: resident, and the sector of the economy that a legal form usually stands for (kbe = residency, sector).
_KBE = {
    LegalForm.COMPANY: "17",
    LegalForm.ENTREPRENEUR: "19",
    LegalForm.NON_PROFIT: "18",
    LegalForm.STATE: "16",
}


def policy_of(merchant: Merchant) -> PayoutPolicy:
    """The merchant's policy; an unsaved one (every business day, no minimum) where it never chose."""
    found = PayoutPolicy.objects.filter(merchant=merchant).first()
    return found or PayoutPolicy(merchant=merchant)


def terms_of(policy: PayoutPolicy) -> Terms:
    """The policy as the pure schedule wants it."""
    return Terms(
        kind=cast(Kind, policy.schedule),
        weekday=policy.weekday,
        threshold_tiyn=policy.threshold_tiyn,
        minimum_tiyn=policy.minimum_tiyn,
    )


def usual_kbe(merchant: Merchant) -> str:
    """The КБе that the merchant's legal form usually has."""
    return _KBE[LegalForm(merchant.legal_form)]


def kbe_of(merchant: Merchant) -> str:
    """The КБе that the merchant's payouts carry: its own, or the one of its legal form."""
    return policy_of(merchant).kbe or usual_kbe(merchant)


def change(merchant: Merchant, terms: Terms, *, kbe: str, actor: User, now: datetime) -> PayoutPolicy:
    """Pay ``merchant`` by ``terms`` from now on; ``kbe`` is two digits, or empty for the one of the legal form."""
    policy, _created = PayoutPolicy.objects.update_or_create(
        merchant=merchant,
        defaults={
            "schedule": terms.kind,
            "weekday": terms.weekday,
            "threshold_tiyn": terms.threshold_tiyn,
            "minimum_tiyn": terms.minimum_tiyn,
            "kbe": kbe,
            "updated_at": now,
            "updated_by": actor,
        },
    )
    return policy
