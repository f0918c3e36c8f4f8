"""What a payout to a merchant would be at this moment: its days, its amount, its figures. Reads, writes nothing.

Called while the merchant's account in the ledger is locked, where the draft becomes a payout.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Min, Q, QuerySet, Sum

from merchants.models import Merchant
from settlements import ledger
from settlements.entries import payable
from settlements.models import Payout, PayoutStatus, Posting, Side
from settlements.register import compile_register

# The recipes by which payouts themselves move what is owed.
PAYOUT_RECIPES = ["payout_reserved", "payout_cancelled", "payout_returned"]
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Draft:
    """Figures in tiyn over the business days ``first_day`` to ``last_day``; see ``Payout`` for ``other_tiyn``."""

    first_day: date
    last_day: date
    amount_tiyn: int
    operation_count: int
    gross_tiyn: int
    fee_tiyn: int
    vat_tiyn: int
    refunds_tiyn: int

    @property
    def other_tiyn(self) -> int:
        """What the amount holds besides the days' sales, fees and refunds."""
        return self.amount_tiyn - (self.gross_tiyn - self.fee_tiyn - self.vat_tiyn - self.refunds_tiyn)


def draft(merchant: Merchant, *, through: date) -> Draft | None:
    """The payout of what ``merchant`` was owed when ``through`` ended, less what payouts took since; None where that is nothing.

    Never more than is owed now: a refund or a reversal of today makes today's payout smaller.
    """
    amount_tiyn = payable_tiyn(merchant, through=through)
    if amount_tiyn <= 0:
        return None
    first_day, last_day = _days(merchant, through)
    totals = compile_register(merchant, first_day, last_day).totals
    return Draft(
        first_day=first_day,
        last_day=last_day,
        amount_tiyn=amount_tiyn,
        operation_count=totals.operation_count,
        gross_tiyn=totals.gross_tiyn,
        fee_tiyn=totals.fee_tiyn,
        vat_tiyn=totals.vat_tiyn,
        refunds_tiyn=totals.refunds_tiyn,
    )


def payable_tiyn(merchant: Merchant, *, through: date) -> int:
    """Tiyn that a payout could take for the days up to ``through``; nothing or negative where there is nothing to pay."""
    owed_now_tiyn = ledger.owed_tiyn(merchant)
    since = Posting.objects.filter(account__code=payable(merchant.pk).code, entry__business_date__gt=through)
    others_since_tiyn = _credits_less_debits(since, ~Q(entry__recipe__in=PAYOUT_RECIPES))
    # What was owed at the end of ``through``, and what payouts moved since, is what is owed now without today's operations.
    return min(owed_now_tiyn, owed_now_tiyn - others_since_tiyn)


def last_day_to_pay(now: datetime) -> date:
    """The last business date that a payout made at ``now`` can pay: days are paid when they are over."""
    return ledger.business_date(now) - _DAY


def _days(merchant: Merchant, through: date) -> tuple[date, date]:
    """The days that no payout covers yet, up to ``through``.

    Where every day is covered, the money is that of a payout which was cancelled or came back: its days again.
    """
    payouts = Payout.objects.filter(merchant=merchant)
    latest = payouts.filter(~Q(status=PayoutStatus.CANCELLED)).order_by("-last_day").first()
    first_day = latest.last_day + _DAY if latest else _first_operation(merchant)
    if first_day <= through:
        return first_day, through
    undone = payouts.filter(status=PayoutStatus.CANCELLED, last_day__lte=through)
    again = undone.order_by("-number").first()
    return (again.first_day, again.last_day) if again else (through, through)


def _first_operation(merchant: Merchant) -> date:
    found = Posting.objects.filter(account__code=payable(merchant.pk).code).aggregate(
        first=Min("entry__business_date")
    )["first"]
    assert isinstance(found, date)  # only asked where something is owed
    return found


def _credits_less_debits(postings: QuerySet[Posting], which: Q) -> int:
    sums = postings.filter(which).aggregate(
        credits=Sum("amount_minor", filter=Q(side=Side.CREDIT)),
        debits=Sum("amount_minor", filter=Q(side=Side.DEBIT)),
    )
    return int(sums["credits"] or 0) - int(sums["debits"] or 0)
