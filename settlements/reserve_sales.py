"""Coins of the reserve sold for tenge, by two people; the cost, and with it the realised difference, is taken at the approval."""

from __future__ import annotations

from datetime import date, datetime

from django.db import IntegrityError, connection, transaction

from alatau_pay.assets import Asset
from merchants.models import User
from settlements import ledger, two_people
from settlements.entries import cost_of, position, position_cost, reserve, reserve_sold
from settlements.models import ReserveSale, ReserveSource
from settlements.two_people import DocumentRefused

# The ledger's lock, which posting shares until its commit (migration 0006) and a day's close takes alone, as a sale does.
_LEDGER_LOCK = 7014101


def prepare(
    *,
    coin: Asset,
    wallet: str,
    source: str,
    amount_minor: int,
    proceeds_tiyn: int,
    document_number: str,
    document_date: date,
    reason: str,
    user: User,
    now: datetime,
) -> ReserveSale:
    """Enter a sale for a second person to approve. Nothing is posted.

    ``wallet`` and ``source`` say which account of the reserve the coins leave; ``proceeds_tiyn`` is what the bank received.

    Raises:
        DocumentRefused: a figure or the paper is missing, the reserve holds less, or the document was entered before.
    """
    two_people.check_paper(
        document_number=document_number, document_date=document_date, reason=reason, now=now
    )
    if source not in ReserveSource.values:
        raise DocumentRefused("no such source")
    if amount_minor <= 0 or proceeds_tiyn <= 0:
        raise DocumentRefused("a sale has an amount and proceeds")
    sale = ReserveSale(
        asset_code=coin.code,
        asset_decimals=coin.decimals,
        wallet=wallet,
        source=source,
        amount_minor=amount_minor,
        proceeds_tiyn=proceeds_tiyn,
        document_number=document_number.strip(),
        document_date=document_date,
        reason=reason.strip(),
        prepared_by=user,
        prepared_at=now,
    )
    _check_held(sale)
    try:
        with transaction.atomic():
            sale.save()
    except IntegrityError as error:
        raise DocumentRefused("this document was entered before") from error
    return sale


def approve(sale_id: int, *, user: User, now: datetime) -> ReserveSale:
    """Post a sale that another person prepared, with its share of the cost and the realised difference.

    Raises:
        DocumentRefused: ``user`` prepared it, it is decided already, or less is held by now. Nothing is written.
    """
    with transaction.atomic():
        sale = two_people.lock_for_approval(ReserveSale, sale_id, user=user)
        _hold_the_books_still()
        _check_held(sale)
        sale.cost_tiyn = _cost_tiyn(sale)
        entry = reserve_sold(
            coin=sale.asset,
            wallet=sale.wallet,
            sold_minor=sale.amount_minor,
            cost_tiyn=sale.cost_tiyn,
            proceeds_tiyn=sale.proceeds_tiyn,
            source=sale.source,
        )
        return two_people.post(sale, entry, user=user, now=now)


def _hold_the_books_still() -> None:
    """Nobody posts until this sale is written or refused, so that its share is of what the position is, to the tiyn.

    Two sales at once, or a sale beside a refund, would each take their share of the same cost. A sale is approved a few times
    a day and holds the lock for milliseconds; whoever posts waits so long.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LEDGER_LOCK])


def _check_held(sale: ReserveSale) -> None:
    held_minor = ledger.balance_minor(reserve(sale.asset, sale.wallet, sale.source))
    if sale.amount_minor > held_minor:
        raise DocumentRefused("the reserve holds less than that in this wallet from this source")
    if sale.amount_minor > -ledger.balance_minor(position(sale.asset)):
        raise DocumentRefused("a part of these coins is owed to residents and cannot be sold")


def _cost_tiyn(sale: ReserveSale) -> int:
    """The sale's share of the position's cost, half up; all of it for the whole position."""
    cost_tiyn = ledger.balance_minor(position_cost(sale.asset))
    if cost_tiyn < 0:
        raise DocumentRefused("the position has a negative cost: the books need a correction first")
    return cost_of(
        sale.amount_minor,
        position_minor=-ledger.balance_minor(position(sale.asset)),
        position_cost_tiyn=cost_tiyn,
    )
