"""Which fee and which VAT hold on a day: dated rows, the narrowest scope before the wider ones."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

from django.db.models import Q, Sum

from settlements.entries import payable
from settlements.fee_terms import Fee, fee_of
from settlements.models import Account, FeeSchedule, Posting, Side, VatRate


class FeeUnknown(Exception):
    """No fee schedule or VAT rate holds on that day: the city's officer has to enter one."""


def fee_for(*, merchant_id: str, asset_code: str, gross_tiyn: int, on: date) -> Fee:
    """The platform's fee and the VAT on it for a payment of ``gross_tiyn`` in ``asset_code``, settled ``on`` a day in Almaty.

    The scope is the narrowest with a row valid that day: the merchant's for the asset, the merchant's, everybody's for the
    asset, everybody's. Within it the latest date holds; of that date's tiers the highest that the volume reaches, and where it
    reaches none, the next wider scope.

    Raises:
        FeeUnknown: nothing is entered for that day.
    """
    schedule = _schedule(merchant_id, asset_code, on)
    vat = VatRate.objects.filter(valid_from__lte=on).order_by("-valid_from").first()
    if schedule is None or vat is None:
        raise FeeUnknown(f"no {'fee schedule' if schedule is None else 'VAT rate'} holds on {on}")
    return fee_of(gross_tiyn, terms=schedule.terms, vat_basis_points=vat.rate_basis_points)


def volume_tiyn(merchant_id: str, *, month_of: date) -> int:
    """The merchant's gross sales, in tiyn, in the calendar month (Almaty) of ``month_of``, less what was reversed."""
    first = month_of.replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    # By the merchant's own postings of the month, which one index finds, and by a number whose frequency the planner knows: this
    # is asked while a payment settles, and must not read the ledger of all others.
    own = Account.objects.filter(code=payable(merchant_id).code).first()
    if own is None:
        return 0
    sums = Posting.objects.filter(
        account__kind="position",
        account__asset_code="KZT",
        entry__recipe__in=_SALES + _SALES_REVERSED,
        entry__postings__account=own,
        entry__postings__business_date__gte=first,
        entry__postings__business_date__lt=after,
    ).aggregate(
        debits=Sum("amount_minor", filter=Q(side=Side.DEBIT)),
        credits=Sum("amount_minor", filter=Q(side=Side.CREDIT)),
    )
    return int(sums["debits"] or 0) - int(sums["credits"] or 0)


_SALES = ["payment_settled", "held_accepted"]
_SALES_REVERSED = [f"{recipe}_reversed" for recipe in _SALES]


def _schedule(merchant_id: str, asset_code: str, on: date) -> FeeSchedule | None:
    rows = FeeSchedule.objects.filter(
        Q(merchant_id=merchant_id) | Q(merchant__isnull=True),
        asset_code__in=["", asset_code],
        valid_from__lte=on,
    )
    scopes: defaultdict[tuple[bool, bool], list[FeeSchedule]] = defaultdict(list)
    for row in rows:
        scopes[_narrowness(row)].append(row)
    for narrowness in sorted(scopes, reverse=True):
        latest = max(row.valid_from for row in scopes[narrowness])
        tiers = [row for row in scopes[narrowness] if row.valid_from == latest]
        if reached := _reached(tiers, merchant_id, on):
            return max(reached, key=lambda row: row.volume_from_tiyn)
    return None


def _narrowness(row: FeeSchedule) -> tuple[bool, bool]:
    return (row.merchant_id is not None, row.asset_code != "")


def _reached(tiers: list[FeeSchedule], merchant_id: str, on: date) -> list[FeeSchedule]:
    """Those tiers that the volume of the month before reaches; the volume is asked for only where it matters."""
    if all(row.volume_from_tiyn == 0 for row in tiers):
        return tiers
    volume = volume_tiyn(merchant_id, month_of=on.replace(day=1) - timedelta(days=1))
    return [row for row in tiers if row.volume_from_tiyn <= volume]
