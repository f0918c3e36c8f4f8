"""Which assets residents may pay with now, and within which limits."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from compliance.models import AdmittedAsset


class NotAdmitted(Exception):
    """The asset is not admitted, or the amount lies outside its limits. The message is for the person who asked."""


def admitted(now: datetime) -> dict[str, AdmittedAsset]:
    """The admissions that hold at ``now``, by asset code (the one that began last, where several overlap)."""
    rows = AdmittedAsset.objects.filter(
        Q(admitted_until__isnull=True) | Q(admitted_until__gt=now), admitted_from__lte=now
    ).order_by("admitted_from")
    return {row.asset_code: row for row in rows}


def admitted_for(amount_tiyn: int, *, asset_codes: list[str], now: datetime) -> list[str]:
    """Those of ``asset_codes`` that may be used to pay ``amount_tiyn`` at ``now``, in the order given.

    Raises:
        NotAdmitted: none of them.
    """
    rows = admitted(now)
    fitting = [code for code in asset_codes if code in rows and _within(rows[code], amount_tiyn)]
    if not fitting:
        known = [code for code in asset_codes if code in rows]
        raise NotAdmitted(
            "the amount is outside the limits of every accepted asset"
            if known
            else "none of the accepted assets is admitted"
        )
    return fitting


def _within(row: AdmittedAsset, amount_tiyn: int) -> bool:
    return row.payment_min_tiyn <= amount_tiyn and (
        row.payment_max_tiyn is None or amount_tiyn <= row.payment_max_tiyn
    )
