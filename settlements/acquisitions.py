"""Coins that come into the reserve otherwise than by payments: bought, seized, or given. Two people; posted at the approval."""

from __future__ import annotations

from datetime import date, datetime

from django.db import IntegrityError, transaction

from alatau_pay.assets import Asset
from merchants.models import User
from settlements import two_people
from settlements.entries import reserve_acquired
from settlements.models import Acquisition, AcquisitionSource
from settlements.two_people import DocumentRefused


def prepare(
    *,
    coin: Asset,
    wallet: str,
    source: str,
    amount_minor: int,
    value_tiyn: int,
    document_number: str,
    document_date: date,
    reason: str,
    user: User,
    now: datetime,
) -> Acquisition:
    """Enter an acquisition for a second person to approve. Nothing is posted.

    ``wallet`` is where the coins lie ("w7"; "" elsewhere); ``value_tiyn`` what was paid for them, or the document's value.

    Raises:
        DocumentRefused: a figure or the paper is missing, or the document was entered before.
    """
    two_people.check_paper(
        document_number=document_number, document_date=document_date, reason=reason, now=now
    )
    if source not in AcquisitionSource.values:
        raise DocumentRefused("no such source")
    if amount_minor <= 0 or value_tiyn < 0 or (value_tiyn == 0 and source == AcquisitionSource.PURCHASE):
        raise DocumentRefused("an acquisition has an amount, and a purchase its price")
    try:
        with transaction.atomic():
            return Acquisition.objects.create(
                asset_code=coin.code,
                asset_decimals=coin.decimals,
                wallet=wallet,
                source=source,
                amount_minor=amount_minor,
                value_tiyn=value_tiyn,
                document_number=document_number.strip(),
                document_date=document_date,
                reason=reason.strip(),
                prepared_by=user,
                prepared_at=now,
            )
    except IntegrityError as error:
        raise DocumentRefused("this document was entered before") from error


def approve(acquisition_id: int, *, user: User, now: datetime) -> Acquisition:
    """Post an acquisition that another person prepared: the coins are in the reserve.

    Raises:
        DocumentRefused: ``user`` prepared it, or it is decided already. Nothing is written.
    """
    with transaction.atomic():
        acquisition = two_people.lock_for_approval(Acquisition, acquisition_id, user=user)
        entry = reserve_acquired(
            coin=acquisition.asset,
            wallet=acquisition.wallet,
            source=acquisition.source,
            acquired_minor=acquisition.amount_minor,
            value_tiyn=acquisition.value_tiyn,
        )
        return two_people.post(acquisition, entry, user=user, now=now)
