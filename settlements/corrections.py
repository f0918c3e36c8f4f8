"""Corrections of the books by two people: lines that balance, named after a paper, posted at the approval.

An entry that stands is never edited: what was wrong in it is put right by lines that move the difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

from django.db import transaction

from alatau_pay.assets import CODE_PATTERN, KZT
from merchants.models import Merchant, User
from settlements import two_people
from settlements.entries import correction
from settlements.entry import AccountName, Entry, EntryRefused, Line
from settlements.models import AccountKind, Correction, CorrectionLine, ReserveSource
from settlements.two_people import DocumentRefused

_OF_A_MERCHANT = frozenset({AccountKind.PAYABLE.value, AccountKind.FEE_RECEIVABLE.value})
_OF_COINS = frozenset(
    {AccountKind.RESERVE.value, AccountKind.HELD.value, AccountKind.REFUND.value, AccountKind.SCREENED.value}
)
_RESERVE_PART = re.compile(rf"(w[0-9]+\.)?({'|'.join(ReserveSource.values)})")


def prepare(
    lines: Sequence[Line],
    *,
    document_number: str,
    document_date: date,
    reason: str,
    user: User,
    now: datetime,
) -> Correction:
    """Enter a correction for a second person to approve. Nothing is posted.

    Raises:
        DocumentRefused: the paper or a reason is missing, the lines do not balance, or an account cannot be.
    """
    two_people.check_paper(
        document_number=document_number, document_date=document_date, reason=reason, now=now
    )
    for line in lines:
        _check_account(line.account)
    _check_merchants({line.account.merchant_id for line in lines} - {""})
    try:
        _entry(lines, document_number=document_number, reason=reason)
    except EntryRefused as error:
        raise DocumentRefused(str(error)) from error
    with transaction.atomic():
        prepared = Correction.objects.create(
            document_number=document_number.strip(),
            document_date=document_date,
            reason=reason.strip(),
            line_count=len(lines),
            prepared_by=user,
            prepared_at=now,
        )
        CorrectionLine.objects.bulk_create(_row(prepared, line) for line in lines)
    return prepared


def approve(correction_id: int, *, user: User, now: datetime) -> Correction:
    """Post a correction that another person prepared.

    Raises:
        DocumentRefused: ``user`` prepared it, or it is decided already. Nothing is written.
    """
    with transaction.atomic():
        prepared = two_people.lock_for_approval(Correction, correction_id, user=user)
        lines = [Line(row.account, row.side, row.amount_minor) for row in prepared.lines.order_by("id")]
        entry = _entry(lines, document_number=prepared.document_number, reason=prepared.reason)
        return two_people.post(prepared, entry, user=user, now=now)


def _entry(lines: Sequence[Line], *, document_number: str, reason: str) -> Entry:
    return correction(lines, description=f"{document_number.strip()}: {reason.strip()}")


def _check_account(account: AccountName) -> None:
    if account.kind not in AccountKind.values:
        raise DocumentRefused(f"there is no account {account.code}")
    if not _is_of_recipes(account):
        raise DocumentRefused(f"there is no account {account.code}")
    if bool(account.merchant_id) != (account.kind in _OF_A_MERCHANT):
        raise DocumentRefused(f"{account.code}: a merchant's account names the merchant, and no other does")


def _is_of_recipes(account: AccountName) -> bool:
    """Whether a recipe could post to it. Money on a mistyped one would be in no balance that anybody reads."""
    if account.kind == AccountKind.POSITION:
        return bool(CODE_PATTERN.fullmatch(account.part)) if account.asset == KZT else not account.part
    if (account.kind in _OF_COINS) == (account.asset == KZT):
        return False
    if account.kind == AccountKind.RESERVE:
        return _RESERVE_PART.fullmatch(account.part) is not None
    return not account.part


def _check_merchants(merchant_ids: set[str]) -> None:
    known = set(Merchant.objects.filter(pk__in=merchant_ids).values_list("pk", flat=True))
    if unknown := merchant_ids - known:
        raise DocumentRefused(f"there is no such merchant: {', '.join(sorted(unknown))}")


def _row(prepared: Correction, line: Line) -> CorrectionLine:
    account = line.account
    return CorrectionLine(
        correction=prepared,
        kind=account.kind,
        asset_code=account.asset.code,
        asset_decimals=account.asset.decimals,
        merchant_id=account.merchant_id or None,
        part=account.part,
        side=line.side,
        amount_minor=line.amount_minor,
    )
